"""Predictions: the mean, a new run, and how far outside the fitted rows."""

import numpy as np
import pytest

from allometry import laws
from allometry.errors import UsageError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.fitting.predictions import check_point, predictions
from allometry.tables.table import Table

XY = {"x": "x", "y": "y"}


def scores(seed=0, rows=60):
    """Case 11: an Elo-like score that rises by 70 a factor e, with a standard deviation of 40."""
    rng = np.random.default_rng(seed)
    x = np.geomspace(1e3, 1e7, rows)
    return Table({"x": x, "y": -800 + 70 * np.log(x) + 40 * rng.normal(size=rows)})


def test_a_new_run_of_an_additive_fit_differs_by_a_sum_at_every_mean():
    """At means of -324, 3 and 342: as wide at each, about 1.96 standard deviations each side."""
    made = fit(scores(), "log", XY, objective="squared")
    x = [1e3, 9.2e4, 1e7]
    mean, (low, high) = made.predict({"x": x}), made.predict_interval({"x": x}, of="run")
    reach = 1.96 * np.std(made.residuals(), ddof=2)
    assert mean == pytest.approx([-324, 3, 342], abs=1)
    assert mean - low == pytest.approx([reach] * 3, rel=0.2)
    assert high - mean == pytest.approx([reach] * 3, rel=0.2)


@pytest.mark.parametrize(("rows", "simulations"), [(12, 250), (60, 250)])
def test_the_interval_of_a_run_holds_the_next_run_as_often_as_it_says(rows, simulations):
    hits = []
    for seed in range(simulations):
        made = fit(scores(seed, rows), "log", XY, objective="squared", resamples=100)
        low, high = made.predict_interval({"x": [3e4]}, of="run")
        run = -800 + 70 * np.log(3e4) + 40 * np.random.default_rng(10**6 + seed).normal()
        hits.append(low[0] < run < high[0])
    # Four standard errors of a share of .95 among 250.
    assert np.mean(hits) == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / simulations))


def planes():
    rng = np.random.default_rng(2)
    n, d = 10 ** rng.uniform(7, 9, 30), 10 ** rng.uniform(9, 11, 30)
    n[:2], d[:2] = (1e7, 1e9), (1e9, 1e11)
    loss = (1.7 + 400 * n**-0.34 + 1500 * d**-0.37) * np.exp(0.01 * rng.normal(size=30))
    return Table({"params": n, "tokens": d, "flops": 6 * n * d, "loss": loss})


def test_the_distance_is_told_for_each_size():
    columns = {"N": "params", "D": "tokens", "L": "loss"}
    made = fit(planes(), "chinchilla", columns, resamples=20)
    far, low, inside = predictions(
        made, [{"N": 12e9, "D": 1e10}, {"params": 1e6, "tokens": 3e11}, {"N": 1e8, "D": 1e10}]
    )
    assert far.distance() == "N 12.0 times the largest fitted"
    assert (
        low.distance() == "N 10.0 times below the smallest fitted, D 3.00 times the largest fitted"
    )
    assert inside.within and inside.distance() == "within the fitted sizes"
    assert far.mean == made.predict({"N": [12e9], "D": [1e10]})[0]
    assert (far.low, far.high) == tuple(
        end[0] for end in made.predict_interval({"N": [12e9], "D": [1e10]})
    )


def test_compute_stands_in_for_data_in_a_prediction_too():
    made = fit(planes(), "chinchilla", {"N": "params", "C": "flops", "L": "loss"}, resamples=0)
    by_compute, by_data = predictions(made, [{"N": 1e8, "C": 6e18}, {"N": 1e8, "D": 1e10}])
    assert by_compute.mean == pytest.approx(by_data.mean, rel=1e-12)
    assert np.isnan(by_data.low) and np.isnan(by_data.run_high)  # no resamples, no interval


def test_a_law_of_a_whole_curve_has_no_prediction_at_a_point():
    with pytest.raises(UsageError, match="whole learning curve"):
        check_point(laws.named("multi_power"), {}, {"step": 10, "lr": 0.1})


def test_a_saved_fit_predicts_the_same():
    made = fit(planes(), "chinchilla", {"N": "params", "D": "tokens", "L": "loss"}, resamples=50)
    point = [{"N": 1e10, "D": 1e12}]
    assert predictions(Fit.from_json(made.to_json()), point) == predictions(made, point)


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ({"N": 1e9}, "needs a value of 'D'"),
        ({"N": 1e9, "D": 1e11, "L": 2}, "'L' is not a size"),
        ({"N": 1e9, "token": 1e11}, "did you mean 'tokens'?"),
        ({"N": 0, "D": 1e11}, "needs a positive N, got 0"),
        ({"N": float("nan"), "D": 1e11}, "needs a positive N"),
    ],
)
def test_a_point_the_law_has_no_value_at_is_refused(point, words):
    made = fit(planes(), "chinchilla", {"N": "params", "D": "tokens", "L": "loss"}, resamples=0)
    with pytest.raises(UsageError, match=words):
        predictions(made, [point])


@pytest.mark.filterwarnings("error")
def test_an_interval_that_reaches_infinity_has_no_end_and_no_warning():
    x = 1 + np.linspace(0, 1e-9, 12)
    y = np.exp(np.random.default_rng(0).normal(size=12))
    made = fit(Table({"x": x, "y": y}), "power", XY, resamples=60)
    (point,) = predictions(made, [{"x": 1e9}])
    assert point.low == 0 and not np.isfinite(point.run_high)
