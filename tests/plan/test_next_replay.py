"""The replay benchmark, in small: its measure, its budget, and one pool with few seeds."""

import numpy as np
import pytest
from benchmarks.next_replay import SHARES, Replay, pools, r_squared


def test_r_squared_is_clipped_at_both_ends():
    measured = np.array([1.0, 2.0, 3.0])
    assert r_squared(measured, measured) == 1
    assert r_squared(np.full(3, 2.0), measured) == 0
    assert r_squared(measured + 100, measured) == -1
    assert r_squared(np.array([1.0, np.nan, 3.0]), measured) == -1


@pytest.mark.parametrize("strategy", ["cheapest", "random", "d_optimal"])
def test_no_more_is_spent_than_each_share(reference, strategy):
    pool = pools(reference)["epoch"]
    replay = Replay(pool, strategy, 0)
    replay.chosen = np.argsort(pool.cost)[:20].tolist()
    for share in SHARES[:2]:
        replay.buy(share * pool.cost.sum())
        assert pool.cost[replay.chosen].sum() <= share * pool.cost.sum()
        assert len(set(replay.chosen)) == len(replay.chosen)  # a run is bought once


@pytest.mark.slow
def test_runs_chosen_extrapolate_better_than_the_cheapest(reference):
    pool = pools(reference)["data_constrained"]
    for seed in range(2):
        chosen, cheapest = (Replay(pool, s, seed).run() for s in ("next", "cheapest"))
        for mine, other, bar in zip(chosen[1:], cheapest[1:], (0.83, 0.85), strict=True):
            assert mine["r2"] > bar  # V-optimal's published figures (2604.22753)
            assert mine["r2"] > other["r2"] - 0.1
