"""Fewer unique tokens than the best run would take."""

import numpy as np
import pytest

from allometry import laws
from allometry.errors import UsageError
from allometry.plan.beyond.data_limits import (
    PUBLISHED,
    one_epoch,
    repeated,
    unique_equivalents,
    with_repeats,
)
from allometry.plan.frontier.optimum import Frontier
from tests.plan.published import BESIROGLU, MUENNIGHOFF, frontier

# The law behind Muennighoff et al.'s without its half-lives.
C4 = frontier(laws.chinchilla, **laws.data_constrained.fixed)


def test_one_epoch_of_1e12_tokens_at_1e24():
    found = one_epoch(BESIROGLU, 1e24, 1e12)
    assert f"{found.n[0]:.4e}" == "1.6667e+11"
    assert round(float(found.loss[0]), 6) == 1.962504
    assert round(100 * float(found.waste[0]), 2) == 10.31
    assert found.compute[0] == pytest.approx(1e24, rel=1e-12)


def test_one_epoch_changes_nothing_where_data_suffice():
    found, best = one_epoch(BESIROGLU, 1e24, 2e12), BESIROGLU.at(1e24)
    assert (found.n[0], found.d[0]) == (best.n[0], best.d[0])
    assert found.waste[0] == pytest.approx(0, abs=1e-12)


def test_each_draw_is_limited_by_itself():
    values = {**BESIROGLU.values, "beta": np.array([0.3658, 0.30])}
    values = {name: np.broadcast_to(value, 2) for name, value in values.items()}
    both = Frontier(laws.chinchilla, values)
    most = float(both.at(1e24).d.mean())
    found = one_epoch(both, 1e24, most)
    assert sorted(found.d == most) == [False, True]


def test_unique_equivalents_of_muennighoffs_half_life():
    worth = unique_equivalents(np.array([1, 4, 16, np.inf]), PUBLISHED.data.value)
    assert worth[0] == 1
    assert [f"{w:.4g}" for w in worth[1:]] == ["3.726", "10.58", "16.39"]


def test_muennighoffs_loss_to_every_digit():
    limited = with_repeats(MUENNIGHOFF, 25e9)
    assert limited.loss_at(6.34e9, 242e9)[0] == pytest.approx(2.2256440889984477, abs=1e-15)
    assert limited.loss_at(8.67e9, 178e9)[0] == pytest.approx(2.2269634075087867, abs=1e-15)
    assumed = with_repeats(C4, 25e9, 15.387756, 5.309743)
    assert assumed.loss_at(6.34e9, 242e9)[0] == pytest.approx(2.2256440889984477, abs=1e-14)


def readme_grid(compute):
    """Muennighoff et al.'s optimal_allocation: factors of 1 to 3 either way from the given run."""
    n, d = 8.67e9, compute / (6 * 8.67e9)
    factors = np.linspace(1.0001, 3, 500)
    factors = np.concatenate([1 / factors[::-1], factors])
    losses = with_repeats(MUENNIGHOFF, 25e9).loss((n / factors)[None], (d * factors)[None])[0]
    best = losses.argmin()
    return n / factors[best], d * factors[best], losses[best]


def test_muennighoffs_best_repeated_runs():
    """At the README's compute and at 1e22, its grid has steps of .4% at most."""
    n, d, _ = readme_grid(6 * 8.67e9 * 178e9)
    assert (f"{n:.1e}", f"{d:.2e}", f"{d / 25e9:.1f}") == ("6.8e+09", "2.27e+11", "9.1")
    n, d, loss = readme_grid(1e22)
    found = repeated(MUENNIGHOFF, 1e22, 25e9)
    assert found.n[0] == pytest.approx(7.0224e9, rel=4e-3)
    assert found.epochs[0] == pytest.approx(9.4935, rel=4e-3)
    assert (found.n[0], found.d[0]) == (pytest.approx(n, rel=4e-3), pytest.approx(d, rel=4e-3))
    assert found.loss[0] == pytest.approx(loss, abs=1e-6)
    assert found.loss[0] <= loss
    assert found.unique_equivalent[0] == pytest.approx(
        25e9 * unique_equivalents(found.epochs[0], 15.387756)
    )


def test_the_best_repeated_run_is_that_of_a_fine_grid():
    n = np.geomspace(1e9, 3e10, 400_001)
    losses = with_repeats(MUENNIGHOFF, 25e9).loss(n[None], (1e22 / (6 * n))[None])[0]
    found = repeated(MUENNIGHOFF, 1e22, 25e9)
    assert found.n[0] == pytest.approx(n[losses.argmin()], rel=2e-5)
    assert found.loss[0] == pytest.approx(losses.min(), abs=1e-12)


def test_assumed_half_lives_come_with_their_interval():
    own, assumed = repeated(MUENNIGHOFF, 1e22, 25e9), repeated(C4, 1e22, 25e9)
    assert assumed.n[0] == pytest.approx(own.n[0], rel=1e-5)
    assert assumed.loss[0] == pytest.approx(own.loss[0], abs=1e-10)
    assert "2305.16264" in assumed.assumption
    assert own.n_range == (own.n, own.n)
    for value, (low, high) in ((assumed.n, assumed.n_range), (assumed.loss, assumed.loss_range),
                               (assumed.epochs, assumed.epochs_range)):  # fmt: skip
        assert low[0] < value[0] < high[0]
    # Data that never lose worth and parameters that do at once: as good as unlimited data at best.
    assert assumed.loss_range[0][0] >= C4.at(1e22).loss[0]


def test_the_waste_of_repeats_is_against_unlimited_data():
    found = repeated(C4, 1e22, 25e9)
    cheaper = C4.at((1 - found.waste[0]) * 1e22)
    assert cheaper.loss[0] == pytest.approx(found.loss[0], abs=1e-10)
    enough = repeated(C4, 1e21, 1e12)
    assert enough.waste[0] == pytest.approx(0, abs=1e-6)
    assert enough.n[0] == pytest.approx(C4.at(1e21).n[0], rel=1e-4)
    assert enough.epochs[0] < 1


def test_a_law_without_a_best_size_for_the_data_is_refused():
    values = {name: np.array([0.5]) for name in laws.overtraining.names}
    with pytest.raises(UsageError, match="use chinchilla, skaling or data_constrained"):
        repeated(Frontier(laws.overtraining, values), 1e22, 1e10)
    with pytest.raises(UsageError, match="positive number of unique tokens"):
        one_epoch(BESIROGLU, 1e24, 0)
