"""Approach 1: an envelope whose truth is known, and what it refuses."""

import time

import numpy as np
import pytest

from allometry.errors import DataError
from allometry.plan.approaches.envelope import envelope
from allometry.plan.runs import Runs

# A law of alpha = beta, so that N* = (C/6)^(1/2) sqrt(A/B)^(1/alpha): an exponent known exactly.
E, A, B, ALPHA = 1.7, 400.0, 400.0, 0.3
SIZES = np.geomspace(1e6, 1e9, 25)


def trained(sizes=SIZES, checkpoints=40, sd=0.0, seed=0, tokens=(0.05, 20.0)):
    """Runs of each size with checkpoints from 0.05 to 20 tokens a parameter."""
    n = np.repeat(sizes, checkpoints)
    d = n * np.tile(np.geomspace(*tokens, checkpoints), len(sizes))
    noise = np.exp(sd * np.random.default_rng(seed).standard_normal(len(n)))
    loss = (E + A * n**-ALPHA + B * d**-ALPHA) * noise
    labels = np.array([f"run {i}" for i in range(len(sizes))], object)
    return Runs(n, d, 6 * n * d, loss, np.repeat(labels, checkpoints), np.arange(len(n)))


def test_the_envelope_of_exact_curves_gives_the_law_s_optimum():
    """Every N on the envelope is within half a step of the true best size, and so is the line.

    Which of two sizes is the better changes where their losses are equal, near the geometric
    mean of their best computes.
    """
    made = envelope(trained(), 1e20)
    step = np.log(SIZES[1] / SIZES[0])
    truth = np.sqrt(made.points["compute"] / 6)  # A = B
    assert np.abs(np.log(made.points["n"] / truth)).max() < 0.55 * step
    assert made.exponent_n.value == pytest.approx(0.5, abs=0.01)
    assert made.exponent_n.value + made.exponent_d.value == pytest.approx(1, abs=1e-3)
    assert made.n_opt.value == pytest.approx(np.sqrt(1e20 / 6), rel=0.1)
    tokens = made.points["compute"] / (6 * made.points["n"])
    assert made.points["d"] == pytest.approx(tokens, rel=1e-3)


def test_intervals_come_from_whole_runs():
    made = envelope(trained(sd=0.001), 1e20)
    assert made.n_opt.low < made.n_opt.value < made.n_opt.high
    assert made.exponent_n.low < 0.5 < made.exponent_n.high
    assert len(made.draws) == 1000
    again = envelope(trained(sd=0.001), 1e20)
    assert np.array_equal(made.draws, again.draws)


def test_a_bend_of_the_best_size_at_the_ends_of_the_sizes_is_left_out():
    made = envelope(trained(), 1e20)
    assert made.points["n"].min() > SIZES[0]
    assert made.points["n"].max() < SIZES[-1]


def test_checkpoints_before_the_end_of_a_schedule_mislead():
    """The known limit: where losses fall late in a schedule, sizes near their end look better.

    The envelope then asks for smaller N, and its interval does not hold the truth.
    """
    runs = trained(sd=0.001)
    early = 0.2 * (1 - runs.d / (20 * runs.n))
    late = Runs(runs.n, runs.d, runs.compute, runs.loss + early, runs.run, runs.rows)
    truth = np.sqrt(1e20 / 6)
    assert envelope(late, 1e20).n_opt.high < truth
    assert envelope(runs, 1e20).n_opt.high > truth


def test_what_cannot_be_used_is_refused_in_words():
    runs = trained()
    last = runs.take(np.arange(39, len(runs), 40))
    with pytest.raises(DataError, match="no run has several rows"):
        envelope(last, 1e20)
    with pytest.raises(DataError, match=r"3 sizes .* got 2"):
        envelope(trained(sizes=SIZES[:2]), 1e20)
    three = trained(sizes=np.array([1e7, 2e7, 4e7]))
    beaten = np.where(three.n == 2e7, 10.0, three.loss)
    middle = Runs(three.n, three.d, three.compute, beaten, three.run, three.rows)
    with pytest.raises(DataError, match="the smallest or the largest"):
        envelope(middle, 1e20)


def test_rows_of_equal_compute_and_single_rows_do_no_harm():
    runs = trained()
    twice = runs.take(np.concatenate([np.arange(len(runs)), [5, 5]]))
    lone = Runs(
        *(np.append(getattr(twice, name), getattr(twice, name)[-1])
          for name in ("n", "d", "compute", "loss")),
        np.append(twice.run, "alone"), np.append(twice.rows, 0),
    )  # fmt: skip
    made = envelope(lone, 1e20)
    assert made.n_opt.value == pytest.approx(envelope(runs, 1e20).n_opt.value)
    assert "1 runs of a single row" in made.notes[0]


def test_rows_whose_compute_is_the_same_but_for_rounding_do_no_harm():
    runs = trained()
    again = runs.take(np.array([5]))
    nearly = Runs(
        again.n, again.d, np.nextafter(again.compute, 0), again.loss, again.run, again.rows
    )
    columns = (np.append(getattr(runs, name), getattr(nearly, name))
               for name in ("n", "d", "compute", "loss", "run", "rows"))  # fmt: skip
    made = envelope(Runs(*columns), 1e20)
    assert made.n_opt.value == pytest.approx(envelope(runs, 1e20).n_opt.value)


def test_a_thousand_resamples_are_quick():
    start = time.process_time()
    envelope(trained(sd=0.001), 1e20)
    assert time.process_time() - start < 1.5
