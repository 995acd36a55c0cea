"""The compiled training program: sampling, update and evaluation in one loop.

A batch is processed in tiles, so that activations stay in the processor's cache between the
matrix product that computes them and those that use them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from allometry.spec.optimizers import Adam
from allometry.studies.sparse_parity import network, task
from allometry.studies.sparse_parity.network import Params
from allometry.studies.sparse_parity.task import Samples

__all__ = ["Arrays", "Points", "Shape", "State", "begin", "stretch", "test_loss"]

# Floats of inputs and activations in one tile. With 100 bits and 200 units, tiles of 4,000 samples
# took 7.1 ms per step, of 20,000 9.5 ms and of 500 11.8 ms (two cores, 2 MiB of L2 cache).
TILE_FLOATS = {"cpu": 1_300_000}
TILE_FLOATS_ELSEWHERE = 64_000_000


@dataclass(frozen=True)
class Shape:
    """The constants of a compiled program; frequencies, the tasks' bits and data are arguments.

    Attributes:
        widths: hidden units of each network of the pack.
        n_bits: number of data bits.
        batch_size: samples per update.
        every: updates per point of the trajectory.
        task_samples: fresh samples of each task per point.
        finite: whether samples are from a finite training set, given by their indices.
        points: length of the arrays that one call fills.
    """

    widths: tuple[int, ...]
    n_bits: int
    batch_size: int
    every: int
    task_samples: int
    finite: bool
    points: int

    @property
    def words(self) -> int:
        """Number of 32-bit words of data bits."""
        return -(-self.n_bits // task.WORD)


class Arrays(NamedTuple):
    """Arguments of the program that stay the same along a run.

    Attributes:
        thresholds, masks: as in `Task`.
        samples: random key of the training samples.
        evaluation: random key of the samples on which the tasks' losses are measured.
        test: the fixed test set.
        learning_rate: scalar.
    """

    thresholds: jax.Array
    masks: jax.Array
    samples: jax.Array
    evaluation: jax.Array
    test: Samples
    learning_rate: jax.Array


class State(NamedTuple):
    """Parameters, Adam's moments, and the number of updates made."""

    params: Params
    adam: Any
    step: jax.Array


class Points(NamedTuple):
    """Losses of K networks at the points of one call.

    Attributes:
        loss: on the last batch, before its update, ``(points, K)``.
        test_loss: on the fixed test set, ``(points, K)``; 0 without a test set.
        task_loss: on fresh samples of each task, ``(points, n_tasks, K)``.
    """

    loss: jax.Array
    test_loss: jax.Array
    task_loss: jax.Array


def begin(params: Params) -> State:
    """The state before the first update."""
    return State(params, _direction().init(params), jnp.zeros((), jnp.int32))


@partial(jax.jit, static_argnames=("shape",), donate_argnames=("state",))
def stretch(
    shape: Shape, state: State, arrays: Arrays, index: jax.Array, n: jax.Array
) -> tuple[State, Points]:
    """Train for n points, each with `shape.every` updates followed by an evaluation.

    Args:
        index: indices of the samples of each update, ``(points, every, batch_size)`` if
            `shape.finite`, otherwise ``(0,)``.
        n: number of points, at most `shape.points`.
    """
    n_tasks, networks = len(arrays.masks), len(shape.widths)

    def point(i: jax.Array, carry: tuple[State, Points]) -> tuple[State, Points]:
        state, points = carry
        loss = jnp.zeros(networks)

        def update(j: jax.Array, carry: tuple[State, jax.Array]) -> tuple[State, jax.Array]:
            samples = _batch(shape, arrays, carry[0].step, index[i, j] if shape.finite else None)
            return _update(shape, carry[0], arrays, samples)

        state, loss = jax.lax.fori_loop(0, shape.every, update, (state, loss))
        by_task = _task_losses(shape, state, arrays)
        test = test_loss(shape.widths, state.params, arrays)
        losses = Points(loss, test, by_task)
        return state, Points(*(a.at[i].set(b) for a, b in zip(points, losses, strict=True)))

    empty = Points(
        jnp.zeros((shape.points, networks)),
        jnp.zeros((shape.points, networks)),
        jnp.zeros((shape.points, n_tasks, networks)),
    )
    end: tuple[State, Points] = jax.lax.fori_loop(0, n, point, (state, empty))
    return end


