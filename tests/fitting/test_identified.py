"""What is called identified: width, designs that leave parameters open, unproven fits."""

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import f as f_distribution

from allometry import laws
from allometry.errors import DataError, UsageError
from allometry.fitting.fit import fit
from allometry.fitting.intervals import NEAR, is_narrow, width_verdict
from allometry.laws import Parameter
from allometry.tables.table import Table

# Own numbers: 0.9 + 45 x^-0.24 with 3% noise, whose best floor is zero.
FLOOR_AT_BOUND = Table(
    {
        "samples": [2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7, 5e7],
        "val_loss": [3.119, 2.585, 2.623, 2.393, 2.092, 1.817, 1.692, 1.526],
    }
)
# Accuracy that rises with training size: laws that fall collapse to a constant.
RISING = Table(
    {
        "x": [100, 200, 400, 800, 1600, 3200, 6400, 12800],
        "y": [0.6856, 0.7509, 0.7977, 0.8351, 0.8544, 0.8791, 0.8903, 0.9057],
    }
)
XY = {"x": "x", "y": "y"}
NDL = {"N": "N", "D": "D", "L": "L"}
TRUTH = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}


def ray(jitter, seed=0, rows=30):
    rng = np.random.default_rng(seed)
    n = np.geomspace(1e7, 1e10, rows)
    d = 20 * n * np.exp(jitter * rng.normal(size=rows))
    loss = laws.chinchilla.evaluate(TRUTH, {"N": n, "D": d})[0]
    return Table({"N": n, "D": d, "L": loss * np.exp(0.004 * rng.normal(size=rows))})


# ---- width ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "narrow"),
    [(1.0, 2.0, True), (1.0, 2.01, False), (-2.0, -1.0, True), (-3.0, -1.0, False),
     (-0.1, 0.1, False), (0.0, 1.0, False)],
)  # fmt: skip
def test_the_width_of_an_interval_is_the_ratio_of_its_ends(low, high, narrow):
    assert is_narrow(low, high, 2.0) == narrow


def test_a_parameter_of_either_sign_may_be_known_to_be_near_zero():
    signed = Parameter("b", "", bounds=(-5.0, 5.0))
    positive = Parameter("E", "", positive=True, bounds=(1e-6, 5.0))
    assert width_verdict(signed, "exponent", -0.02, 0.02, 0.04) == "identified"
    assert width_verdict(signed, "exponent", -0.2, 0.2, 0.4) == "wide"
    assert width_verdict(signed, "exponent", 0.02, 0.06, 0.04) == "wide"
    assert width_verdict(positive, "exponent", 0.01, 0.03, NEAR / 2) == "wide"


def test_every_parameter_of_every_law_has_a_kind():
    for law in laws.available().values():
        kinds = {name: law.kind(name) for name in law.names}
        assert set(kinds.values()) <= {"coefficient", "exponent", "floor"}
    assert laws.chinchilla.kind("E") == "floor"
    assert laws.chinchilla.kind("A") == "coefficient"
    assert laws.chinchilla.kind("beta") == "exponent"
    assert laws.overtraining.kind("alpha") == "coefficient"  # its exponent is called eta


def test_an_exponent_is_not_identified_where_its_ends_are_far_apart():
    rng = np.random.default_rng(1)
    x = np.geomspace(1, 30, 12)
    noisy = Table({"x": x, "y": 5 * x**-0.1 * np.exp(0.2 * rng.normal(size=12))})
    made = fit(noisy, "power", XY)
    alpha = made.parameters["alpha"]
    assert not is_narrow(alpha.low, alpha.high, 2.0) and alpha.verdict == "wide"
    assert made.status.code == "not_identified" and "alpha" in made.status.advice


def test_derived_quantities_are_judged_by_their_own_draws():
    rng = np.random.default_rng(0)
    n = np.geomspace(1e7, 1e9, 9).repeat(4)
    d = np.tile(np.geomspace(1e9, 3e10, 4), 9)
    loss = laws.chinchilla.evaluate(TRUTH, {"N": n, "D": d})[0]
    for noise, verdict in ((0.001, "identified"), (0.04, "wide")):
        table = Table({"N": n, "D": d, "L": loss * np.exp(noise * rng.normal(size=36))})
        share = fit(table, "chinchilla", NDL).derived["a"]
        assert share.verdict == verdict, share
        assert (share.high / share.low <= 2) == (verdict == "identified")


# ---- designs --------------------------------------------------------------------------------


