"""Wasted compute: the closed form, the search, and printed numbers."""

import numpy as np
import pytest

from allometry import laws
from allometry.plan.frontier.waste import band, wasted
from tests.plan.test_optimum import BESIROGLU, SEARCHED, frontier

SKALING = {"E": 0.3, "A": 4e3, "B": 9e3, "alpha": 0.4, "beta": 0.45, "k": 0.5}


@pytest.mark.parametrize(
    ("share", "low", "high"), [(0.01, 0.845, 1.183), (0.05, 0.684, 1.461), (0.1, 0.579, 1.723)]
)
def test_the_bands_of_besiroglu(share, low, high):
    surface = frontier(BESIROGLU)
    best, ends = surface.at(1e24).n[0], band(surface, 1e24, share)
    assert ends.low[0] / best == pytest.approx(low, abs=6e-4)
    assert ends.high[0] / best == pytest.approx(high, abs=6e-4)


@pytest.mark.parametrize("factor", [0.01, 0.5, 1.0, 2.0, 30.0])
@pytest.mark.parametrize(("law", "values"), [(laws.chinchilla, BESIROGLU), (laws.skaling, SKALING)])
def test_the_search_agrees_with_the_closed_form(law, values, factor):
    closed, searched = frontier(values, law), frontier(values, law, SEARCHED)
    n = factor * closed.at(1e22).n
    d = 1e22 / (6 * n)
    assert wasted(searched, n, d) == pytest.approx(wasted(closed, n, d), abs=2e-6)
    saved = (1 - wasted(closed, n, d)) * 1e22  # by definition: what reaches the same loss
    assert closed.at(saved).loss == pytest.approx(closed.loss_at(n, d), rel=1e-9)


def test_the_bands_of_the_search_agree():
    for share in (0.01, 0.05, 0.1):
        closed = band(frontier(BESIROGLU), 1e22, share)
        searched = band(frontier(BESIROGLU, cost=SEARCHED), 1e22, share)
        assert searched.low == pytest.approx(closed.low, rel=1e-5)
        assert searched.high == pytest.approx(closed.high, rel=1e-5)


def test_near_the_best_size_waste_is_half_the_sum_of_exponents_times_the_square():
    surface, shift = frontier(BESIROGLU), 0.01
    n = surface.at(1e22).n * np.exp(shift)
    predicted = (BESIROGLU["alpha"] + BESIROGLU["beta"]) / 2 * shift**2
    assert wasted(surface, n, 1e22 / (6 * n)) == pytest.approx([predicted], rel=0.01)


def test_a_factor_of_two_in_size_costs_a_sixth():
    surface = frontier(BESIROGLU)
    n = 2 * surface.at(1e24).n
    assert wasted(surface, n, 1e24 / (6 * n)) == pytest.approx([0.156], abs=1e-3)
