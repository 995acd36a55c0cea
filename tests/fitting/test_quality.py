"""Fit quality: residuals, R^2, patterns by a runs test, outliers by robust deviations."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.fitting.influence import without_rows
from allometry.fitting.quality import too_few_runs
from allometry.report.fit_in_words import certificate_lines
from allometry.tables.table import Table

XY = {"x": "x", "y": "y"}


def power_law(rows=25, noise=0.02, seed=0, floor=0.0):
    rng = np.random.default_rng(seed)
    x = np.geomspace(1e3, 1e7, rows)
    return Table({"x": x, "y": floor + 30 * x**-0.3 * np.exp(noise * rng.normal(size=rows))})


def test_a_floor_below_zero_shows_in_residuals_and_signs():
    """Case 13: y = 3 x^-0.35 - 2.7 without noise, fitted with a positive floor."""
    x = np.array([0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3])
    made = fit(Table({"x": x, "y": 3 * x**-0.35 - 2.7}), "power_floor", XY, resamples=0,
               objective="huber_log")  # fmt: skip
    percent = 100 * (made.data["y"] / made.predict(made.data) - 1)
    assert made.quality.typical == pytest.approx(np.median(np.abs(percent)))
    assert made.quality.largest == pytest.approx(-8.3, abs=0.1) and made.quality.largest_row == 7
    logs = np.log(made.data["y"])
    left = np.sum(made.residuals() ** 2) / np.sum((logs - logs.mean()) ** 2)
    assert made.quality.r_squared == pytest.approx(1 - left) and made.quality.scale == "log y"
    assert made.quality.signs.text == "--+++--"
    said = " ".join(certificate_lines(made))
    assert "largest −8.3% in row 7" in said and "−−+++−− (too few to test)" in said
    assert "largest −8.3%" in made._repr_html_()


def test_the_runs_test_counts_arrangements():
    """Against every order of five and four signs."""
    orders = set(itertools.permutations([1] * 5 + [0] * 4))
    runs = np.array([1 + sum(a != b for a, b in itertools.pairwise(order)) for order in orders])
    for most in range(2, 10):
        assert too_few_runs(5, 4, most) == pytest.approx(np.mean(runs <= most), rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(above=st.integers(60, 100), below=st.integers(60, 100), runs=st.integers(50, 110))
def test_the_exact_and_the_normal_runs_test_agree(above, below, runs):
    n = above + below
    mean = 1 + 2 * above * below / n
    sd = np.sqrt((mean - 1) * (mean - 2) / (n - 1))
    from scipy.stats import norm

    assert too_few_runs(above, below, runs) == pytest.approx(
        norm.cdf((runs + 0.5 - mean) / sd), abs=0.01
    )


def test_a_law_of_the_wrong_form_has_a_pattern_and_the_right_one_rarely():
    wrong = fit(power_law(floor=0.3), "power", XY, objective="squared_log", resamples=0)
    assert wrong.quality.signs.pattern
    assert "Residuals have a pattern" in " ".join(wrong.quality_in_words())
    patterns = [
        fit(power_law(seed=seed), "power", XY, resamples=0).quality.signs.pattern
        for seed in range(200)
    ]
    assert np.mean(patterns) <= 0.01 + 3 * np.sqrt(0.01 / 200)


def test_seeds_of_one_size_are_one_point_of_the_pattern():
    table = power_law(rows=9, floor=0.3)
    rows = np.repeat(np.arange(9), 5)
    made = fit(table.take(rows), "power", XY, objective="squared_log", resamples=0)
    assert len(made.quality.signs.text) == 9 and np.isnan(made.quality.signs.p)


@pytest.mark.filterwarnings("error")
def test_values_that_are_all_zero_have_no_outliers():
    x = np.geomspace(1, 100, 12)
    made = fit(Table({"x": x, "y": np.zeros(12)}), "log", XY, objective="squared", resamples=0)
    assert made.quality.outliers == ()


@pytest.mark.parametrize("factor", [2.0, 0.4])
def test_an_outlier_is_named_with_the_fit_without_it(factor, tmp_path):
    table = power_law()
    y = table["y"] * np.where(np.arange(25) == 7, factor, 1)
    path = tmp_path / "runs.csv"
    table.with_columns(y=y).to_csv(path)
    made = fit(path, "power", XY, resamples=0)
    (outlier,) = made.quality.outliers
    assert outlier.row == 8 and abs(outlier.z) > 5
    assert outlier.residual == pytest.approx(100 * (factor - 1), rel=0.1)
    said = " ".join(certificate_lines(made))
    assert "line 9" in said and "Fitted without it" in said
    rest = fit(table.take(np.arange(25) != 7), "power", XY, resamples=0,
               objective="huber_log", delta=made.objective.delta)  # fmt: skip
    assert without_rows(made, [8]) == pytest.approx(rest.values, rel=1e-5)


@pytest.mark.parametrize(("law", "rows"), [("power", 10), ("power_floor", 12), ("power", 60)])
def test_normal_noise_rarely_has_an_outlier(law, rows):
    alarms = [
        bool(fit(power_law(rows, 0.03, seed), law, XY, resamples=0, starts=8).quality.outliers)
        for seed in range(150)
    ]
    assert np.mean(alarms) <= 0.05


@pytest.mark.parametrize("noise", [0.0, 1e-12])
def test_rounding_is_neither_pattern_nor_outlier(noise):
    made = fit(power_law(noise=noise), "power", XY, resamples=0)
    assert made.quality.outliers == () and not made.quality.signs.pattern
    assert made.quality.r_squared == pytest.approx(1)


def test_residuals_are_in_units_of_y_where_a_percentage_has_no_meaning():
    rng = np.random.default_rng(0)
    x = np.geomspace(1e3, 1e7, 30)
    table = Table({"x": x, "y": -800 + 70 * np.log(x) + 40 * rng.normal(size=30)})
    made = fit(table, "log", XY, objective="squared", resamples=0)
    assert made.quality.unit == "y" and made.quality.scale == "y"
    assert made.quality.largest == made.residuals()[np.argmax(np.abs(made.residuals()))]
    assert "%" not in made.quality_in_words()[0]


def test_a_saved_fit_has_the_same_quality():
    made = fit(power_law(), "power", XY, weights=None, resamples=10)
    document = made.to_document()
    assert document["quality"]["largest_row"] == made.quality.largest_row
    assert Fit.from_json(made.to_json()).quality == made.quality
