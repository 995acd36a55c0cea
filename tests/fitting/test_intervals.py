"""Resampling, verdicts, profiles and variance components."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from allometry.errors import DataError, UsageError
from allometry.fitting.fit import fit
from allometry.fitting.intervals import bounded, openness
from allometry.fitting.profile import of_fit
from allometry.fitting.variance import components
from allometry.laws import Parameter
from allometry.stats.resample import FRACTION_SCALE, ends, fractions, multiplicities
from allometry.tables.table import Table

RNG = np.random.default_rng


def line(noise=0.05, seed=0, sizes=12, seeds=1, group=0.0):
    rng = RNG(seed)
    x = np.repeat(np.geomspace(1, 1e4, sizes), seeds)
    shared = np.repeat(rng.normal(size=sizes), seeds)
    y = 5 * x**-0.3 * np.exp(noise * rng.normal(size=len(x)) + group * shared)
    return Table({"x": x, "y": y, "seed": np.tile(np.arange(seeds), sizes)})


XY = {"x": "x", "y": "y"}


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(4, 30), groups=st.integers(2, 4))
def test_clusters_are_drawn_whole_and_counts_add_up(rows, groups):
    labels = np.arange(rows) % groups
    counts, _ = multiplicities(RNG(0), 50, rows, [labels])
    for g in range(groups):
        assert (np.ptp(counts[:, labels == g], axis=1) == 0).all()
    per_group = np.stack([counts[:, labels == g][:, 0] for g in range(groups)])
    assert (per_group.sum(0) == groups).all()
    plain, _ = multiplicities(RNG(0), 50, rows)
    assert (plain.sum(1) == rows).all()


def test_two_ways_multiply():
    sizes, seeds = np.repeat(np.arange(6), 4), np.tile(np.arange(4), 6)
    counts, _ = multiplicities(RNG(1), 20, 24, [sizes, seeds])
    square = counts.reshape(20, 6, 4)
    for table in square:
        assert np.linalg.matrix_rank(table) == 1
        assert table.sum() == 24


def test_a_draw_that_cannot_fit_the_law_is_drawn_again_and_counted():
    distinct = np.array([0, 0, 0, 0, 0, 1, 2])
    counts, redrawn = multiplicities(RNG(0), 200, 7, distinct=distinct, needed=3)
    seen = np.stack([counts[:, distinct == d].sum(1) > 0 for d in range(3)])
    assert seen.all() and redrawn > 0
    with pytest.raises(DataError, match="3 distinct rows"):
        multiplicities(RNG(0), 5, 4, distinct=np.array([0, 0, 1, 1]), needed=3)


@pytest.mark.parametrize(
    ("value", "low", "high", "at_low", "at_high", "said"),
    [
        (2.0, 1.0, 3.0, 0, 0, "identified"),
        (95.0, 6.5, 3e9, 0, 0, "lower_bound_only"),
        (95.0, 6.5, 200.0, 0, 0.04, "lower_bound_only"),
        (0.5, 1e-7, 0.7, 0.2, 0, "upper_bound_only"),
        (5.0, 1e-6, 1e9, 0, 0, "not_identified"),
    ],
)
def test_verdicts(value, low, high, at_low, at_high, said):
    parameter = Parameter("R", "", positive=True)
    below, above = openness(parameter, value, value, low, high, at_low, at_high, 0.95)
    assert bounded(below=not below, above=not above) == said


def test_ends_are_percentiles():
    assert ends(np.arange(1001.0), 0.9) == pytest.approx((50.0, 950.0))


@pytest.mark.parametrize("interval", ["pairs", "fractional", "residual", "profile"])
def test_a_line_by_squares_gets_the_textbook_interval(interval):
    table = line(sizes=60)
    x, y = np.log(table["x"]), np.log(table["y"])
    slope, intercept = np.polyfit(x, y, 1)
    r = y - intercept - slope * x
    error = np.sqrt((r @ r) / 58 / ((x - x.mean()) ** 2).sum())
    made = fit(table, "power", XY, objective="squared_log", interval=interval, resamples=4000)
    alpha = made.parameters["alpha"]
    rel = 0.005 if interval == "profile" else 0.12
    assert alpha.low == pytest.approx(-slope - 2.0017 * error, abs=rel * 4 * error)
    assert alpha.high == pytest.approx(-slope + 2.0017 * error, abs=rel * 4 * error)
    assert made.interval.method == interval and alpha.verdict == "identified"


def test_residuals_of_a_robust_fit_are_drawn_about_its_optimum_and_not_their_mean():
    """A third of the rows lies 30% above the line: the mean of the residuals is 0.08."""
    rng = RNG(0)
    x = np.geomspace(10, 1e6, 60)
    y = 5 * x**-0.3 * np.exp(0.01 * rng.normal(size=60)) * np.where(np.arange(60) % 3, 1, 1.3)
    made = fit(Table({"x": x, "y": y}), "power", XY, objective="huber_log", interval="residual")
    a = made.parameters["A"]
    assert a.low < a.value < a.high
    assert np.median(made.draws["A"]) == pytest.approx(a.value, rel=0.01)


@pytest.mark.parametrize("interval", ["student", "residual"])
def test_a_line_by_weighted_squares_gets_the_textbook_interval(interval):
    """Variances 1/weight over four decades; the textbook's is the weighted t interval."""
    rng = RNG(1)
    x = np.geomspace(10, 1e6, 40)
    spread = 10 ** rng.uniform(-3, -1, 40)
    y = 5 * x**-0.3 * np.exp(spread * rng.normal(size=40))
    design = np.stack([np.ones(40), -np.log(x)], 1) / spread[:, None]
    _, squares = np.linalg.lstsq(design, np.log(y) / spread, rcond=None)[:2]
    error = np.sqrt(np.linalg.inv(design.T @ design)[1, 1] * squares[0] / 38)
    made = fit(
        Table({"x": x, "y": y, "w": spread**-2}), "power", XY, objective="squared_log",
        weights="w", interval=interval, resamples=4000,
    )  # fmt: skip
    alpha = made.parameters["alpha"]
    assert alpha.high - alpha.low == pytest.approx(2 * 2.0244 * error, rel=0.08)


