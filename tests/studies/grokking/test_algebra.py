"""What a training set allows: against the notebook's own numbers, and by another way."""

from itertools import combinations

import numpy as np
import pytest

from allometry.errors import UsageError
from allometry.studies.grokking.algebra import (
    coefficients,
    counts_unique,
    ideal,
    joined,
    nullity,
    predicted_accuracy,
    residuals,
    set_hessians,
)
from allometry.studies.grokking.spec import ToyModel
from allometry.studies.grokking.start import draw_start
from allometry.studies.grokking.task import addition_task, permutation_task
from allometry.studies.grokking.theory import EffectiveTheory

TASK = addition_task(10)
SEED_4 = draw_start(ToyModel(seed=4)).train
# Successes among 10,000 random training sets, effective_linear_eq.ipynb.
PRINTED = {
    10: 0, 14: 1, 15: 7, 16: 51, 17: 144, 18: 373, 19: 860, 20: 1754, 21: 2863, 22: 4270, 23: 5795,
    24: 7085, 25: 8027, 26: 8666, 27: 9187, 28: 9488, 29: 9654, 30: 9814, 31: 9881, 32: 9919,
    33: 9945, 34: 9980, 35: 9983, 36: 9991, 37: 9998, 38: 9994, 39: 9997, 40: 10000, 45: 10000,
}  # fmt: skip


def test_ten_numbers_have_55_questions_and_70_parallelograms():
    assert TASK.pairs.shape == (55, 2)
    assert TASK.parallelograms.shape == (70, 2)
    assert TASK.n_answers == 19
    np.testing.assert_array_equal(TASK.corners[:, :2].sum(1), TASK.corners[:, 2:].sum(1))


def test_modulo_changes_answers_and_not_parallelograms():
    modulo = addition_task(10, True)
    assert modulo.n_answers == 10
    np.testing.assert_array_equal(modulo.answer, TASK.answer % 10)
    np.testing.assert_array_equal(modulo.parallelograms, TASK.parallelograms)


def test_permutations_compose_as_the_published_notebook_does():
    """Its own example: (0, 2, 1) then (2, 1, 0) is (2, 0, 1)."""
    task = permutation_task(3)
    order = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    question = task.pairs.tolist().index([order.index((0, 2, 1)), order.index((2, 1, 0))])
    assert order[task.answer[question]] == (2, 0, 1)
    assert len(task.parallelograms) == 90  # six answers, six questions each
    table = task.answer.reshape(6, 6)
    assert all(sorted(row) == list(range(6)) for row in (*table, *table.T)), "not a group"


def test_numbers_below_two_are_refused():
    with pytest.raises(UsageError, match="p of 2"):
        addition_task(1)


def test_the_training_set_of_seed_4_is_the_notebooks():
    mask = TASK.train_mask(SEED_4)
    test = [tuple(pair) for pair in TASK.pairs[~mask].tolist()]
    assert test == [
        (0, 1), (0, 5), (0, 8), (0, 9), (2, 6), (3, 6), (4, 9), (5, 5), (6, 6), (6, 7),
    ]  # fmt: skip
    best = ideal(TASK, SEED_4)
    assert best.given.sum() == 44
    assert best.forced.sum() == 70
    assert best.nullity == 2
    assert best.test_accuracy == pytest.approx(0.9)  # no other question has the answer of (0, 1)
    rows = coefficients(TASK)[best.given]
    np.testing.assert_allclose(
        np.linalg.eigvalsh(rows.T @ rows),
        [0, 0, 10.29, 15.42, 18.70, 22.33, 30.10, 32.35, 32.61, 36.19],
        atol=5e-3,
    )


def test_seed_5_allows_all():
    best = ideal(TASK, draw_start(ToyModel(seed=5)).train)
    assert best.given.sum() == 40
    assert best.test_accuracy == 1


@pytest.mark.parametrize("seed", range(4))
def test_forced_parallelograms_are_those_that_leave_the_rank(seed):
    """The published way: append one row at a time and count zero eigenvalues."""
    train = np.random.RandomState(seed).choice(55, 20, replace=False)
    best, rows = ideal(TASK, train), coefficients(TASK)
    for k in range(len(rows)):
        more = np.vstack([rows[best.given], rows[k : k + 1]])
        assert best.forced[k] == (nullity(more) == best.nullity)


