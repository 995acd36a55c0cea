"""The product of powers takes the sizes that are mapped, two to four of them."""

import numpy as np
import pytest

from allometry import laws
from allometry.errors import UsageError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.tables.table import Table

PARAMS = np.repeat([5e7, 1.2e8, 3e8, 6e8], 4)
TOKENS = np.tile([6e9, 2e10, 8e10, 3e11], 4)
BATCH = np.array([
    59.02, 108.63, 196.93, 338.97, 70.29, 108.67, 224.59, 384.26,
    79.75, 135.78, 238.54, 461.32, 86.61, 141.71, 301.87, 515.34,
])  # fmt: skip
SWEEP = Table({"params": PARAMS, "tokens": TOKENS, "batch": BATCH})
COLUMNS = {"y": "batch", "N": "params", "D": "tokens"}


def test_two_sizes_give_the_least_squares_plane_of_logs():
    fitted = fit(SWEEP, "power_product", COLUMNS, objective="squared_log", resamples=50)
    design = np.stack([np.ones(16), np.log(TOKENS), np.log(PARAMS)], 1)
    log_a, by_tokens, by_params = np.linalg.lstsq(design, np.log(BATCH), rcond=None)[0]
    assert fitted.values["A"] == pytest.approx(np.exp(log_a), rel=1e-8)
    assert fitted.values["alpha_D"] == pytest.approx(by_tokens, rel=1e-9)
    assert fitted.values["alpha_N"] == pytest.approx(by_params, rel=1e-9)
    assert fitted.values["alpha_N"] == pytest.approx(0.151, abs=5e-4)
    assert fitted.values["alpha_D"] == pytest.approx(0.450, abs=5e-4)
    assert fitted.formula == "y = A D^alpha_D N^alpha_N"
    assert fitted.values.keys() == {"A", "alpha_D", "alpha_N"}


def test_a_saved_fit_of_two_sizes_is_read_again():
    fitted = fit(SWEEP, "power_product", COLUMNS, resamples=20)
    again = Fit.from_json(fitted.to_json())
    assert again == fitted
    at = {"N": [1e9], "D": [1e12]}
    assert again.predict(at) == pytest.approx(fitted.predict(at), rel=1e-12)


def test_width_is_a_size_of_its_own_where_d_is_not_mapped():
    """In laws of N and D a column for M stands for D = M N; here M is the width."""
    width = np.tile([8.0, 16.0, 32.0, 64.0], 4)
    table = Table({"n": PARAMS, "m": width, "y": 3 * PARAMS**0.2 * width**-0.5})
    values = fit(table, "power_product", {"N": "n", "M": "m", "y": "y"}, resamples=0).values
    assert values == pytest.approx({"A": 3.0, "alpha_N": 0.2, "alpha_M": -0.5}, rel=1e-6)


def test_compute_stands_for_d():
    table = Table({"n": PARAMS, "c": 6 * PARAMS * TOKENS, "y": 3 * PARAMS**0.2 * TOKENS**0.4})
    values = fit(table, "power_product", {"N": "n", "C": "c", "y": "y"}, resamples=0).values
    assert values == pytest.approx({"A": 3.0, "alpha_D": 0.4, "alpha_N": 0.2}, rel=1e-6)


def test_four_sizes_are_the_law_of_that_name():
    assert laws.power_product.sizes == ("L", "D", "N", "M")
    assert laws.power_product.of_sizes(("M", "N", "D", "L")) == laws.power_product


@pytest.mark.parametrize(
    ("columns", "fixed", "words"),
    [
        ({"y": "batch", "N": "params"}, None, "two to four of L, D, N, M, got N"),
        ({"y": "batch"}, None, "got none"),
        ({**COLUMNS, "Q": "params"}, None, "unknown Q"),
        (COLUMNS, {"alpha_L": 1.0}, "no parameter alpha_L"),
    ],
)
def test_what_is_not_one_of_its_sizes_is_refused(columns, fixed, words):
    with pytest.raises(UsageError, match=words):
        fit(SWEEP, "power_product", columns, resamples=0, fixed=fixed)