def test_clusters_widen_the_interval_where_rows_share_their_error():
    table = line(noise=0.01, seeds=5, group=0.1)
    alone, whole, wild = (
        fit(table, "power", XY, objective="squared_log", cluster=cluster, interval=interval)
        for cluster, interval in ((None, "pairs"), ("x", "pairs"), ("x", "residual"))
    )

    def width(made):
        return made.parameters["alpha"].high - made.parameters["alpha"].low

    assert width(whole) > 1.6 * width(alone)
    assert width(wild) > 1.6 * width(alone)
    assert whole.interval.cluster == ("x",)


def test_fractions_have_mean_one_and_the_spread_that_is_made_good():
    weights = fractions(RNG(0), 4000, 50)
    assert (weights > 0).all()
    np.testing.assert_allclose(weights.mean(1), 1.0)
    assert weights.std() * FRACTION_SCALE == pytest.approx(1.0, abs=0.02)
    shared = fractions(RNG(0), 10, 6, [np.array([0, 0, 1, 1, 2, 2])])
    assert (shared[:, ::2] == shared[:, 1::2]).all()


@pytest.mark.parametrize(
    ("rows", "options", "method"),
    [
        (11, {"objective": "huber_log"}, "student"),
        (12, {"objective": "huber_log"}, "fractional"),
        (40, {"objective": "huber_log"}, "pairs"),
        (31, {"objective": "squared_log"}, "student"),
        (32, {"objective": "squared_log"}, "pairs"),
        (12, {"cluster": "x"}, "jackknife"),
        (20, {"cluster": "x"}, "pairs"),
        (12, {"cluster": ("x", "seed")}, "pairs"),
    ],
)
def test_auto_takes_the_interval_by_the_number_of_rows_and_clusters(rows, options, method):
    seeds = 2 if "cluster" in options else 1
    made = fit(line(sizes=rows, seeds=seeds), "power", XY, resamples=100, **options)
    assert made.interval.method == method


