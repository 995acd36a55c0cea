"""A loss, a size, tokens for each parameter: closed forms, searches and a root of scipy agree."""

import numpy as np
import pytest
from scipy.optimize import brentq

from allometry import laws
from allometry.errors import UsageError
from allometry.plan.beyond.data_limits import one_epoch, repeated
from allometry.plan.beyond.inference import equal_quality, lifetime
from allometry.plan.beyond.other_budgets import (
    compute_of_best_size,
    compute_of_best_tokens,
    fixed_ratio,
    fixed_size,
    target_loss,
)
from allometry.plan.frontier.conventions import convention
from allometry.plan.frontier.optimum import Frontier
from tests.plan.published import BESIROGLU, MUENNIGHOFF, SARDANA, searched

FORMS = {"closed": BESIROGLU, "searched": searched(BESIROGLU)}
either = pytest.mark.parametrize("frontier", FORMS.values(), ids=FORMS.keys())


@either
@pytest.mark.parametrize("compute", [1e15, 1e21, 5.76e23, 1e27])
def test_the_least_compute_of_a_loss_is_the_inverse_of_the_least_loss(frontier, compute):
    best = BESIROGLU.at(compute)
    found = target_loss(frontier, float(best.loss[0]))
    assert found.compute[0] == pytest.approx(compute, rel=1e-6)
    assert found.n[0] == pytest.approx(best.n[0], rel=1e-6)
    assert found.d[0] == pytest.approx(best.d[0], rel=1e-6)
    assert found.waste[0] == 0


def test_sardanas_closed_form_of_a_loss():
    """N = (A (1 + alpha / beta) / (l - E))^(1/alpha), D likewise; utils.py of its repository."""
    v = {name: value[0] for name, value in SARDANA.values.items()}
    found = target_loss(SARDANA, 1.947)
    n = (v["A"] * (1 + v["alpha"] / v["beta"]) / (1.947 - v["E"])) ** (1 / v["alpha"])
    d = (v["B"] * (1 + v["beta"] / v["alpha"]) / (1.947 - v["E"])) ** (1 / v["beta"])
    assert (found.n[0], found.d[0]) == (pytest.approx(n, rel=1e-9), pytest.approx(d, rel=1e-9))


def test_a_loss_below_the_floor_is_refused_and_a_draw_below_it_is_infinite():
    with pytest.raises(UsageError, match="no compute reaches"):
        target_loss(BESIROGLU, 1.8)
    values = {name: np.repeat(value, 2) for name, value in BESIROGLU.values.items()}
    values["E"] = np.array([1.8172, 1.95])
    found = target_loss(Frontier(laws.chinchilla, values), 1.9)
    assert np.isfinite(found.compute).tolist() == [True, False]
    assert np.isinf(found.n).tolist() == [False, True]


@either
def test_a_fixed_size_with_a_compute(frontier):
    found = fixed_size(frontier, 7e9, 1e24)
    assert found.d[0] == pytest.approx(1e24 / (6 * 7e9))
    needed = brentq(lambda x: BESIROGLU.at(np.exp(x)).loss[0] - found.loss[0], 40, 57, xtol=1e-13)
    assert found.waste[0] == pytest.approx(1 - np.exp(needed) / 1e24, abs=1e-8)
    assert 0.85 < found.waste[0] < 0.9


@either
def test_a_fixed_size_without_a_compute_gets_the_tokens_for_which_it_is_best(frontier):
    found = fixed_size(frontier, 7e9)
    assert BESIROGLU.at(found.compute[0]).n[0] == pytest.approx(7e9, rel=1e-6)
    assert found.waste[0] == pytest.approx(0, abs=1e-9)
    assert found.d[0] == pytest.approx(BESIROGLU.at(found.compute[0]).d[0], rel=1e-6)


@either
def test_the_compute_at_which_a_number_of_tokens_is_best(frontier):
    compute = compute_of_best_tokens(frontier, 1e12)
    assert BESIROGLU.at(compute).d[0] == pytest.approx(1e12, rel=1e-6)


def test_the_best_size_with_a_head_is_inverted_too():
    cost = convention("6nd_body_plus_head", vocabulary=50257, aspect_ratio=64)
    frontier = Frontier(BESIROGLU.law, BESIROGLU.values, cost)
    compute = compute_of_best_size(frontier, 1e8)
    assert frontier.at(compute).n[0] == pytest.approx(1e8, rel=1e-6)
    found = fixed_ratio(frontier, 20, 1e20)
    assert cost.compute(found.n, found.d)[0] == pytest.approx(1e20, rel=1e-9)
    assert found.tokens_per_parameter[0] == pytest.approx(20)


@either
def test_twenty_tokens_for_each_parameter(frontier):
    found = fixed_ratio(frontier, 20, 1e24)
    assert found.n[0] == pytest.approx(np.sqrt(1e24 / 120))
    assert found.tokens_per_parameter[0] == pytest.approx(20)
    split = 0.3478, 0.3658
    r = found.n[0] / BESIROGLU.at(1e24).n[0]
    share = (split[1] * r ** -split[0] + split[0] * r ** split[1]) / sum(split)
    assert found.waste[0] == pytest.approx(1 - share ** (-sum(split) / np.prod(split)), abs=1e-8)


def test_a_law_with_repeats_reaches_a_loss_only_so_far():
    frontier = Frontier(MUENNIGHOFF.law, MUENNIGHOFF.values, others={"U": 1e10})
    reached = target_loss(frontier, 2.4)
    assert frontier.at(reached.compute).loss[0] == pytest.approx(2.4, abs=1e-7)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: fixed_size(BESIROGLU, -1), "number of parameters"),
        (lambda: fixed_size(BESIROGLU, 1e9, 0), "compute"),
        (lambda: fixed_ratio(BESIROGLU, 0, 1e20), "tokens per parameter"),
        (lambda: fixed_ratio(BESIROGLU, 20, float("nan")), "compute"),
        (lambda: target_loss(BESIROGLU, -2), "positive loss"),
    ],
)
def test_nonsense_is_refused(wrong, said):
    with pytest.raises(UsageError, match=said):
        wrong()


@pytest.mark.parametrize("searched_too", [False, True])
def test_draws_with_absurd_exponents_make_no_noise(searched_too):
    """A resample may end at any bound of the solver: its plan is NaN or infinite, not a warning."""
    rng = np.random.default_rng(0)
    values = {name: np.exp(rng.uniform(*ends, 40)) for name, ends in {
        "E": (-5, 3), "A": (-5, 15), "B": (-5, 15), "alpha": (-9, 3), "beta": (-9, 3)}.items()
    }  # fmt: skip
    values["E"][0], values["alpha"][0], values["beta"][0] = 1.0, 0.3, 0.3
    frontier = Frontier(laws.chinchilla, values)
    frontier = searched(frontier) if searched_too else frontier
    for found in (
        target_loss(frontier, 2.0), fixed_size(frontier, 7e9), fixed_size(frontier, 7e9, 1e22),
        fixed_ratio(frontier, 20, 1e22), one_epoch(frontier, 1e22, 1e10),
        repeated(frontier, 1e22, 1e10), equal_quality(frontier, 1e12, compute=1e22),
        lifetime(frontier, 1e22, 1e12),
    ):  # fmt: skip
        assert len(found.loss) == 40
        assert np.isfinite(found.loss[0])
