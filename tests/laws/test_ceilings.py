"""Laws that rise to a ceiling, and floors of either sign: SciPy gives the same answers."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from allometry import laws
from allometry.fitting.fit import fit
from allometry.tables.table import Table

SIZE = 100.0 * 2 ** np.arange(8)
ACCURACY = np.array([0.6856, 0.7509, 0.7977, 0.8351, 0.8544, 0.8791, 0.8903, 0.9057])
CURVE = Table({"train_size": SIZE, "accuracy": ACCURACY})
COLUMNS = {"x": "train_size", "y": "accuracy"}
RATIO = np.array([0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3])
SIGNAL = np.array([9.0967, 7.5360, 5.8602, 4.5617, 3.6010, 2.5694, 1.8722])  # 3 x^-0.35 - 2.7


@pytest.mark.parametrize(
    ("law", "function", "guess"),
    [
        ("power_ceiling", lambda x, c, a, alpha: c - a * x**-alpha, (0.95, 1.0, 0.5)),
        ("exponential_ceiling", lambda x, c, a, s: c - a * np.exp(-x / s), (0.9, 0.2, 500.0)),
    ],
)
def test_accuracy_that_rises_is_fitted_as_scipy_does(law, function, guess):
    fitted = fit(CURVE, law, COLUMNS, objective="squared", resamples=0)
    expected, _ = curve_fit(function, SIZE, ACCURACY, p0=guess)
    assert list(fitted.values.values()) == pytest.approx(expected, rel=1e-4)
    assert fitted.status.code == "converged"


def test_the_ceiling_of_the_learning_curve_is_the_one_that_made_it():
    values = fit(CURVE, "power_ceiling", COLUMNS, objective="squared", resamples=0).values
    assert values["C"] == pytest.approx(0.934, abs=0.006)
    assert values["A"] == pytest.approx(1.78, abs=0.16)
    assert values["alpha"] == pytest.approx(0.429, abs=0.023)


@pytest.mark.parametrize("objective", ["huber_log", "squared_log"])
def test_other_objectives_reach_the_same_curve(objective):
    fitted = fit(CURVE, "power_ceiling", COLUMNS, objective=objective, resamples=0)
    assert fitted.status.code == "converged"
    assert fitted.values["C"] == pytest.approx(0.934, abs=0.006)


def test_a_ceiling_of_one_may_be_held():
    fixed = fit(CURVE, "power_ceiling", COLUMNS, objective="squared", resamples=0, fixed={"C": 1.0})
    expected, _ = curve_fit(lambda x, a, alpha: 1 - a * x**-alpha, SIZE, ACCURACY, p0=(1, 0.3))
    assert [fixed.values["A"], fixed.values["alpha"]] == pytest.approx(expected, rel=1e-4)


def test_a_floor_below_zero_is_recovered():
    table = Table({"r": RATIO, "signal": SIGNAL})
    columns = {"x": "r", "y": "signal"}
    fitted = fit(table, "power_offset", columns, objective="squared", resamples=0)
    assert fitted.values["E"] == pytest.approx(-2.7, abs=5e-3)
    assert fitted.values["A"] == pytest.approx(3.0, abs=5e-3)
    assert fitted.values["alpha"] == pytest.approx(0.35, abs=5e-4)
    assert fitted.objective.value == pytest.approx(3.1e-9, rel=0.05)


def test_a_floor_above_zero_is_that_of_power_floor():
    y = 0.5 + 2 * SIZE**-0.3 * np.exp(0.01 * np.cos(np.arange(8)))
    table = Table({"train_size": SIZE, "accuracy": y})
    free, positive = (
        fit(table, law, COLUMNS, objective="squared_log", resamples=0).values
        for law in ("power_offset", "power_floor")
    )
    assert free == pytest.approx(positive, rel=1e-4)


def test_values_of_either_sign_are_fitted_by_squares():
    y = -1.5 + 4 * SIZE**-0.2
    assert y.min() < 0 < y.max()
    table = Table({"train_size": SIZE, "accuracy": y})
    fitted = fit(table, "power_offset", COLUMNS, objective="squared", resamples=0)
    assert fitted.values == pytest.approx({"E": -1.5, "A": 4.0, "alpha": 0.2}, rel=1e-3)


@pytest.mark.parametrize("law", ["power_ceiling", "exponential_ceiling", "power_offset"])
def test_no_law_follows_a_curve_that_goes_the_other_way(law):
    """Each law moves in one direction: the best it can do with the other is a flat line."""
    falls = laws.named(law).formula.startswith("y = E")
    y = ACCURACY if falls else 1 - ACCURACY
    table = Table({"train_size": SIZE, "accuracy": y})
    fitted = fit(table, law, COLUMNS, objective="squared", resamples=0)
    assert np.ptp(fitted.predict({"x": SIZE})) < 0.01 * np.ptp(y)
