"""Which objective a fit takes where none is asked for."""

import numpy as np
import pytest

from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.tables.table import Table

XY = {"x": "x", "y": "y"}


def runs(rows, noise, seed=0):
    rng = np.random.default_rng(seed)
    x = np.geomspace(1e2, 1e6, rows)
    return Table({"x": x, "y": 12 * x**-0.35 * np.exp(noise * rng.normal(size=rows))})


def taken(table, **options):
    return fit(table, "power", XY, resamples=0, **options).objective


def test_the_rule_goes_by_rows_and_their_scatter():
    assert taken(runs(11, 0.003)).name == "squared_log"  # nine rows more than parameters
    fine = taken(runs(12, 0.003))
    assert (fine.name, fine.delta) == ("huber_log", 1e-3) and "scatter by only 0." in fine.reason
    noisy = taken(runs(400, 0.1))
    assert noisy.name == "huber_log" and noisy.delta == pytest.approx(0.1345, rel=0.1)
    assert "1.345 times" in noisy.reason


def test_negative_values_take_squares_of_the_values_themselves():
    x = np.geomspace(1, 100, 20)
    made = fit(Table({"x": x, "y": 3 - np.log(x)}), "log", XY, resamples=0)
    assert made.rows == 20 and made.objective.name == "squared"
    assert "y are negative" in made.objective.reason


def test_what_is_asked_for_is_taken_and_has_no_reason():
    assert taken(runs(30, 0.1), objective="huber_log").delta == 1e-3
    assert taken(runs(30, 0.1), delta=0.02).delta == 0.02
    for objective in ("squared_log", "huber_log", "absolute_log"):
        assert taken(runs(30, 0.1), objective=objective).reason == ""


def test_a_profile_takes_squares():
    made = fit(runs(60, 0.1), "power", XY, interval="profile", resamples=20)
    assert made.objective.name == "squared_log" and made.interval.method == "profile"


def test_the_reason_round_trips():
    made = fit(runs(30, 0.1), "power", XY, resamples=0)
    assert Fit.from_json(made.to_json()).objective == made.objective


def test_the_default_is_efficient_where_noise_is_gaussian_and_withstands_outliers():
    """The spread of exponents over 200 tables, beside least squares and beside clean tables."""
    found, squares, spoilt = [], [], []
    for seed in range(200):
        table = runs(40, 0.08, seed)
        found.append(fit(table, "power", XY, resamples=0).values["alpha"])
        squares.append(-np.polyfit(np.log(table["x"]), np.log(table["y"]), 1)[0])
        y = np.where(np.arange(40) % 20 == 3, 3 * np.asarray(table["y"]), table["y"])
        spoilt.append(fit(table.with_columns(y=y), "power", XY, resamples=0).values["alpha"])
    assert np.std(found) < 1.1 * np.std(squares)
    assert np.sqrt(np.mean((np.array(spoilt) - 0.35) ** 2)) < 1.5 * np.std(squares)
