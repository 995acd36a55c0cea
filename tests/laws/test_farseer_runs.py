"""The 404 public runs of Farseer (Li et al. 2506.10972), and its 7 larger ones set aside.

The figures to reach are those of an independent fit of the additive residuals: R2 on the larger
runs -2.553 for chinchilla and .8505 for skaling.
"""

import numpy as np
import pytest

from allometry.fitting.fit import fit
from allometry.tables.read import read_table

COLUMNS = {"N": "N", "D": "D", "L": "loss"}


@pytest.fixture(scope="module")
def runs(reference):
    return read_table(reference / "scalebench" / "farseer.train.csv")


@pytest.fixture(scope="module")
def larger(reference):
    return read_table(reference / "scalebench" / "farseer.test.csv")


def r_squared(fitted, table):
    loss = np.asarray(table["loss"])
    off = loss - fitted.predict({"N": table["N"], "D": table["D"]})
    return 1 - (off**2).sum() / ((loss - loss.mean()) ** 2).sum()


@pytest.mark.parametrize(("law", "expected"), [("chinchilla", -2.553), ("skaling", 0.8505)])
def test_the_larger_runs_are_predicted_as_by_an_independent_fit(runs, larger, law, expected):
    fitted = fit(runs, law, COLUMNS, objective="squared", resamples=0)
    assert fitted.status.code == "converged"
    assert r_squared(fitted, larger) == pytest.approx(expected, abs=6e-4)


def test_the_exponent_of_the_sum_is_about_a_half(runs):
    k = fit(runs, "skaling", COLUMNS, objective="squared").parameters["k"]
    assert k.value == pytest.approx(0.507, abs=5e-4)
    assert k.verdict == "identified" and k.high < 0.6


def test_squares_of_logs_give_the_optimum_that_scipy_finds_from_many_starts(runs):
    """SciPy's least_squares from k = 1 and k = 1/2: sum of squares .00246087734, k .490232."""
    fitted = fit(runs, "skaling", COLUMNS, objective="squared_log", resamples=0)
    assert fitted.objective.value == pytest.approx(0.00246087734, rel=1e-8)
    assert fitted.values["k"] == pytest.approx(0.490232, abs=1e-6)
