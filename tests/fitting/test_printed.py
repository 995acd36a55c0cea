"""What is printed of a fit predicts what the fit predicts."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from allometry import laws
from allometry.fitting.fit import fit
from allometry.fitting.printed import reproducing_digits
from allometry.report.fit_in_words import estimate_rows
from allometry.stats.digits import rounded
from allometry.tables.table import Table
from tests.fitting.test_identified import FLOOR_AT_BOUND
from tests.stats.test_digits import read


def printed_values(fitted):
    """The parameters as a person types them off the screen."""
    texts = {row.name: row.shown for row in estimate_rows(fitted)}
    return {name: read(texts[name].split(" [")[0]) for name in fitted.law.names}


@settings(max_examples=25, deadline=None)
@given(
    law=st.sampled_from(
        ["power", "power_floor", "chinchilla", "log", "exponential", "kaplan", "m4"]
    ),
    seed=st.integers(0, 10**6),
    noise=st.floats(1e-4, 0.2),
    rows=st.integers(8, 40),
)
@example(law="kaplan", seed=7246, noise=0.1875, rows=8)  # an exponent near 0, a scale beyond 1e308
def test_the_printed_law_is_within_a_thousandth_of_the_fitted_at_every_row(law, seed, noise, rows):
    rng = np.random.default_rng(seed)
    n, d = 10 ** rng.uniform(6, 11, rows), 10 ** rng.uniform(8, 13, rows)
    loss = (1.7 + 400 * n**-0.34 + 1500 * d**-0.37) * np.exp(noise * rng.normal(size=rows))
    form = laws.named(law)
    columns = {s: s if s in "ND" else "N" for s in form.sizes} | {form.response: "L"}
    objective = "squared" if law == "log" else "squared_log"
    runs = Table({"N": n, "D": d, "L": loss})
    fitted = fit(runs, law, columns, objective=objective, resamples=50, starts=16)
    exact = fitted.predict(fitted.data)
    printed = fitted.law.evaluate(printed_values(fitted), fitted.data)[0]
    assert printed == pytest.approx(exact, rel=1e-3 + 1e-9)


def test_a_parameter_known_to_a_factor_of_a_thousand_keeps_its_digits():
    """Eight noisy rows of a power law with almost no slope (case 05)."""
    width = [512, 1024, 1536, 2048, 3072, 4096, 6144, 8192]
    rank = [275.1, 251.0, 728.3, 465.8, 464.2, 336.0, 315.4, 260.7]
    columns = {"x": "width", "y": "rank"}
    runs = Table({"width": width, "rank": rank})
    fitted = fit(runs, "power", columns, objective="squared_log", interval="pairs")
    value, _, ends = fitted.shown()["A"].partition(" ")
    assert value == "427" and ends.startswith("[4") and "0.0" not in ends
    assert "427" in fitted._repr_html_()


def test_steep_laws_over_wide_tables_get_the_digits_they_need():
    law, sizes = laws.named("power"), {"x": np.geomspace(1, 1e12, 30)}
    values = {"A": 123.456789, "alpha": 4.0001234}
    digits = reproducing_digits(law, values, sizes, {"A": 3, "alpha": 3})
    near = {name: rounded(values[name], digits[name]) for name in values}
    assert law.evaluate(near, sizes)[0] == pytest.approx(law.evaluate(values, sizes)[0], rel=1e-3)
    assert digits["alpha"] > 3


def test_a_floor_at_its_bound_is_printed_as_zero():
    """The solver's bound is 1e-6 or so: a number that nobody means."""
    fitted = fit(FLOOR_AT_BOUND, "power_floor", {"x": "samples", "y": "val_loss"})
    assert 0 < fitted.values["E"] < 1e-5
    assert fitted.shown()["E"].startswith("0 [0.00, 1.")
    printed = fitted.law.evaluate(printed_values(fitted), fitted.data)[0]
    assert printed == pytest.approx(fitted.predict(fitted.data), rel=1e-3 + 1e-9)
