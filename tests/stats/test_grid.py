"""Intervals of statistics of curves over few seeds."""

import numpy as np
import pytest

from allometry.stats.grid import Grid
from allometry.stats.interval import Interval


def slope(curves):
    """Of log y on log size."""
    x = np.log(curves.size)
    spread = x - x.mean()
    if not spread.any():
        return {"slope": float("nan")}
    return {"slope": float(spread @ np.log(curves["y"]) / (spread @ spread))}


def simulated(seeds, simulation, of_seed, of_row):
    rng = np.random.default_rng(simulation)
    size = np.geomspace(1e2, 1e5, 12)
    each = -0.3 + of_seed * rng.normal(size=(seeds, 1))
    log_y = each * np.log(size) + of_row * rng.normal(size=(seeds, 12))
    return Grid(size, np.arange(seeds), {"y": np.exp(log_y)})


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_intervals_of_slopes_that_differ_by_seed_hold_the_truth(seeds):
    """Percentiles of 3, 5, 10 seeds hold it in 68, 83, 87%; rule: 90% of 200, less two errors."""
    hits = 0
    for simulation in range(200):
        found = simulated(seeds, simulation, 0.03, 0.02).intervals(slope, resamples=200)["slope"]
        hits += found.low <= -0.3 <= found.high
    assert hits >= 0.9 * 200 - 2 * np.sqrt(0.9 * 0.1 * 200), hits


def test_stretched_ends():
    assert Interval(1.0, 0.5, 2.0).stretched(2.0) == (1.0, 0.0, 3.0)
    r2 = Interval(0.9, 0.8, 0.95).stretched(3.0, share=True)
    assert r2.value == 0.9 and r2.low < 0.8 and 0.95 < r2.high < 1
    assert Interval(-0.03, -0.2, 0.1).stretched(1.1, share=True).low < -0.2  # out of sample
    assert Interval(0.9, 0.1, 0.95).stretched(3.0, share=True).low == 0
    assert r2.stretched(1.0, share=True) == pytest.approx(r2)