@pytest.mark.parametrize("jitter", [0.0, 0.05])
@pytest.mark.parametrize("objective", ["auto", "squared_log"])
def test_on_a_ray_no_exponent_is_identified_and_the_line_is_told(jitter, objective):
    for seed in range(3):
        made = fit(ray(jitter, seed), "chinchilla", NDL, resamples=200, objective=objective)
        estimates = {**made.parameters, **made.derived}
        for name in ("A", "B", "alpha", "beta", "a", "b"):
            assert estimates[name].verdict in ("not_identified", "unproven"), name
        assert "D follows N^" in made.status.advice
        assert "Along their line L = 1." in made.status.advice


def test_sizes_that_vary_apart_are_not_a_ray():
    made = fit(ray(0.4), "chinchilla", NDL, resamples=200)
    assert "follows" not in made.status.advice
    assert made.parameters["alpha"].verdict == "identified"


def test_refits_cross_over_to_the_other_ridge():
    """Nearly on a ray with A N^-alpha and B D^-beta of one size: the two terms can exchange."""
    made = fit(ray(0.05, seed=2), "chinchilla", NDL, objective="squared_log", resamples=400)
    alpha = made.parameters["alpha"]
    assert alpha.low < 0.35 < alpha.high


@pytest.mark.parametrize(
    ("law", "flat"), [("exponential", {"A", "s"}), ("m4", {"A", "alpha", "g"})]
)
def test_a_law_that_collapsed_to_a_constant_identifies_no_more_than_the_constant(law, flat):
    made = fit(RISING, law, XY, objective="squared")
    for name in flat:
        assert made.parameters[name].verdict in ("not_identified", "unproven"), name


# ---- a floor at its bound ---------------------------------------------------------------------


def refitted(e=None, alpha=None):
    """Sum of squares of log residuals, the others refitted from several starts (SciPy)."""
    x = np.asarray(FLOOR_AT_BOUND["samples"], float)
    y = np.asarray(FLOOR_AT_BOUND["val_loss"], float)

    def residuals(p):
        floor = np.exp(p[0]) if e is None else e
        slope = p[-1] if alpha is None else alpha
        return np.log(y) - np.log(floor + np.exp(p[1]) * (x / 3e6) ** -slope)

    best = np.inf
    for floor in (1e-6, 0.3, 0.8, 1.2):
        for slope in (0.1, 0.2, 0.4):
            start = [np.log(floor), np.log(1.0), slope]
            free = [j for j, held in enumerate((e, None, alpha)) if held is None]

            def some(q, start=start, free=free):
                p = np.array(start)
                p[free] = q
                return residuals(p)

            best = min(best, 2 * least_squares(some, np.array(start)[free]).cost)
    return best


def test_a_profile_reaches_over_the_bound_of_a_floor():
    """Each end is where an independent refit meets the F interval, and E reaches above one."""
    columns = {"x": "samples", "y": "val_loss"}
    made = fit(FLOOR_AT_BOUND, "power_floor", columns, objective="squared_log",
               interval="profile")  # fmt: skip
    best = made.objective.value
    limit = best * (1 + f_distribution.ppf(0.95, 1, 5) / 5)
    for name, end in (
        ("e", made.parameters["E"].high),
        ("alpha", made.parameters["alpha"].low),
        ("alpha", made.parameters["alpha"].high),
    ):
        assert refitted(**{name: end}) == pytest.approx(limit, rel=0.02)
    assert made.parameters["E"].high == pytest.approx(1.22, rel=0.05)
    assert made.parameters["alpha"].high == pytest.approx(0.30, rel=0.05)


@pytest.mark.parametrize(
    "options", [{}, {"objective": "squared_log"},
                {"objective": "squared_log", "interval": "pairs"}], ids=str,
)  # fmt: skip
def test_refits_leave_the_bound_of_a_floor(options):
    """Within 15% of pairs refitted from several starts (SciPy): E [0, 1.31], alpha [.117, .331]."""
    made = fit(FLOOR_AT_BOUND, "power_floor", {"x": "samples", "y": "val_loss"}, **options)
    floor, alpha = made.parameters["E"], made.parameters["alpha"]
    assert floor.high == pytest.approx(1.31, rel=0.15)
    assert alpha.low == pytest.approx(0.117, rel=0.15)
    assert alpha.high == pytest.approx(0.331, rel=0.15)
    assert floor.verdict == "upper_bound_only" and alpha.verdict == "wide"


# ---- values held, fits not proven ---------------------------------------------------------------