@pytest.mark.parametrize(
    ("n", "error"),
    [
        ([1000, 10000, 100000], [0.310, 0.172, 0.094]),
        ([100, 200, 400, 800, 1600, 3200, 6400, 12800],
         [0.55711, 0.44331, 0.35399, 0.28428, 0.23827, 0.1994, 0.1696, 0.14867]),
    ],
)  # fmt: skip
def test_few_rows_get_students_interval(n, error):
    """Of three rows the slope is known to [0.235, 0.283], not to [0.2558, 0.2624] (case 09)."""
    x, y = np.log(n), np.log(error)
    slope, intercept = np.polyfit(x, y, 1)
    freedom = len(x) - 2
    r = y - intercept - slope * x
    error_of_slope = np.sqrt((r @ r) / freedom / ((x - x.mean()) ** 2).sum())
    reach = student.ppf(0.975, freedom) * error_of_slope
    table = Table({"n": n, "error": error})
    made = [fit(table, "power", {"x": "n", "y": "error"}, seed=seed, resamples=4000)
            for seed in range(4)]  # fmt: skip
    alphas = [f.parameters["alpha"] for f in made]
    assert all(f.interval.method == "student" for f in made)
    assert np.mean([a.low for a in alphas]) == pytest.approx(-slope - reach, abs=0.05 * reach)
    assert np.mean([a.high for a in alphas]) == pytest.approx(-slope + reach, abs=0.05 * reach)
    by_profile = fit(table, "power", {"x": "n", "y": "error"}, interval="profile")
    assert by_profile.parameters["alpha"].low == pytest.approx(-slope - reach, rel=1e-3)


def test_a_cluster_jackknife_of_equal_clusters_is_the_t_interval_of_their_slopes():
    """Every run has the same sizes, so the slope of all is the mean of the slopes of the runs."""
    rng, x = RNG(0), np.geomspace(1, 1e3, 8)
    runs = np.repeat(np.arange(4), 8)
    slopes = -0.4 + 0.02 * rng.normal(size=4)
    y = np.exp(np.tile(np.log(x), 4) * slopes[runs] + 0.01 * rng.normal(size=32))
    table = Table({"x": np.tile(x, 4), "y": y, "run": runs})
    made = fit(table, "power", XY, objective="squared_log", cluster="run", resamples=20_000)
    each = [np.polyfit(np.log(x), np.log(y[runs == run]), 1)[0] for run in range(4)]
    reach = student.ppf(0.975, 3) * np.std(each, ddof=1) / 2
    alpha = made.parameters["alpha"]
    assert made.interval.method == "jackknife" and made.interval.groups == (4,)
    assert alpha.low == pytest.approx(-np.mean(each) - reach, abs=0.05 * reach)
    assert alpha.high == pytest.approx(-np.mean(each) + reach, abs=0.05 * reach)


def test_few_clusters_resampled_whole_are_said_to_be_few():
    made = fit(line(sizes=8, seeds=3), "power", XY, cluster="x", interval="pairs", resamples=200)
    assert made.status.code == "few_clusters" and "8 of x" in made.status.advice


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"interval": "profile", "cluster": "x"}, "interval profile assumes independent rows"),
        ({"interval": "profile", "objective": "huber_log"}, "profile intervals are for squares"),
        ({"interval": "student", "cluster": "x"}, "student assumes independent rows"),
        ({"interval": "jackknife"}, "name one cluster column"),
        ({"interval": "jackknife", "cluster": ("x", "seed")}, "name one cluster column"),
    ],
)
def test_intervals_that_cannot_hold_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        fit(line(), "power", XY, **options)


@pytest.mark.parametrize("interval", ["auto", "pairs", "fractional", "residual", "jackknife"])
def test_one_cluster_has_no_interval(interval):
    table = line().with_columns(run=["a"] * 12)
    with pytest.raises(DataError, match="one value"):
        fit(table, "power", XY, cluster="run", interval=interval, resamples=20)