def _direction() -> optax.GradientTransformation:
    return Adam(learning_rate=1.0).direction()


def _batch(shape: Shape, arrays: Arrays, step: jax.Array, index: jax.Array | None) -> Samples:
    if index is not None:
        return task.numbered(arrays.samples, index, shape.words, arrays.thresholds)
    key = jax.random.fold_in(arrays.samples, step)
    return task.draw(key, shape.batch_size, shape.words, arrays.thresholds)


def _update(
    shape: Shape, state: State, arrays: Arrays, samples: Samples
) -> tuple[State, jax.Array]:
    """The state after one update of Adam, and the batch's loss before it, ``(K,)``."""

    def part(samples: Samples) -> tuple[jax.Array, Params]:
        return network.gradient(state.params, shape.widths, samples, arrays.masks, shape.batch_size)

    loss, slope = _summed(part, samples, _row_floats(shape.widths, state.params))
    step, adam = _direction().update(slope, state.adam, state.params)
    step = jax.tree.map(lambda s: -arrays.learning_rate * s, step)
    return State(optax.apply_updates(state.params, step), adam, state.step + 1), loss


def _task_losses(shape: Shape, state: State, arrays: Arrays) -> jax.Array:
    """Mean loss on fresh samples of each task, ``(n_tasks, K)``."""
    n_tasks = len(arrays.masks)
    n = n_tasks * shape.task_samples
    key = jax.random.fold_in(arrays.evaluation, state.step)
    tasks = jnp.repeat(jnp.arange(n_tasks), shape.task_samples)
    samples = task.draw(key, n, shape.words, arrays.thresholds, tasks)
    losses = _losses(shape.widths, state.params, arrays.masks, samples)
    return losses.reshape(n_tasks, shape.task_samples, -1).mean(axis=1)


def test_loss(widths: tuple[int, ...], params: Params, arrays: Arrays) -> jax.Array:
    """Mean loss on the fixed test set, ``(K,)``."""
    n = len(arrays.test.tasks)
    if n == 0:
        return jnp.zeros(len(widths))
    return _losses(widths, params, arrays.masks, arrays.test).sum(0) / n


def _losses(
    widths: tuple[int, ...], params: Params, masks: jax.Array, samples: Samples
) -> jax.Array:
    """Loss of every sample, ``(n, K)``, computed tile by tile."""

    def part(samples: Samples) -> jax.Array:
        y = task.labels(samples, masks)
        return network.cross_entropy(network.logits(params, widths, samples), y)

    tiled, n = _tiles(samples, _row_floats(widths, params)), len(samples.tasks)
    losses: jax.Array = jax.lax.map(part, tiled).reshape(-1, len(widths))[:n]
    return losses


def _summed(part: Callable[[Samples], Any], samples: Samples, row_floats: int) -> Any:
    """The sum of `part` over the tiles of a batch; tiles are equal in size, without padding."""
    n = len(samples.tasks)
    tiles = next(t for t in range(1, n + 1) if n % t == 0 and n // t * row_floats <= _tile_floats())
    if tiles == 1:
        return part(samples)
    split = jax.tree.map(lambda a: a.reshape(tiles, n // tiles, *a.shape[1:]), samples)
    empty = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(part, samples))
    add = lambda total, tile: (jax.tree.map(jnp.add, total, part(tile)), None)  # noqa: E731
    return jax.lax.scan(add, empty, split)[0]


def _tiles(samples: Samples, row_floats: int) -> Samples:
    """Samples split into tiles ``(tiles, rows, ...)``; the last is padded with zeros."""
    n = len(samples.tasks)
    tiles = -(-n * row_floats // _tile_floats())
    rows = -(-n // tiles)

    def cut(a: jax.Array) -> jax.Array:
        filled = jnp.pad(a, [(0, tiles * rows - n)] + [(0, 0)] * (a.ndim - 1))
        return filled.reshape(tiles, rows, *a.shape[1:])

    tiled: Samples = jax.tree.map(cut, samples)
    return tiled


def _row_floats(widths: tuple[int, ...], params: Params) -> int:
    return sum(widths) + len(params.data)


def _tile_floats() -> int:
    return TILE_FLOATS.get(jax.default_backend(), TILE_FLOATS_ELSEWHERE)
