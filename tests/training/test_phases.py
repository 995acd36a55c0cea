"""Seconds by phase: those of one thread add up to its time, and each is counted once."""

import threading
import time
from collections import defaultdict

import jax
import jax.numpy as jnp
import pytest

from allometry.training import phases
from allometry.training.phases import (
    PHASES,
    count_compiling,
    kept_seconds,
    phase,
    seconds_by_phase,
    seconds_of_thread,
)  # fmt: skip


@pytest.fixture(autouse=True)
def from_nothing(monkeypatch):
    monkeypatch.setattr(phases, "_total", defaultdict(float))
    monkeypatch.setattr(phases, "_of_thread", threading.local())


def test_a_phase_inside_another_is_counted_by_itself():
    began = time.perf_counter()
    with phase("train"):
        time.sleep(0.02)
        with phase("measure"):
            time.sleep(0.05)
            with phase("evaluate"):
                time.sleep(0.01)
    elapsed = time.perf_counter() - began
    seconds = seconds_by_phase()
    assert sum(seconds.values()) == pytest.approx(elapsed, abs=2e-3)
    assert seconds["train"] >= 0.02 and seconds["measure"] >= 0.05 and seconds["evaluate"] >= 0.01


def test_phases_are_in_their_order_and_only_those_that_were():
    for name in ("print", "train", "import"):
        with phase(name):
            pass
    assert list(seconds_by_phase()) == ["import", "train", "print"]
    assert set(seconds_by_phase()) < set(PHASES)


def test_what_was_before_is_left_out():
    with phase("train"), phase("load"):
        time.sleep(0.01)
    before = seconds_by_phase()
    with phase("train"):
        time.sleep(0.02)
    assert list(seconds_by_phase(before)) == ["train"]
    assert 0.02 <= seconds_by_phase(before)["train"] < 0.02 + before["train"] + 0.01


def test_a_phase_that_fails_is_counted_and_the_next_is_whole():
    with pytest.raises(ValueError, match="no"), phase("train"), phase("measure"):
        time.sleep(0.01)
        raise ValueError("no")
    with phase("store"):
        time.sleep(0.01)
    seconds = seconds_by_phase()
    assert seconds["measure"] >= 0.01 and seconds["store"] >= 0.01


def test_threads_are_counted_each():
    def work():
        with phase("train"):
            time.sleep(0.03)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seconds_by_phase()["train"] >= 0.09


def test_what_is_compiled_is_counted_once_and_not_as_training():
    count_compiling()

    @jax.jit
    def inner(x):
        return jnp.tanh(x @ x)

    @jax.jit
    def outer(x):
        return jax.lax.fori_loop(0, 3, lambda i, x: inner(jnp.linalg.norm(x) * x), x)

    began = time.perf_counter()
    with phase("train"):
        jax.block_until_ready(outer(jnp.ones((5, 5))))
    elapsed = time.perf_counter() - began
    seconds = seconds_by_phase()
    assert sum(seconds.values()) == pytest.approx(elapsed, abs=5e-3)
    assert 0 < seconds["compile"] < elapsed
    before = seconds["compile"]
    with phase("train"):
        jax.block_until_ready(outer(jnp.ones((5, 5))))
    assert seconds_by_phase()["compile"] == before


def test_a_thread_keeps_its_own_seconds_in_tenths_without_short_phases():
    before = seconds_of_thread()
    kept = {}

    def other():
        with phase("measure"):
            time.sleep(0.12)
        kept.update(kept_seconds({}))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert kept == {"seconds_measure": 0.1}
    with phase("train"):
        time.sleep(0.21)
    with phase("load"):
        pass
    assert kept_seconds(before) == {"seconds_train": 0.2}
    assert kept_seconds(seconds_of_thread()) == {}
