"""The 404 public runs of Farseer (Li et al. 2506.10972), and its 7 larger ones set aside.

The figures to reach are those of an independent fit of the additive residuals: R2 on the larger
runs -2.553 for chinchilla, .8505 for skaling, .9273 for farseer, and .9174 at its published
parameters.
"""

import numpy as np
import pytest

from allometry import laws
from allometry.fitting.fit import fit
from allometry.tables.read import read_table
from tests.laws.test_farseer import PUBLISHED

COLUMNS = {"N": "N", "D": "D", "L": "loss"}


@pytest.fixture(scope="module")
def runs(reference):
    return read_table(reference / "scalebench" / "farseer.train.csv")


@pytest.fixture(scope="module")
def larger(reference):
    return read_table(reference / "scalebench" / "farseer.test.csv")


def r_squared(predicted, table):
    loss = np.asarray(table["loss"])
    return 1 - ((loss - predicted) ** 2).sum() / ((loss - loss.mean()) ** 2).sum()


def percent_off(predicted, table):
    return 100 * np.abs(predicted / table["loss"] - 1).mean()


def at(table):
    return {"N": table["N"], "D": table["D"]}


def test_the_published_parameters_predict_as_published(larger):
    predicted = laws.farseer.evaluate(PUBLISHED, at(larger))[0]
    assert r_squared(predicted, larger) == pytest.approx(0.9174, abs=5e-5)
    assert percent_off(predicted, larger) == pytest.approx(0.476, abs=5e-4)


@pytest.mark.parametrize(
    ("law", "r2", "mape"),
    [
        ("chinchilla", -2.553, 3.241),
        ("skaling", 0.8505, 0.617),
        ("farseer", 0.9273, 0.349),
    ],
)
def test_the_larger_runs_are_predicted_as_by_an_independent_fit(runs, larger, law, r2, mape):
    fitted = fit(runs, law, COLUMNS, objective="squared", resamples=0)
    assert fitted.status.code == "converged"
    predicted = fitted.predict(at(larger))
    assert r_squared(predicted, larger) == pytest.approx(r2, abs=2e-4)
    assert percent_off(predicted, larger) == pytest.approx(mape, abs=6e-4)


def test_the_exponent_of_the_sum_is_about_a_half(runs):
    k = fit(runs, "skaling", COLUMNS, objective="squared").parameters["k"]
    assert k.value == pytest.approx(0.507, abs=5e-4)
    assert k.verdict == "identified" and k.high < 0.6


@pytest.mark.parametrize(
    ("law", "total", "r2"),
    [("skaling", 0.00246087734, 0.8990), ("farseer", 0.00125616201, 0.9341)],
)
def test_squares_of_logs_give_the_optimum_that_scipy_finds(runs, larger, law, total, r2):
    """SciPy's least_squares, farseer by level, slope and exponent of each function of N."""
    fitted = fit(runs, law, COLUMNS, objective="squared_log", resamples=0)
    assert fitted.status.code == "converged"
    assert fitted.objective.value == pytest.approx(total, rel=1e-8)
    assert r_squared(fitted.predict(at(larger)), larger) == pytest.approx(r2, abs=5e-5)
