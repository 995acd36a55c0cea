"""Runs: an independent loop, packs, finite samples, what is kept along training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from allometry.studies.sparse_parity import author, network
from allometry.studies.sparse_parity.procedure import SparseParity, _order, _shape, packs_of, train
from allometry.studies.sparse_parity.spec import ParityRun
from allometry.studies.sparse_parity.task import Task, draw, stream
from allometry.studies.sparse_parity.trajectories import ParityTrajectory

SMALL = ParityRun(
    seed=1, n_tasks=4, n_bits=9, k=2, width=12, batch_size=64, steps=30, learning_rate=3e-3,
    measure_every=5, task_samples=50, test_size=400,
)  # fmt: skip


def variant(**fields):
    return SMALL.model_copy(update=fields)


def quiet(updates):
    pass


def by_hand(spec):
    """Losses before each update, by autodiff and by Adam as its paper writes it."""
    task = Task.of(spec)
    params, masks = network.start([spec]), jnp.asarray(task.masks)
    m = v = jax.tree.map(jnp.zeros_like, params)
    losses = []

    def loss_of(params, samples):
        return network.gradient(params, (spec.width,), samples, masks, spec.batch_size)[0].sum()

    slope = jax.jit(jax.value_and_grad(loss_of))
    for t in range(1, spec.steps + 1):
        key = jax.random.fold_in(stream(spec.seed, "training"), t - 1)
        samples = draw(key, spec.batch_size, masks.shape[1], jnp.asarray(task.thresholds))
        loss, g = slope(params, samples)
        losses.append(float(loss))
        m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, g)
        v = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b**2, v, g)
        step = jax.tree.map(
            lambda a, b, t=t: a / (1 - 0.9**t) / (jnp.sqrt(b / (1 - 0.999**t)) + 1e-8), m, v
        )
        params = jax.tree.map(lambda p, s: p - spec.learning_rate * s, params, step)
    return np.array(losses)


def test_a_run_is_adam_on_fresh_samples():
    spec = variant(measure_every=1, steps=10)
    (course,) = train([spec], quiet)
    np.testing.assert_allclose(course.loss, by_hand(spec), rtol=2e-4)


def test_the_same_run_again_is_the_same_bit_for_bit():
    one, two = (train([SMALL], quiet)[0] for _ in range(2))
    for name in ("loss", "test_loss", "task_loss"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    (other,) = train([variant(seed=2)], quiet)
    assert not np.array_equal(one.loss, other.loss)


def test_runs_that_differ_in_width_share_a_pack_and_nothing_else():
    specs = [variant(width=w, seed=s, alpha=a) for a in (0.2, 0.4) for s in (0, 1) for w in (3, 9)]
    packs = packs_of(specs)
    assert [len(p.specs) for p in packs] == [2, 2, 2, 2]
    assert all(len({(s.seed, s.alpha) for s in p.specs}) == 1 for p in packs)
    together = train([variant(width=w) for w in (3, 12, 7)], quiet)
    (alone,) = train([SMALL], quiet)
    np.testing.assert_allclose(together[1].loss, alone.loss, rtol=1e-4)
    np.testing.assert_allclose(together[1].task_loss, alone.task_loss, rtol=1e-3, atol=1e-5)


def test_points_do_not_hang_on_how_often_one_looks():
    """Evaluation draws from a stream of its own: it changes nothing of the training."""
    often, seldom = (train([variant(measure_every=n)], quiet)[0] for n in (1, 15))
    assert often.step.tolist() == list(range(1, 31)) and seldom.step.tolist() == [15, 30]
    np.testing.assert_allclose(often.loss[[14, 29]], seldom.loss, rtol=1e-5)
    np.testing.assert_allclose(often.test_loss[[14, 29]], seldom.test_loss, rtol=1e-5)


@pytest.mark.parametrize("n_samples", [10, 64, 150])
def test_a_finite_sample_is_gone_through_in_a_new_order_each_pass(n_samples):
    """Also where a batch is more than the sample, or no part of it."""
    spec = variant(n_samples=n_samples)
    order = _order(spec, _shape([spec]))
    line = np.concatenate([np.ravel(next(order)) for _ in range(3)])
    passes = line[: len(line) // n_samples * n_samples].reshape(-1, n_samples)
    assert (np.sort(passes, axis=1) == np.arange(n_samples)).all()
    assert not np.array_equal(passes[0], passes[1])


def test_few_samples_are_memorised_and_many_are_not():
    few, many = (
        train([variant(n_samples=n, steps=600, learning_rate=1e-2, width=100)], quiet)[0]
        for n in (40, 0)
    )
    assert few.loss[-1] < 0.05 and few.test_loss[-1] > 1.0
    assert many.test_loss[-1] < 0.3


def test_what_a_run_hands_over():
    told = []
    measures = {"last": lambda course: {"last": float(course.loss[-1])}}
    (pack,) = packs_of([variant(width=3), SMALL])
    results = SparseParity().run(pack, measures, {}, told.append)
    assert sum(told) == 2 * 30 == 2 * SparseParity().updates(SMALL)
    for result, width in zip(results, (3, 12), strict=True):
        along = result.trajectories
        assert (result.status, result.row["width"]) == ("done", width)
        assert result.row["n_params"] == width * (4 + 9 + 2) + 1
        assert set(type(SMALL).model_fields) - {"seed", "measures"} <= set(result.row)
        assert {n: (a.dtype.name, a.shape) for n, a in along.items()} == {
            "step": ("int32", (6,)),
            "loss": ("float32", (6,)),
            "test_loss": ("float32", (6,)),
            "task_loss": ("float16", (6, 4)),
        }
        assert result.row["last"] == along["loss"][-1]


def test_a_run_that_diverges_says_so():
    (pack,) = packs_of([variant(learning_rate=1e30)])
    (result,) = SparseParity().run(
        pack, {"last": lambda course: {"last": float(course.loss[-1])}}, {}, quiet
    )
    assert result.status == "diverged" and np.isnan(result.row["last"])


def test_the_test_loss_is_the_tasks_losses_by_their_frequency():
    """On a fixed set of exact proportions, or as the weighted sum."""
    (fixed,) = train([variant(test_size=200_000, task_samples=20_000, steps=5)], quiet)
    weighted = fixed.task_loss @ fixed.tasks.frequencies
    np.testing.assert_allclose(fixed.test_loss, weighted, atol=2e-3)
    (without,) = train([variant(test_size=0, steps=5)], quiet)
    np.testing.assert_allclose(
        without.test_loss, without.task_loss @ without.tasks.frequencies, rtol=1e-5
    )


# ---- the notebook's own sizes ----------------------------------------------------------------


def test_the_notebooks_plateau():
    """Two percent of the run: the loss leaves .693 to .700 not yet (epoch 0 to about 8)."""
    (course,) = train([ParityRun(seed=0, steps=40)], quiet)
    assert course.task_loss.shape == (40, 10)
    low, high = author.PLATEAU
    assert low <= course.loss[:5].mean() <= high
    assert (np.abs(course.loss - 0.6945) < 0.004).all()
    assert np.abs(course.task_loss.mean(axis=0) - np.log(2)).max() < 0.005


@pytest.mark.slow
def test_the_whole_curve_is_the_authors_as_nearly_as_seeds_agree():
    """Five seeds of 2,500 updates. On the plateau, around the first drop and at the end their mean
    is within the stated tolerances. The 4% between is less than seeds differ by (6 to 10%), so that
    the mean misses it at some epochs; the author's whole run lies where one more is expected."""
    found = []
    for seed in range(5):
        (c,) = train([ParityRun(seed=seed)], quiet)
        p = c.tasks.frequencies
        found.append(ParityTrajectory({}, c.step, c.loss, c.test_loss, c.task_loss, p))
    epoch = author.PRINTED[:, 0]
    near = np.abs(author.deviation(found)) <= author.tolerance(epoch)
    assert near[(epoch < 114) | (epoch > 450)].all()
    band = author.Band.of(author.printed_losses(found))
    assert (np.abs(band.middle - np.log(author.PRINTED[:, 1])) <= band.reach).all()