def test_closure_joins_by_one_parallelogram():
    mask = TASK.train_mask(SEED_4)
    closed = np.ones(70, dtype=bool)
    answers = set(TASK.answer[mask].tolist())
    by_hand = mask | np.isin(TASK.answer, list(answers))
    np.testing.assert_array_equal(joined(TASK, mask, closed), by_hand)
    assert predicted_accuracy(TASK, SEED_4, ~closed) == (0.0, 45 / 55)


def test_a_line_closes_everything_and_random_numbers_do_not():
    line = np.arange(10.0)[:, None]
    assert residuals(TASK, 3 - 0.2 * line).max() < 1e-20
    assert (residuals(TASK, np.random.default_rng(0).normal(size=(10, 1))) < 0.01).mean() < 0.3


def test_hessians_of_many_sets_are_those_of_each():
    masks = np.random.default_rng(0).random((5, 55)) < 0.5
    rows = coefficients(TASK)
    for mask, gram in zip(masks, set_hessians(TASK, masks), strict=True):
        mine = rows[[mask[a] and mask[b] for a, b in TASK.parallelograms]]
        np.testing.assert_allclose(gram, mine.T @ mine)


@pytest.mark.parametrize("n_train", sorted(PRINTED))
def test_random_training_sets_as_counted_by_the_authors(n_train):
    """10,000 sets of each size, within 1.5 points."""
    assert abs(counts_unique(n_train, 10_000, seed=n_train) - PRINTED[n_train]) <= 150


# ---- effective theory -----------------------------------------------------------------------


def test_a_line_has_no_energy_and_is_where_the_theory_ends():
    theory = EffectiveTheory.of(TASK, SEED_4)
    line = np.arange(10.0) - 4.5
    assert theory.energy(line) == pytest.approx(0, abs=1e-12)
    start = np.random.default_rng(1).normal(size=10)
    end = EffectiveTheory.published(TASK).integrate(start, 1e-2, 5_000)[-1]
    assert np.abs(np.diff(end) - np.diff(end).mean()).max() < 1e-3 * abs(np.diff(end).mean())


def test_the_hessian_is_the_curvature_of_the_energy():
    """H at fixed Z_0 against second differences of l_0."""
    theory, here = EffectiveTheory.of(TASK, SEED_4), np.random.default_rng(2).normal(size=10)
    z0, step = here @ here, 1e-3

    def l0(latent):
        return theory.energy(latent) * (latent @ latent)

    measured = np.empty((10, 10))
    unit = np.eye(10) * step
    for i in range(10):
        for j in range(10):
            corners = [
                s * t * l0(here + s * unit[i] + t * unit[j]) for s in (1, -1) for t in (1, -1)
            ]
            measured[i, j] = sum(corners) / (4 * step**2)
    np.testing.assert_allclose(theory.hessian(here), measured / z0, atol=1e-5)


def test_the_rate_is_zero_exactly_where_other_representations_fit():
    rng = np.random.default_rng(3)
    seen = set()
    for n in (12, 20, 24, 30, 45):
        train = rng.choice(55, n, replace=False)
        theory, free = EffectiveTheory.of(TASK, train), ideal(TASK, train).nullity > 2
        assert (theory.rate(np.arange(10.0)) == 0) == free
        assert np.isinf(theory.steps(np.arange(10.0), 1e-3)) == free
        seen.add(free)
    assert seen == {True, False}


def test_gaps_fall_at_the_rate_of_lambda_3():
    """After a while only the slowest mode is left: its square falls by exp(-2 lambda_3 eta)."""
    theory = EffectiveTheory.of(TASK, SEED_4)
    start = np.arange(10.0) - 4.5 + 0.05 * np.random.default_rng(4).normal(size=10)
    eta = 0.1
    energy = theory.energy(theory.integrate(start, eta, 15_001)[[10_000, 15_000]])
    measured = -np.log(energy[1] / energy[0]) / (2 * eta * 5_000)
    assert measured == pytest.approx(theory.rate(start), rel=0.02)


def test_parallelograms_of_six_numbers_by_counting():
    """P0 of any p: pairs of different questions with one sum."""
    task = addition_task(6)
    sums = [i + j for i, j in task.pairs.tolist()]
    assert len(task.parallelograms) == sum(a == b for a, b in combinations(sums, 2))
