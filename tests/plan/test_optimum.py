"""The best size at a compute: closed forms, the search, and printed numbers."""

import numpy as np
import pytest

from allometry import laws
from allometry.plan.frontier.cost import SIX_ND, Cost
from allometry.plan.frontier.optimum import Frontier, minimum

# Besiroglu et al. 2404.10102, table 1.
BESIROGLU = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
HOFFMANN = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
# Hoffmann et al. 2203.15556, TeX source of equation 10.
UNROUNDED = {
    "E": np.exp(0.5267228), "A": np.exp(6.0073404), "B": np.exp(6.0179186),
    "alpha": 0.33917084, "beta": 0.2849083,
}  # fmt: skip
SEARCHED = Cost("searched", "6 N D, without saying so", lambda n: 6.0 * n)


def frontier(values, law=laws.chinchilla, cost=SIX_ND):
    return Frontier(law, {name: np.atleast_1d(float(v)) for name, v in values.items()}, cost)


@pytest.mark.parametrize(
    ("compute", "n", "ratio", "loss"),
    [
        (1e21, 2.77846e9, 21.589, 2.305529),
        (5.76e23, 7.22487e10, 18.391, 1.974441),
        (1e24, 9.58607e10, 18.137, 1.959712),
    ],
)
def test_the_best_runs_of_besiroglu(compute, n, ratio, loss):
    best = frontier(BESIROGLU).at(compute)
    assert best.n[0] == pytest.approx(n, rel=2e-6)
    assert best.tokens_per_parameter[0] == pytest.approx(ratio, abs=5e-4)
    assert best.loss[0] == pytest.approx(loss, abs=5e-7)


@pytest.mark.parametrize(
    ("values", "at_1e21", "at_1e24"), [(UNROUNDED, 33.9, 61.8), (HOFFMANN, 50.1, 97.7)]
)
def test_rounded_coefficients_plan_other_runs(values, at_1e21, at_1e24):
    for compute, ratio in ((1e21, at_1e21), (1e24, at_1e24)):
        best = frontier(values).at(compute).tokens_per_parameter[0]
        assert best == pytest.approx(ratio, abs=0.05)


@pytest.mark.parametrize(
    ("law", "values"),
    [
        (laws.chinchilla, BESIROGLU),
        (laws.chinchilla_tied, {"E": 1.7, "A": 400.0, "B": 800.0, "alpha": 0.31}),
        (laws.kaplan, {"N_c": 8.8e13, "D_c": 5.4e13, "alpha_N": 0.076, "alpha_D": 0.103}),
        (laws.skaling, {"E": 0.3, "A": 4e3, "B": 9e3, "alpha": 0.4, "beta": 0.45, "k": 0.5}),
    ],
)
def test_the_search_agrees_with_the_closed_form(law, values):
    closed, searched = frontier(values, law), frontier(values, law, SEARCHED)
    assert closed.split is not None and searched.split is None
    for compute in (1e18, 1e21, 1e24):
        assert searched.at(compute).n == pytest.approx(closed.at(compute).n, rel=2e-6)
        loss = closed.at(compute).loss
        for one in (closed, searched):
            assert one.compute_for(loss, 30 * compute) == pytest.approx([compute], rel=1e-5)


def test_no_size_on_a_fine_grid_is_better():
    best = frontier(BESIROGLU).at(1e22)
    n = best.n * np.geomspace(0.5, 2, 4001)
    losses = frontier(BESIROGLU).loss(n[None], 1e22 / (6 * n)[None])[0]
    assert losses.min() >= best.loss[0]
    assert n[losses.argmin()] == pytest.approx(best.n[0], rel=1e-3)


def test_kaplan_has_the_exponent_of_its_equation():
    values = {"N_c": 8.8e13, "D_c": 5.4e13, "alpha_N": 0.076, "alpha_D": 0.103}
    low, high = (frontier(values, laws.kaplan).at(c).n[0] for c in (1e20, 1e22))
    assert np.log(high / low) / np.log(100) == pytest.approx(0.103 / 0.179, rel=1e-9)  # .575


def test_a_loss_below_the_floor_is_reached_by_no_compute():
    assert np.isinf(frontier(BESIROGLU).compute_for(1.8, 1e24))


def test_a_law_without_an_optimum_gives_no_number():
    increasing = minimum(lambda x: x, np.zeros(1), np.ones(1))
    assert np.isnan(increasing)
