"""Lines above a baseline: the known slope, SciPy's numbers, and intervals that cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from allometry.errors import DataError
from allometry.stats.grid import Curves, Grid
from allometry.stats.lines import line, log_line, slope_interval
from allometry.tables.table import Table

SIZES = np.geomspace(1e3, 1e5, 9)


def power_runs(alpha=0.5, noise=0.05, seeds=5, seed=0):
    """Runs y = 3 N^-alpha with log-normal noise of each run, on a grid of sizes and seeds."""
    rng = np.random.default_rng(seed)
    rows = [
        {"n_params": n, "seed": s, "status": "done", "y": 3 * n**-alpha * np.exp(noise * draw)}
        for s in range(seeds)
        for n, draw in zip(SIZES, rng.normal(size=len(SIZES)), strict=True)
    ]
    return Table.from_rows(rows)


def slope_of(curves):
    return {"alpha": -log_line(curves.size, curves["y"]).slope}


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=3, max_size=30))
def test_a_line_is_scipys_line(points):
    x, y = (np.array(c) for c in zip(*points, strict=True))
    if np.ptp(x) < 1e-3 or np.ptp(y) < 1e-3:
        return
    ours, theirs = line(x, y), stats.linregress(x, y)
    spread = np.ptp(y) / np.ptp(x)
    assert ours.slope == pytest.approx(theirs.slope, rel=1e-6, abs=1e-9 * spread)
    assert ours.r2 == pytest.approx(theirs.rvalue**2, rel=1e-6, abs=1e-9)
    assert ours.intercept == pytest.approx(theirs.intercept, rel=1e-6, abs=1e-6 * np.ptp(y))
    if 1e-6 < theirs.rvalue**2 < 1 - 1e-6:
        assert ours.p == pytest.approx(theirs.pvalue, rel=1e-4)


@pytest.mark.parametrize("slope", [-2.0, -0.076, 0.5, 1.23])
def test_an_exact_power_law_is_recovered(slope):
    found = log_line(SIZES, 7 * SIZES**slope)
    assert found.slope == pytest.approx(slope, rel=1e-12)
    assert 10**found.intercept == pytest.approx(7, rel=1e-10)
    assert found.r2 == pytest.approx(1)
    assert found.p < 1e-30


def test_points_at_or_below_zero_have_no_logarithm_and_are_left_out():
    y = SIZES**-0.5
    spoiled = np.concatenate([y, [0.0, -1.0, np.nan]])
    x = np.concatenate([SIZES, [1.0, 2.0, 3.0]])
    assert log_line(x, spoiled) == pytest.approx(log_line(SIZES, y))


@pytest.mark.parametrize(
    ("x", "y"),
    [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [1, 1, 1]), ([1, 2, np.nan], [1, 2, 3])],
)
def test_too_little_for_a_line_gives_no_number(x, y):
    assert np.isnan(line(np.array(x, float), np.array(y, float))).all()


def test_the_valid_regime_ends_with_the_lowest_loss():
    curves = Curves(np.arange(5.0), {"loss": np.array([5, 3, 1, 2, 0.99]), "h": np.arange(5.0)})
    assert len(curves.up_to_lowest("loss").size) == 5
    higher = Curves(curves.size, {**curves.columns, "loss": np.array([5, 3, 1, 2, 1.5])})
    kept = higher.up_to_lowest("loss")
    assert kept.size.tolist() == [0, 1, 2] and kept["h"].tolist() == [0, 1, 2]


def test_a_grid_is_the_runs_by_seed_and_size():
    table = power_runs()
    shuffled = table.take(np.random.default_rng(1).permutation(len(table)))
    grid, again = (Grid.of(t, "n_params", ("y",)) for t in (table, shuffled))
    assert grid.columns["y"].shape == (5, 9)
    np.testing.assert_array_equal(grid.columns["y"], again.columns["y"])
    np.testing.assert_allclose(grid.mean()["y"], grid.columns["y"].mean(axis=0))
    assert [s for s, _ in grid.each_seed()] == [0, 1, 2, 3, 4]


def without(table, **which):
    """The table with the runs of one seed and size diverged."""
    lost = np.ones(len(table), bool)
    for name, value in which.items():
        lost &= np.isclose(table[name], value)
    assert lost.any()
    return table.with_columns(
        status=np.where(lost, "diverged", "done"), y=np.where(lost, np.nan, table["y"])
    )


def test_a_diverged_run_is_missing_and_its_size_is_the_mean_of_the_others():
    whole = Grid.of(power_runs(), "n_params", ("y",))
    holed = Grid.of(without(power_runs(), seed=2, n_params=SIZES[3]), "n_params", ("y",))
    assert np.isnan(holed.columns["y"][2, 3]) and np.isnan(holed.columns["y"]).sum() == 1
    others = np.delete(whole.columns["y"][:, 3], 2).mean()
    assert holed.mean()["y"][3] == pytest.approx(others)
    assert [len(c.size) for _, c in holed.each_seed()] == [9, 9, 8, 9, 9]
    found = holed.intervals(slope_of, resamples=50)["alpha"]
    assert found.low < found.value < found.high


def test_a_size_that_diverged_for_every_seed_is_gone():
    holed = Grid.of(without(power_runs(), n_params=SIZES[3]), "n_params", ("y",))
    assert len(holed.size) == 8 and SIZES[3] not in holed.size


def test_no_finished_run_and_double_runs_are_refused():
    table = power_runs(seeds=1)
    with pytest.raises(DataError, match="no finished run"):
        Grid.of(table.with_columns(status=["diverged"] * len(table)), "n_params", ("y",))
    with pytest.raises(DataError, match="some come twice"):
        Grid.of(table.take([0, 0, 1]), "n_params", ("y",))


def test_the_same_seed_gives_the_same_interval():
    grid = Grid.of(power_runs(), "n_params", ("y",))
    assert grid.intervals(slope_of, resamples=30) == grid.intervals(slope_of, resamples=30)
    other = grid.intervals(slope_of, resamples=30, seed=1)
    assert other != grid.intervals(slope_of, resamples=30)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """60 repeats: a 95% interval that covers fewer than 48 (80%) is wrong with p < 1e-5."""
    covered, widths = 0, []
    for repeat in range(60):
        grid = Grid.of(power_runs(alpha=0.5, noise=0.2, seed=repeat), "n_params", ("y",))
        found = grid.intervals(slope_of, resamples=150, seed=repeat)["alpha"]
        covered += found.low <= 0.5 <= found.high
        widths.append(found.high - found.low)
    assert covered >= 48
    assert np.mean(widths) < 0.2, "an interval that covers by being wide says nothing"


def test_the_coverage_test_rejects_a_wrong_truth():
    grid = Grid.of(power_runs(alpha=0.5, noise=0.2), "n_params", ("y",))
    found = grid.intervals(slope_of, resamples=150)["alpha"]
    assert not found.low <= 0.8 <= found.high


def test_a_statistic_most_resamples_cannot_give_has_no_interval():
    grid = Grid.of(power_runs(), "n_params", ("y",))
    count = iter(range(10**6))
    found = grid.intervals(lambda c: {"x": 1.0 if next(count) % 3 else np.nan}, resamples=60)["x"]
    assert np.isnan([found.low, found.high]).all()


def test_the_interval_of_a_slope_is_scipys():
    rng = np.random.default_rng(3)
    x = np.append(rng.normal(size=9), np.nan)
    y = 2 * x + rng.normal(size=10)
    expected = stats.linregress(x[:9], y[:9])
    reach = stats.t.ppf(0.975, 7) * expected.stderr
    assert slope_interval(x, y) == pytest.approx(
        (expected.slope, expected.slope - reach, expected.slope + reach)
    )
    assert np.isnan(slope_interval(x[:2], y[:2])).all()
