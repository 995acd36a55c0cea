"""Samples: their frequencies, their labels, and that a seed and a number fix them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from allometry.studies.sparse_parity.spec import ParityRun
from allometry.studies.sparse_parity.task import (
    Task,
    bits,
    draw,
    exact_counts,
    fixed_samples,
    frequencies,
    labels,
    numbered,
    stream,
    subsets,
)

# studies.md 003.1: alpha = 0.4 and 10 tasks.
PRINTED = (0.4695, 0.1779, 0.1009, 0.0674, 0.0493, 0.0382, 0.0308, 0.0255, 0.0217, 0.0187)


def samples_of(spec, n, key=None, force_task=None):
    task = Task.of(spec)
    key = stream(spec.seed, "training") if key is None else key
    return task, draw(key, n, task.masks.shape[1], jnp.asarray(task.thresholds), force_task)


def test_frequencies_are_the_printed_ones():
    np.testing.assert_allclose(frequencies(10, 0.4), PRINTED, atol=5e-5)


def test_an_offset_shifts_the_ranks():
    p = frequencies(3, 1.0, offset=1.0)
    np.testing.assert_allclose(p[0] / p[1], (3 / 2) ** 2)


@pytest.mark.parametrize(("n_tasks", "n"), [(10, 200_000), (100, 400_000)])
def test_tasks_come_as_often_as_they_should(n_tasks, n):
    """By comparison with every threshold, and by bisection where there are many."""
    task, samples = samples_of(ParityRun(seed=3, n_tasks=n_tasks, distinct=True), n)
    counts = np.bincount(samples.tasks, minlength=n_tasks)
    assert stats.chisquare(counts, n * task.frequencies).pvalue > 1e-3
    flat = np.full(n_tasks, n / n_tasks)
    assert stats.chisquare(counts, flat).pvalue < 1e-9, "uniform tasks would pass as well"


def test_bits_are_fair_and_independent_of_each_other_and_of_the_task():
    _, samples = samples_of(ParityRun(seed=1, n_bits=40), 100_000)
    x = np.asarray(bits(samples.words, 40))
    assert set(np.unique(x)) == {0, 1}
    near = 4.5 / np.sqrt(len(x))  # 4.5 standard errors of a correlation; 860 of them are looked at
    assert np.abs(2 * x.mean(axis=0) - 1).max() < near
    assert np.abs(np.corrcoef(x.T) - np.eye(40)).max() < near
    with_task = [np.corrcoef(x[:, j], np.asarray(samples.tasks) == 0)[0, 1] for j in range(40)]
    assert np.abs(with_task).max() < near


@pytest.mark.parametrize("n_bits", [3, 20, 32, 33, 100])
def test_labels_are_the_parities_of_the_tasks_bits(n_bits):
    k = (1, 2, 3, 2, 1)
    task, samples = samples_of(ParityRun(seed=5, n_tasks=5, n_bits=n_bits, k=k), 500)
    x, tasks = np.asarray(bits(samples.words, n_bits)), np.asarray(samples.tasks)
    expected = [x[i, list(task.subsets[t])].sum() % 2 for i, t in enumerate(tasks)]
    np.testing.assert_array_equal(labels(samples, jnp.asarray(task.masks)), expected)
    assert [len(places) for places in task.subsets] == list(k)


def test_force_task():
    spec = ParityRun(seed=0)
    assert set(np.asarray(samples_of(spec, 100, force_task=7)[1].tasks).tolist()) == {7}
    each = jnp.arange(100) % 10
    np.testing.assert_array_equal(samples_of(spec, 100, force_task=each)[1].tasks, each)


def test_a_test_set_has_every_task_in_exact_proportion():
    task = Task.of(ParityRun(seed=0))
    samples = fixed_samples(stream(0, "test"), task, 1_000_000)
    counts = np.bincount(samples.tasks)
    assert counts.tolist() == [int(p * 1_000_000) for p in task.frequencies]
    assert exact_counts(np.array([0.3, 0.6, 0.1]), 10).tolist() == [3, 6, 1]


def test_subsets_are_each_as_likely_and_distinct_where_asked():
    many = subsets(5, (2,) * 20_000, 0, distinct=False)
    _, counts = np.unique(np.array(many), axis=0, return_counts=True)
    assert len(counts) == 10 and stats.chisquare(counts).pvalue > 1e-3
    assert len(set(subsets(5, (2,) * 10, 0, distinct=True))) == 10
    assert len(set(subsets(5, (2,) * 10, 0, distinct=False))) < 10


def test_a_number_is_a_sample():
    task = Task.of(ParityRun(seed=2))
    arguments = (task.masks.shape[1], jnp.asarray(task.thresholds))
    key = stream(2, "training")
    index = jnp.array([5, 123_456_789, 5, 6])
    found = numbered(key, index, *arguments)
    np.testing.assert_array_equal(found.words[0], found.words[2])
    assert not np.array_equal(found.words[0], found.words[3])
    alone = numbered(key, index[1:2], *arguments)
    np.testing.assert_array_equal(alone.words[0], found.words[1])
    counts = np.bincount(numbered(key, jnp.arange(50_000), *arguments).tasks, minlength=10)
    assert stats.chisquare(counts, 50_000 * task.frequencies).pvalue > 1e-3


def test_uses_and_seeds_have_streams_of_their_own():
    keys = [stream(seed, use) for seed in (0, 1) for use in ("training", "evaluation")]
    assert len({tuple(np.asarray(jax.random.key_data(k)).tolist()) for k in keys}) == 4


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (dict(k=(3, 3)), "k must have one value for each of 10 tasks"),
        (dict(k=101), "k must be between 1 and n_bits = 100"),
        (dict(n_bits=4, k=3, distinct=True), "only 4 distinct sets of 3 of 4 bits"),
        (dict(steps=10, measure_every=3), "multiple of measure_every"),
    ],
)
def test_impossible_tasks_are_refused_in_words(fields, words):
    with pytest.raises(ValidationError, match=words):
        ParityRun(seed=0, **fields)
