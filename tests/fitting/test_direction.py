"""A law that can only fall, where y rises, says so."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from allometry import laws
from allometry.fitting.direction import falls_against_data
from allometry.fitting.fit import fit
from allometry.fitting.options import FitOptions
from allometry.fitting.problem import Problem
from allometry.tables.table import Table

XY = {"x": "train_size", "y": "accuracy"}


def accuracy():
    """Case 10's law: accuracy against training size."""
    size = np.geomspace(100, 1e5, 8)
    noise = 0.002 * np.random.default_rng(0).normal(size=8)
    return Table({"train_size": size, "accuracy": 0.934 - 1.78 * size**-0.429 + noise})


def words(law, table, columns):
    return falls_against_data(
        Problem.of_table(table, law, columns, FitOptions(objective="squared_log")).centred()
    )


@pytest.mark.parametrize("law", ["power_floor", "exponential", "m4"])
def test_the_advice_names_the_direction_and_no_simpler_law(law):
    made = fit(accuracy(), law, XY, resamples=20)
    assert "y rises with x: this law falls" in made.notes
    assert "use a simpler law" not in made.status.advice.split("resamples")[0]


def test_profiles_keep_the_advice():
    made = fit(accuracy(), "power_floor", XY, interval="profile", resamples=20)
    assert "y rises with x: this law falls" in made.status.advice


@pytest.mark.parametrize("law", ["power", "log", "sigmoid", "bnsl1"])
def test_a_law_that_can_rise_is_not_blamed(law):
    assert words(laws.named(law), accuracy(), XY) == ""


@pytest.mark.parametrize("law", ["power_floor", "exponential", "m3", "m4"])
def test_nothing_is_said_where_y_falls_or_goes_nowhere(law):
    table = accuracy()
    falling = table.with_columns(accuracy=1 - table["accuracy"])
    flat = table.with_columns(accuracy=0.9 + 0.01 * np.array([1, -1, 2, -2, -2, 2, -1, 1]))
    assert words(laws.named(law), falling, XY) == words(laws.named(law), flat, XY) == ""


def test_equal_compute_is_no_rise():
    """Along a line of equal compute the loss rises with N since D gets smaller."""
    n = np.geomspace(1e7, 1e10, 12)
    d = 1e20 / (6 * n) * np.exp(0.05 * np.random.default_rng(0).normal(size=12))
    loss = 1.7 + 400 * n**-0.34 + 4e7 * d**-0.7
    table = Table({"N": n, "D": d, "L": loss})
    assert spearmanr(n, loss).statistic > 0.5
    assert words(laws.named("chinchilla"), table, {s: s for s in "NDL"}) == ""
    rising = table.with_columns(D=n, N=d[::-1], L=np.log(n))
    assert words(laws.named("chinchilla"), rising, {s: s for s in "NDL"})
