"""Exponents among cells alike in the other sizes, on the unbalanced cells of the printed table."""

import numpy as np
import pytest

from allometry.studies.ntk_depth.analysis import COLUMNS, Cells, plane
from allometry.studies.ntk_depth.printed import PRINTED
from allometry.studies.ntk_depth.within import by_width, of_fit, within

TRUE = {"L": 1.2, "D": -0.3, "N": 0.8, "M": 1.0}


def printed_cells(radius):
    """The cells of the printed table with one draw of a known radius of (N, D, M, L)."""
    sizes = np.array(sorted({cell for row in PRINTED for cell in row.cells}))
    values = radius(*sizes.T.astype(float))[:, None]
    return Cells(sizes, dict.fromkeys(COLUMNS, values))


def exponents(cells):
    return {size: i.value for size, i in within(cells, cells.mean("spectral_radius")).items()}


def product(n, d, m, depth):
    return 3 * n ** TRUE["N"] * d ** TRUE["D"] * m ** TRUE["M"] * depth ** TRUE["L"]


def like_k_inf(n, d, m, depth):
    """M by a function of N, D and L that is no power law: entries beside the diagonal grow from a
    cosine of about D^-1/2 to a quarter of it."""
    return m * depth * (1 + (n - 1) / (4 + 8 / depth + d**0.5 / depth**2))


def test_a_power_law_in_all_sizes_is_found_exactly():
    assert exponents(printed_cells(product)) == pytest.approx(TRUE, abs=1e-10)


def test_what_is_m_times_a_function_of_the_other_sizes_has_exponent_one():
    """As K_inf, which holds no M. The regression on all cells gives another number."""
    cells = printed_cells(like_k_inf)
    assert exponents(cells)["M"] == pytest.approx(1, abs=1e-10)
    regression = of_fit(plane(cells, "spectral_radius", resamples=100))["M"]
    assert abs(regression.value - 1) > 0.005


def test_k_less_k_inf_has_one_less_in_the_width_and_no_less_elsewhere():
    cells = printed_cells(product)
    radius = within(cells, cells.mean("spectral_radius"))
    kernel = by_width(radius)
    assert kernel["M"].value == pytest.approx(TRUE["M"] - 1, abs=1e-10)
    assert {size: kernel[size] for size in "LDN"} == {size: radius[size] for size in "LDN"}


def test_the_interval_holds_the_exponent_where_it_differs_between_data():
    """Every (N, D) has an exponent of M of its own, at all depths; 95% intervals hold the mean."""
    rng = np.random.default_rng(0)
    cells = printed_cells(product)
    data = np.unique(cells.sizes[:, :2], axis=0, return_inverse=True)[1].ravel()
    ln_m = np.log(cells.size("width"))
    held = 0
    for _ in range(300):
        own = TRUE["M"] + 0.02 * rng.normal(size=data.max() + 1)
        noise = 0.01 * rng.normal(size=len(data))
        found = within(cells, np.exp(own[data] * ln_m + noise))["M"]
        held += found.low <= TRUE["M"] <= found.high
    assert held / 300 > 0.92


def test_depths_of_one_configuration_stay_together():
    """A bend that all depths share is scatter between data, not a hundred times the evidence."""
    rng = np.random.default_rng(1)
    cells = printed_cells(product)
    data = np.unique(cells.sizes[:, :2], axis=0, return_inverse=True)[1].ravel()
    own = 0.05 * rng.normal(size=data.max() + 1)[data]
    width = cells.size("width")
    shared = within(cells, width**own)["M"]
    each = within(cells, width ** (0.05 * rng.normal(size=len(data))))["M"]
    assert shared.high - shared.low > 1.5 * (each.high - each.low)


def test_a_size_that_does_not_vary_among_cells_alike_has_no_exponent():
    cells = printed_cells(product)
    one = cells.only(cells.size("width") == 10)
    assert np.isnan(within(one, one.mean("spectral_radius"))["M"].value)
    data = cells.only((cells.size("n_points") == 8) & (cells.size("d_in") == 20))
    found = within(data, data.mean("spectral_radius"))["M"]
    assert found.value == pytest.approx(TRUE["M"]) and not found.has_ends  # one cluster
