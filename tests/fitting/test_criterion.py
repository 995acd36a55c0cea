"""The criterion belongs to the objective: known likelihoods, and outliers that decide nothing."""

import numpy as np
import pytest
from scipy import stats

from allometry.fitting.compare import compare
from allometry.fitting.fit import fit
from allometry.fitting.weights import akaike_weights, information
from allometry.laws import Law, Parameter, Term
from allometry.tables.table import Table

XY = {"x": "x", "y": "y"}
JOINT = {"N": "N", "D": "D", "L": "L"}


def grid(seed, beta):
    """Chinchilla's law on 60 runs with 0.4% noise, four of them grossly wrong."""
    rng = np.random.default_rng(seed)
    n, d = np.geomspace(1e7, 1e10, 10).repeat(6), np.tile(np.geomspace(1e9, 1e12, 6), 10)
    b = {0.28: 410, 0.34: 1500}[beta]
    loss = (1.7 + 400 * n**-0.34 + b * d**-beta) * np.exp(0.004 * rng.normal(size=60))
    loss[rng.choice(60, 4, replace=False)] *= np.array([1.3, 1.5, 0.7, 1.6])
    return Table({"N": n, "D": d, "L": loss})


@pytest.mark.parametrize("seed", range(3))
def test_four_outliers_in_sixty_rows_do_not_hide_that_exponents_differ(seed):
    table = grid(seed, 0.28)
    single = fit(table, "chinchilla", JOINT, resamples=200)
    assert single.parameters["beta"].high < single.parameters["alpha"].low
    group = compare(table, JOINT, ["chinchilla", "chinchilla_tied"], backtest=False)[0]
    assert group.chosen == "chinchilla" and group.laws["chinchilla"].weight > 0.99


@pytest.mark.parametrize("seed", range(3))
def test_outliers_do_not_make_exponents_differ_that_are_equal(seed):
    laws = ["chinchilla", "chinchilla_tied"]
    group = compare(grid(seed, 0.34), JOINT, laws, backtest=False)[0]
    assert group.chosen == "chinchilla_tied" and group.laws["chinchilla_tied"].weight < 0.9


def line(noise, n=40):
    x = np.geomspace(1, 1e3, n)
    return Table({"x": x, "y": 5 * x**-0.3 + 0.1 * noise})


@pytest.mark.parametrize(
    ("objective", "density", "logs"),
    [
        ("squared_log", stats.norm, True),
        ("absolute_log", stats.laplace, True),
        ("squared", stats.norm, False),
    ],
)
def test_differences_of_aicc_are_those_of_scipys_likelihoods(objective, density, logs):
    table = line(np.random.default_rng(1).normal(size=40))
    laws = ("power", "power_floor")
    fits = {n: fit(table, n, XY, objective=objective, resamples=0) for n in laws}
    expected = {}
    for name, made in fits.items():
        predicted, y = made.predict({"x": table["x"]}), table["y"]
        r = np.log(y / predicted) if logs else y - predicted
        _, scale = density.fit(r, floc=0)
        k = len(made.parameters) + 1
        likelihood = density.logpdf(r, 0, scale).sum()
        expected[name] = (
            -2 * likelihood + 2 * k + 2 * k * (k + 1) / (40 - k - 1),
            -2 * likelihood + k * np.log(40),
        )
    found = information(fits)
    for criterion in (0, 1):
        difference = [
            c["power"][criterion] - c["power_floor"][criterion] for c in (found, expected)
        ]
        assert difference[0] == pytest.approx(difference[1], abs=1e-9)


def test_hubers_criterion_is_that_of_squares_where_no_row_is_outside_delta():
    table = line(np.random.default_rng(1).normal(size=40))
    laws = ("power", "power_floor", "exponential")
    huber, squares = (
        information({n: fit(table, n, XY, resamples=0, **options) for n in laws})
        for options in ({"delta": 3.0}, {"objective": "squared_log"})
    )
    assert huber["power"][0] < huber["exponential"][0]
    near = [c["power"][0] - c["power_floor"][0] for c in (huber, squares)]
    assert near[0] == pytest.approx(near[1], abs=0.1)  # to first order in the difference


SIZES = {"x": "x", "z": "z", "y": "y"}
TWO_SIZES = Law(
    name="two_sizes",
    formula="y = A x^-alpha z^-beta",
    source="a test",
    sizes=("x", "z"),
    response="y",
    parameters=(
        Parameter("A", "scale", positive=True, start=(0.5, 2.0)),
        Parameter("alpha", "exponent of x"),
        Parameter("beta", "exponent of z"),
    ),
    terms=(Term("A", (("x", "alpha"), ("z", "beta"))),),
    default_starts=8,
)


def test_a_quotient_of_twice_the_objective_and_its_dispersion_is_chi_squared():
    """Schrader and Hettmansperger 1980: one parameter too many lowers it by chi-squared(1)."""
    drops = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=60) * np.where(rng.random(60) < 0.1, 10, 1)
        x = np.geomspace(1, 1e3, 60)
        table = Table({"x": x, "z": rng.permutation(x), "y": 5 * x**-0.3 * np.exp(0.02 * noise)})
        aicc = {
            n: criteria[0]
            for n, criteria in information(
                {
                    n: fit(table, TWO_SIZES, SIZES, delta=0.027, resamples=0, fixed=fixed)
                    for n, fixed in {"wide": {}, "tied": {"beta": 0.0}}.items()
                }
            ).items()
        }
        extra = [2 * k + 2 * k * (k + 1) / (60 - k - 1) for k in (3, 4)]
        drops.append(aicc["tied"] - extra[0] - aicc["wide"] + extra[1])
    assert stats.kstest(drops, stats.chi2(1).cdf).pvalue > 0.01


def test_weights_are_equal_where_no_law_has_rows_to_spare():
    table = Table({"x": [1.0, 2, 4], "y": [3.0, 2.1, 1.7]})
    fits = {n: fit(table, n, XY, resamples=0) for n in ("power", "log")}
    assert akaike_weights(fits) == {"power": 0.5, "log": 0.5}
