"""What the status of a fit says: each doubt in one sentence, with the numbers it rests on."""

import numpy as np
import pytest

import allometry as al
from allometry.report.fit_in_words import certificate_lines
from tests.fitting.test_identified import FLOOR_AT_BOUND, RISING, XY, ray

SAMPLES = {"x": "samples", "y": "val_loss"}
# Own numbers: rank against width, whose exponent is known and whose value at x = 1 is not.
RANKS = {"x": [700, 1500, 2300, 3000, 5000, 8000], "y": [384, 489, 1031, 1200, 2010, 2900]}


def test_wide_intervals_are_named_with_their_factor_and_what_is_identified_too():
    made = al.fit(RANKS, "power", x="x", y="y", objective="squared_log")
    a = made.parameters["A"]
    assert made.parameters["alpha"].verdict == "identified"
    factor = f"{a.high / a.low:.0f}"
    assert made.status.code == "converged"  # a wide coefficient alone is no doubt about the fit
    assert made.status.advice == (
        "The objective has one optimum, and it was reached. "
        f"These rows do not determine A (ends a factor of {factor} apart, limit 10): "
        "do not quote it as a number. Identified: alpha."
    )


def test_a_parameter_at_its_bound_is_said_once():
    made = al.fit(FLOOR_AT_BOUND, "power_floor", SAMPLES)
    assert made.status.code == "bound_active"
    assert made.status.advice.startswith("E is at the solver's bound: the rows show no floor")
    assert "E (only an upper bound), A (ends a factor of " in made.status.advice
    assert "alpha (3." in made.status.advice
    assert not any("bound" in line for line in certificate_lines(made))


def test_a_law_that_cannot_rise_is_said_once():
    made = al.fit(RISING, "exponential", XY, objective="squared", resamples=50)
    assert made.status.advice.startswith("y rises with x: this law falls, and ")
    assert not any("this law falls" in line for line in certificate_lines(made))


def test_sizes_on_a_line_are_said_with_their_scatter_in_percent():
    made = al.fit(ray(0.05), "chinchilla", N="N", D="D", L="L", resamples=100)
    logs = np.log(made.data["D"]) - np.polyval(
        np.polyfit(np.log(made.data["N"]), np.log(made.data["D"]), 1), np.log(made.data["N"])
    )
    assert f"with a scatter of {100 * np.std(logs):.1f}%" in made.status.advice
    exact = al.fit(ray(0.0), "chinchilla", N="N", D="D", L="L", resamples=100)
    assert "D follows N^1.00 exactly: these rows cannot separate" in exact.status.advice


@pytest.mark.parametrize("law", ["power", "power_floor"])
def test_rows_without_noise_have_no_complaint_about_their_refits(law):
    """Refits to rounding errors do not converge: that says nothing of the fit."""
    x = np.geomspace(1e6, 1e9, 7)
    made = al.fit({"x": x, "y": 12 * x**-0.09}, law, XY, resamples=100, objective="squared_log")
    if made.status.code == "noise_free":
        assert "resamples" not in made.status.advice
    assert made.parameters["alpha"].value == pytest.approx(0.09, abs=1e-5)


def test_one_start_and_one_row_are_singular():
    few = {"x": [1e3, 1e4, 1e5, 1e6], "y": [0.31, 0.172, 0.094, float("nan")]}
    lines = " ".join(certificate_lines(al.fit(few, "power", x="x", y="y", resamples=0)))
    assert "Search: 1 start, " in lines and "1 row left out: " in lines
