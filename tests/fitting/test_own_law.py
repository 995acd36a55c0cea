"""A law of one's own, written as CONTRIBUTING says, is fitted right or refused."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from allometry import laws
from allometry.errors import UsageError
from allometry.fitting import differences
from allometry.fitting.fit import fit
from allometry.fitting.objectives import named
from allometry.fitting.own_start import with_own_start
from allometry.fitting.problem import surface
from allometry.fitting.search import start_points
from allometry.laws import Law, Parameter
from allometry.tables.table import Table

COLUMNS = {"x": "x", "y": "y"}

# Accuracy 0.93 - 1.9 n^-0.45 with noise: a curve that rises to a ceiling.
CURVE = {
    "x": [100, 200, 400, 800, 1600, 3200, 6400, 12800],
    "y": [0.6856, 0.7509, 0.7977, 0.8351, 0.8544, 0.8791, 0.8903, 0.9057],
}


def law(value, names, **more):
    """A law of x with these parameters and nothing else."""
    parameters = more.pop("parameters", tuple(Parameter(name, "a number") for name in names))
    return Law(
        name="mine", formula="y = f(x)", source="mine", sizes=("x",), response="y",
        parameters=parameters, value=value, **more,
    )  # fmt: skip


def ceiling(p, sizes):
    return p["C"] - p["A"] * sizes["x"] ** -p["alpha"]


@pytest.mark.parametrize("given", [True, False])
def test_parameters_are_those_of_raw_sizes(given):
    """With or without bounds and start ranges; the values are those of SciPy."""
    ranges = (((1e-6, 1e3), (0.5, 2.0)), ((1e-9, 1e9), (0.1, 2.0)), ((1e-4, 20.0), (0.02, 2.0)))
    parameters = tuple(
        Parameter(name, "a number", positive=name != "alpha", bounds=bounds, start=start)
        for name, (bounds, start) in zip(("C", "A", "alpha"), ranges, strict=True)
    )
    mine = law(ceiling, ("C", "A", "alpha"), **({"parameters": parameters} if given else {}))
    fitted = fit(CURVE, mine, COLUMNS, objective="squared", resamples=0)
    x, y = (np.array(CURVE[s], float) for s in ("x", "y"))
    by_scipy, _ = curve_fit(lambda x, c, a, alpha: c - a * x**-alpha, x, y, p0=(0.9, 1.0, 0.4))
    assert tuple(fitted.values.values()) == pytest.approx(by_scipy, rel=1e-5)
    assert fitted.objective.value == pytest.approx(3.8e-5, rel=0.02)
    assert fitted.status.code in ("converged", "noise_free")
    np.testing.assert_allclose(fitted.predict({"x": x}), y, atol=0.01)


def test_a_centring_without_the_right_inverse_is_refused():
    with pytest.raises(UsageError, match="uncentre"):
        fit(CURVE, law(ceiling, ("C", "A", "alpha"), centring="ratio"), COLUMNS, resamples=0)
    wrong = law(ceiling, ("C", "A", "alpha"), uncentre=lambda p, centre: {**p, "C": p["C"]})
    with pytest.raises(UsageError, match="other values"):
        fit(CURVE, wrong, COLUMNS, resamples=0)

    def uncentre(p, centre):
        y, x = centre["y"], centre["x"]
        return {"C": p["C"] * y, "A": p["A"] * y * x ** p["alpha"], "alpha": p["alpha"]}

    right = law(ceiling, ("C", "A", "alpha"), uncentre=uncentre)
    plain = law(ceiling, ("C", "A", "alpha"))
    values = [fit(CURVE, mine, COLUMNS, objective="squared", resamples=0).values
              for mine in (right, plain)]  # fmt: skip
    assert values[0] == pytest.approx(values[1], rel=1e-6)


def test_a_law_without_a_finite_value_is_refused():
    impossible = law(lambda p, s: np.log(-1 - p["a"] ** 2 - s["x"] ** 2), "a")
    with pytest.raises(UsageError, match="no finite values"):
        fit(CURVE, impossible, COLUMNS, objective="squared", resamples=0)


def test_rows_of_size_zero_and_below_are_kept_unless_the_law_says_otherwise():
    x = np.linspace(-2, 3, 11)
    table = Table({"x": x, "y": 3.0 + 0.5 * np.exp(0.7 * x)})
    exponential = ("a", "b", "c"), lambda p, s: p["a"] + p["b"] * np.exp(p["c"] * s["x"])
    names, value = exponential
    fitted = fit(table, law(value, names), COLUMNS, objective="squared", resamples=0)
    assert fitted.rows == 11 and not fitted.dropped
    assert fitted.values == pytest.approx({"a": 3.0, "b": 0.5, "c": 0.7}, rel=1e-6)
    dropping = law(value, names, positive_sizes=True)
    assert fit(table, dropping, COLUMNS, objective="squared", resamples=0).rows == 6


@pytest.mark.parametrize("objective", ["squared", "squared_log", "huber_log"])
def test_data_without_noise_are_fitted_to_rounding(objective):
    rng = np.random.default_rng(0)
    n, d = np.geomspace(1e6, 1e9, 10), np.geomspace(1e8, 1e11, 10)[rng.permutation(10)]
    table = Table({"N": n, "D": d, "L": 1.7 + 400 * n**-0.34 + 410 * d**-0.28})
    truth = {"E": 1.7, "A": 400.0, "B": 410.0, "alpha": 0.34, "beta": 0.28}
    mine = Law(
        name="mine", formula="L", source="mine", sizes=("N", "D"), response="L",
        parameters=tuple(Parameter(name, "a number") for name in truth),
        value=lambda p, s: (
            p["E"] + p["A"] * s["N"] ** -p["alpha"] + p["B"] * s["D"] ** -p["beta"]
        ),
    )  # fmt: skip
    columns = {symbol: symbol for symbol in "NDL"}
    fitted = fit(table, mine, columns, objective=objective, resamples=0)
    assert fitted.values == pytest.approx(truth, rel=1e-6)
    assert fitted.status.code in ("converged", "noise_free")


@pytest.mark.parametrize("objective", ["squared", "squared_log", "huber_log"])
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_units_of_x_and_y_make_no_difference(objective, unit):
    rng = np.random.default_rng(3)
    x = np.linspace(0.2, 8, 25) * unit
    y = 1e-6 * (2 + 7 * np.exp(-x / (1.7 * unit))) * np.exp(0.02 * rng.normal(size=25))
    mine = law(lambda p, s: p["a"] + p["b"] * np.exp(-p["c"] * s["x"]), ("a", "b", "c"))
    fitted = fit(Table({"x": x, "y": y}), mine, COLUMNS, objective=objective, resamples=0)
    expected = {"a": 2e-6, "b": 7e-6, "c": 1 / (1.7 * unit)}
    assert fitted.values == pytest.approx(expected, rel=0.1)
    assert fitted.status.code in ("converged", "noise_free")


def test_a_point_that_the_values_do_not_depend_on_is_never_an_optimum():
    """From far away a peak underflows: every slope is exactly zero."""
    x = np.linspace(400, 500, 35)
    table = Table({"x": x, "y": 0.4 * np.exp(-0.5 * ((x - 451.5) / 4) ** 2)})
    peak = law(lambda p, s: p["h"] * np.exp(-0.5 * ((s["x"] - p["m"]) / p["w"]) ** 2), "hmw")
    for objective in ("squared", "asymmetric_absolute"):
        far = {"h": 1.0, "m": 5000.0, "w": 1.0}
        fitted = fit(table, peak, COLUMNS, objective=objective, resamples=0, start=far, starts=1)
        assert fitted.status.code == "not_converged" and not fitted.certificate.polished
    fitted = fit(table, peak, COLUMNS, objective="squared", resamples=0)
    assert {**fitted.values, "w": abs(fitted.values["w"])} == pytest.approx(
        {"h": 0.4, "m": 451.5, "w": 4.0}
    )


def test_parameters_that_only_count_together_are_not_called_converged():
    x = np.linspace(1, 9, 20)
    table = Table({"x": x, "y": 3 * x + np.cos(5 * x)})
    product = law(lambda p, s: p["a"] * p["b"] * s["x"], "ab")
    fitted = fit(table, product, COLUMNS, objective="squared", resamples=0)
    assert not fitted.certificate.polished and fitted.status.code != "converged"


def test_slopes_are_right_for_parameters_of_any_size():
    """At zero, at 1e-8 and 1e8, and for the place of a narrow peak far from zero."""
    x = np.linspace(9180, 9205, 60)

    def value(u):
        a, b, c, place = (u[:, [j]] for j in range(4))
        return a + b * x + 1e8 * c * x**2 + np.exp(-(((x - place) / 0.8) ** 2))

    u = np.array([[0.0, 1e-8, 3e-16, 9192.6]])
    _, slopes = differences.slopes(value, u, np.zeros(4, bool))
    away = (x - 9192.6) / 0.8
    exact = [np.ones(60), x, 1e8 * x**2, 2 * away / 0.8 * np.exp(-(away**2))]
    for slope, right in zip(slopes[0], exact, strict=True):
        np.testing.assert_allclose(slope, right, atol=1e-4 * np.abs(right).max())


# ---- a start of one's own ---------------------------------------------------------------------


def test_a_start_is_followed_alone_or_beside_the_others():
    mine = law(ceiling, ("C", "A", "alpha"))
    near = {"C": 0.9, "A": 1.5, "alpha": 0.4}
    alone = fit(CURVE, mine, COLUMNS, objective="squared", resamples=0, start=near, starts=1)
    beside = fit(CURVE, mine, COLUMNS, objective="squared", resamples=0, start={"C": 0.9})
    assert alone.certificate.starts == 1 and beside.certificate.starts > 1
    assert alone.values == pytest.approx(beside.values, rel=1e-6)


@pytest.mark.parametrize("name", ["power_floor", "chinchilla", "sigmoid", "exponential"])
def test_a_start_is_in_raw_values_for_laws_that_are_centred(name):
    mine = laws.named(name)
    rng = np.random.default_rng(0)
    sizes = {s: np.geomspace(1e3, 1e6, 20)[rng.permutation(20)] for s in mine.sizes}
    y = np.linspace(2, 3, 20)
    problem = surface(mine, named("squared"), sizes, y)
    starts = start_points(problem, 3, 0)
    raw = {n: float(v[1]) for n, v in problem.raw(starts).items()}
    own = with_own_start(problem, starts, raw, alone=True)
    np.testing.assert_allclose(own, starts[1:2], rtol=1e-6, atol=1e-8)


def test_a_start_that_cannot_be_is_refused():
    x = np.geomspace(1, 1e3, 12)
    table = Table({"x": x, "y": 2 + 3 * x**-0.5})
    cases = (
        ({"gamma": 1.0}, "no parameter gamma"),
        ({"A": -1.0}, "start of A must be a positive number"),
        ({"alpha": np.nan}, "start of alpha must be a number"),
        ({"alpha": 90.0}, "outside the bounds"),
    )
    for start, words in cases:
        with pytest.raises(UsageError, match=words):
            fit(table, "power_floor", COLUMNS, start=start, resamples=0)
    with pytest.raises(UsageError, match="E is fixed"):
        fit(table, "power_floor", COLUMNS, start={"E": 1.0}, fixed={"E": 2.0}, resamples=0)