def test_a_cluster_of_most_rows_leaves_too_few_for_the_jackknife():
    table = line(sizes=5).with_columns(run=["a", "a", "a", "a", "b"])
    with pytest.raises(DataError, match="the other rows do not determine"):
        fit(table, "power_floor", XY, cluster="run", resamples=20)


@pytest.mark.parametrize("missing", [None, ""])
def test_rows_without_a_label_are_no_cluster(missing):
    runs = [missing if i == 4 else f"run {i % 3}" for i in range(12)]
    with pytest.raises(DataError, match="row 5 has no value of 'run'"):
        fit(line().with_columns(run=runs), "power", XY, cluster="run", resamples=20)


@pytest.mark.parametrize(("law", "sizes"), [("power", 2), ("power_floor", 3)])
def test_no_cluster_is_left_out_without_which_the_law_is_open(law, sizes):
    with pytest.raises(DataError, match="the other rows do not determine"):
        fit(line(sizes=sizes, seeds=6), law, XY, cluster="x", resamples=100)
    one_more = fit(line(sizes=sizes + 1, seeds=6), law, XY, cluster="x", resamples=100)
    assert one_more.interval.method == "jackknife"


def test_a_size_of_two_values_is_no_cluster_of_a_law_that_bends_with_it():
    rng = RNG(0)
    n, d = np.tile([1e7, 1e8, 1e9], 4), np.repeat([1e9, 1e10, 1e11, 1e12], 3)
    loss = (1.8 + 480 * n**-0.35 + 2100 * d**-0.37) * np.exp(0.004 * rng.normal(size=12))
    with pytest.raises(DataError, match="do not determine E, A, alpha,"):
        fit(
            Table({"N": n, "D": d, "L": loss}),
            "chinchilla",
            {"N": "N", "D": "D", "L": "L"},
            cluster="N",
            resamples=100,
        )


def test_profiles_touch_zero_at_the_fit_and_cross_at_the_ends():
    made = fit(
        line(sizes=40), "power_floor", XY, objective="squared_log", interval="profile", resamples=50
    )
    for name, walked in of_fit(made).items():
        assert walked.statistic.min() < 1e-6
        assert (walked.values[1:] > walked.values[:-1]).all()
        assert walked.low <= made.values[name] <= walked.high


def test_seed_and_misfit_are_told_apart():
    rng = RNG(3)
    points = np.repeat(np.arange(400), 5)
    r = 0.03 * rng.normal(size=2000) + np.repeat(0.05 * rng.normal(size=400), 5)
    found = components(points, r, 3)
    assert found["seed"] == pytest.approx(0.03, rel=0.05)
    assert found["misfit"] == pytest.approx(0.05, rel=0.1)
    measured = components(points, r, 3, np.full(2000, 0.02))
    assert measured["evaluation"] == pytest.approx(0.02)
    assert measured["seed"] == pytest.approx(np.sqrt(0.03**2 - 0.02**2), rel=0.1)
    assert components(np.arange(5), np.ones(5), 2) == {}


def test_a_fit_with_seeds_reports_them():
    made = fit(line(noise=0.04, seeds=5, sizes=30), "power", XY, resamples=0)
    assert made.variance["seed"] == pytest.approx(0.04, rel=0.2)
    assert made.variance["misfit"] < 0.02


def test_a_known_evaluation_noise_is_told_apart_from_seeds():
    table = line(noise=0.05, seeds=5, sizes=30)
    table = table.with_columns(error=0.03 * table["y"])
    made = fit(table, "power", XY, resamples=0, noise="error")
    assert made.variance["evaluation"] == pytest.approx(0.03)
    assert made.variance["seed"] == pytest.approx(0.04, rel=0.2)


def test_a_new_run_varies_more_than_the_law():
    made = fit(line(sizes=60), "power", XY, objective="squared_log", resamples=500)
    mean, run = (made.predict_interval({"x": [100.0]}, of=of) for of in ("mean", "run"))
    assert run[0][0] < mean[0][0] < made.predict({"x": [100.0]})[0] < mean[1][0] < run[1][0]
    assert np.log(run[1][0] / run[0][0]) == pytest.approx(4 * 0.05, rel=0.35)