def test_a_value_held_outside_its_domain_is_refused():
    table = Table({"x": [1e6, 1e7, 1e8, 1e9, 1e10], "y": [3.1, 2.6, 2.3, 2.12, 2.0]})
    for fixed in ({"E": -1.0}, {"A": -5.0}):
        (name,) = fixed
        with pytest.raises(UsageError, match=f"{name} must be positive in law power_floor"):
            fit(table, "power_floor", XY, fixed=fixed)
    with pytest.raises(UsageError, match="finite"):
        fit(table, "power_floor", XY, fixed={"alpha": float("nan")})
    assert fit(table, "power_floor", XY, fixed={"E": 0.0}).values["E"] == 0.0


def test_no_parameter_is_identified_where_the_optimum_is_not_proven():
    rng = np.random.default_rng(0)
    x = np.geomspace(1, 1e4, 40)
    table = Table({"x": x, "y": (1 + 3 * x**-0.5) * np.exp(0.3 * rng.normal(size=40))})
    made = fit(table, "bnsl2", XY, objective="huber_log", starts=3, resamples=50)
    assert made.status.code in ("not_converged", "found_once")
    assert all(e.verdict in ("unproven", "not_identified") for e in made.parameters.values())


def test_rows_without_noise_have_a_status_of_their_own():
    x = np.geomspace(10, 1e5, 30)
    made = fit(Table({"x": x, "y": 0.5 + 3 * x**-0.4}), "power_floor", XY)
    assert made.status.code == "noise_free"
    assert made.values["alpha"] == pytest.approx(0.4)
    assert {e.verdict for e in made.parameters.values()} == {"identified"}


@pytest.mark.parametrize("law", ["power_floor", "power_ceiling", "exponential", "chinchilla"])
def test_rows_without_noise_identify_every_parameter(law):
    law, rng = laws.named(law), np.random.default_rng(0)
    values = {"E": 0.5, "A": 3.0, "alpha": 0.4, "C": 0.9, "s": 300.0, "B": 2.0, "beta": 0.3}
    sizes = {s: np.exp(rng.uniform(0, 7, 40)) for s in law.sizes}
    y = law.evaluate({n: values[n] for n in law.names}, sizes)[0]
    columns = {symbol: symbol for symbol in (*law.sizes, law.response)}
    made = fit(Table({**sizes, law.response: y}), law, columns, resamples=200)
    assert made.status.code == "noise_free", made.status
    assert {e.verdict for e in made.parameters.values()} == {"identified"}
    assert made.values == pytest.approx({n: values[n] for n in law.names}, rel=1e-4)


@pytest.mark.parametrize("name", ["x", "y", "size", "weight"])
def test_a_cluster_column_of_any_name_leaves_the_line_of_a_ray_as_it_is(name):
    rng = np.random.default_rng(0)
    n = np.geomspace(1e7, 1e10, 24)
    loss = (1.8 + 480 * n**-0.35 + 2100 * (20 * n) ** -0.37) * np.exp(0.004 * rng.normal(size=24))
    runs = [f"run {i // 3}" for i in range(24)]

    def advice(cluster):
        table = Table({"params": n, "D": 20 * n, "L": loss, cluster: runs})
        columns = {"N": "params", "D": "D", "L": "L"}
        made = fit(table, "chinchilla", columns, cluster=cluster, resamples=50)
        return made.status.advice

    assert advice(name) == advice("run")


def test_held_parameters_need_no_rows_of_their_own():
    """Two free parameters of five need two rows; a law's own held parameter counts if freed."""
    sizes = {"N": [1e6, 1e7, 1e8], "D": [1e9, 3e9, 2e10]}
    n, d = map(np.array, sizes.values())
    table = {**sizes, "L": 1.7 + 400 * n**-0.34 + 410 * d**-0.28}
    held = {"E": 1.7, "alpha": 0.34, "beta": 0.28}
    fitted = fit(table, "chinchilla", NDL, fixed=held, resamples=0, interval="none")
    assert fitted.values["A"] == pytest.approx(400, rel=1e-3)
    assert fitted.values["B"] == pytest.approx(410, rel=1e-3)
    with pytest.raises(DataError, match="has 5 parameters to fit"):
        fit(table, "chinchilla", NDL, resamples=0, interval="none")
    two_rows = {name: values[:2] for name, values in table.items()}
    with pytest.raises(DataError, match="has 3 parameters to fit"):
        fit(two_rows, "chinchilla", NDL, fixed={"alpha": 0.34, "beta": 0.28}, resamples=0)
