"""Gradient descent as compiled programs: many updates a call, and losses over whole sets.

`update` makes the updates of a call in one of two ways. Batches of a pack are taken whole, all
members side by side. A network that trains alone takes a batch in chunks whose activations fit
the cache, and adds up their gradients.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from allometry.datasets.batches import Batches, Chunks
from allometry.datasets.splits import Split
from allometry.datasets.task import Task
from allometry.spec.optimizers import Optimizer
from allometry.training.packing.layouts import Layout

__all__ = ["Descent", "Resident", "State", "means", "resident", "update"]

EVALUATION_BATCH = 1000


class State(NamedTuple):
    """What an update changes."""

    params: Any
    optimizer: Any


class Resident(NamedTuple):
    """Examples as rows of an array on the device, from row `first` on."""

    array: jax.Array
    first: int


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["learning_rates", "x", "y"],
    meta_fields=["layout", "optimizer", "task", "precision"],
)
@dataclass(frozen=True)
class Descent:
    """What the compiled programs of a pack are given besides the state.

    Attributes:
        layout, optimizer, task, precision: known when compiling. The optimizer's own rate is 1.
        learning_rates: of each member, ``(K,)``: packs that differ in them share a program.
        x, y: training examples and targets.
    """

    layout: Layout
    optimizer: Optimizer
    task: Task
    precision: str
    learning_rates: jax.Array
    x: Resident
    y: Resident


def _cast(arrays: Any) -> Any:
    """Arrays rounded to bfloat16; their gradient comes back in their own type."""
    return jax.tree.map(partial(jnp.asarray, dtype=jnp.bfloat16), arrays)


# ---- updates ---------------------------------------------------------------------------------


def update(
    descent: Descent, state: State, batches: Batches | Chunks, key: jax.Array | None
) -> tuple[State, jax.Array]:
    """The updates of one call, and which members are finite after them, ``(K,)``.

    Args:
        state: given away; it must not be used again.
        key: of the draws of a network that trains alone with dropout.
    """
    state_and_finite: tuple[State, jax.Array] = (
        update_chunks(descent, state, batches, key)
        if isinstance(batches, Chunks)
        else update_batches(descent, state, batches)
    )
    return state_and_finite


@partial(jax.jit, donate_argnames=("state",))
def update_batches(descent: Descent, state: State, batches: Batches) -> tuple[State, jax.Array]:
    """The first `batches.n` updates, each of one whole batch."""
    step = _step(descent)
    x, y = descent.x.array, descent.y.array

    def total_loss(params: Any, x: jax.Array, y: jax.Array, weight: jax.Array) -> jax.Array:
        # A sum over members: the gradient of each is its own.
        each = descent.task.loss(_outputs(descent.layout.apply, descent, params, x), y)
        return (each * weight).sum() / weight.sum()

    def one_update(i: jax.Array, state: State) -> State:
        # Gathered once for all members, a batch at a time: it is in the cache when it is used.
        rows = batches.rows[i]
        gradient = jax.grad(total_loss)(state.params, x[rows], y[rows], batches.weight[i])
        return step(state, gradient)

    state = jax.lax.fori_loop(0, batches.n, one_update, state)
    return state, descent.layout.finite(state.params)


@partial(jax.jit, donate_argnames=("state",))
def update_chunks(
    descent: Descent, state: State, chunks: Chunks, key: jax.Array
) -> tuple[State, jax.Array]:
    """The updates of all the batches in `chunks`; each chunk has draws of its own."""
    step, (x, first_x), (y, first_y) = _step(descent), descent.x, descent.y

    def total_loss(params: Any, rows: jax.Array, weight: jax.Array, key: jax.Array) -> jax.Array:
        apply = partial(descent.layout.apply_training, key=key)
        outputs = _outputs(apply, descent, params, x[first_x + rows])
        return (descent.task.loss(outputs, y[first_y + rows]) * weight).sum()

    def chunk(i: jax.Array, carried: tuple[State, Any]) -> tuple[State, Any]:
        state, before = carried
        chunk_key = jax.random.fold_in(key, i)
        here = jax.grad(total_loss)(state.params, chunks.rows[i], chunks.weight[i], chunk_key)
        gradient = jax.tree.map(jnp.add, before, here)

        def end_of_batch() -> tuple[State, Any]:
            return step(state, gradient), jax.tree.map(jnp.zeros_like, gradient)

        after: tuple[State, Any] = jax.lax.cond(
            chunks.last[i], end_of_batch, lambda: (state, gradient)
        )
        return after

    zeros = jax.tree.map(jnp.zeros_like, state.params)
    state, _ = jax.lax.fori_loop(0, chunks.n, chunk, (state, zeros))
    return state, descent.layout.finite(state.params)


def _outputs(
    apply: Callable[[Any, jax.Array], jax.Array], descent: Descent, params: Any, x: jax.Array
) -> jax.Array:
    """Outputs of the members, ``(K, B, n_out)``, computed in the precision of the pack."""
    if descent.precision != "bfloat16":
        return apply(params, x)
    examples = x if descent.layout.symbols else _cast(x)
    return apply(_cast(params), examples).astype(jnp.float32)


def _step(descent: Descent) -> Callable[[State, Any], State]:
    """From state and gradient to the next state; each member at its own learning rate."""
    direction = descent.optimizer.direction()
    scale = descent.layout.per_member(-descent.learning_rates)

    def step(state: State, gradient: Any) -> State:
        move, optimizer_state = direction.update(gradient, state.optimizer, state.params)
        move = jax.tree.map(lambda d, s: d * s, move, scale)
        return State(optax.apply_updates(state.params, move), optimizer_state)

    return step


# ---- losses over whole sets ------------------------------------------------------------------


def means(descent: Descent, params: Any, split: Split) -> dict[str, NDArray[Any]]:
    """``train_`` and ``test_`` loss and metrics, means over all examples, ``(K,)`` float64 each."""
    layout, task = descent.layout, descent.task
    sets = {"train": (split.train_x, split.train_y), "test": (split.test_x, split.test_y)}
    sums = {part: _all_sums(layout, task, params, x, y) for part, (x, y) in sets.items()}
    return {
        # The task's order: a compiled program gives names back in alphabetical order.
        f"{part}_{name}": sums[part][name] / len(sets[part][0])
        for name in ("loss", *(name for name, _ in task.metrics))
        for part in sets
    }


def _all_sums(layout: Layout, task: Task, params: Any, x: Any, y: Any) -> dict[str, NDArray[Any]]:
    """Loss and metrics summed over all examples, ``(K,)`` float64 each."""
    n = len(x)
    if layout.chunk:
        # The arrays of the device as they are: one compilation for all numbers of examples.
        examples, targets = resident(x), resident(y)
        ends = jnp.array([examples.first, targets.first, n])
        sums = _sums_from(layout, task, params, examples.array, targets.array, ends)
        return {name: np.asarray(value, np.float64) for name, value in sums.items()}
    totals: dict[str, NDArray[Any]] = {}
    size = min(EVALUATION_BATCH, n)
    for first in range(0, n, size):
        rows = np.arange(first, first + size)
        inside = (rows < n).astype(np.float32)
        rows = np.minimum(rows, n - 1)
        for name, value in _sums(layout, task, params, x[rows], y[rows], inside).items():
            totals[name] = totals.get(name, np.zeros(())) + np.asarray(value, np.float64)
    return totals


@partial(jax.jit, static_argnames=("layout", "task"))
def _sums_from(
    layout: Layout, task: Task, params: Any, x: jax.Array, y: jax.Array, ends: jax.Array
) -> dict[str, jax.Array]:
    """Loss and metrics summed over some examples, ``(K,)`` each, chunk by chunk.

    Args:
        ends: first row of x, first row of y, number of examples.
    """
    first_x, first_y, n = ends
    places = jnp.arange(layout.chunk)

    def add(i: jax.Array, sums: dict[str, jax.Array]) -> dict[str, jax.Array]:
        rows = i * layout.chunk + places
        weight = (rows < n).astype(jnp.float32)
        rows = jnp.minimum(rows, n - 1)
        here = _sums(layout, task, params, x[first_x + rows], y[first_y + rows], weight)
        return {name: sums[name] + here[name] for name in sums}

    zeros = dict.fromkeys(("loss", *(name for name, _ in task.metrics)), jnp.zeros(1))
    chunks = (n + layout.chunk - 1) // layout.chunk
    sums: dict[str, jax.Array] = jax.lax.fori_loop(0, chunks, add, zeros)
    return sums


@partial(jax.jit, static_argnames=("layout", "task"))
def _sums(
    layout: Layout, task: Task, params: Any, x: jax.Array, y: jax.Array, weight: jax.Array
) -> dict[str, jax.Array]:
    """Loss and metrics summed over a batch, ``(K,)`` each."""
    each = task.evaluate(layout.apply(params, x), y)
    return {name: (values * weight).sum(axis=-1) for name, values in each.items()}


# ---- examples on the device ------------------------------------------------------------------


def resident(x: NDArray[Any]) -> Resident:
    """Where on the device the examples x lie, ``(n, ...)``.

    What is cut out of a read-only array, whole rows of it one after another, shares that
    array's one copy; anything else is copied by itself.
    """
    owner = x.base
    if not isinstance(owner, np.ndarray) or owner.flags.writeable or not len(x):
        return Resident(jnp.asarray(x), 0)
    first, apart = divmod(x.ctypes.data - owner.ctypes.data, x[0].nbytes)
    whole_rows = (
        x.flags.c_contiguous
        and owner.flags.c_contiguous
        and (x.dtype, x[0].size) == (owner.dtype, owner[0].size)
        and apart == 0
    )
    if not whole_rows:
        return Resident(jnp.asarray(x), 0)
    return Resident(_on_device(_Same(owner), x.shape[1:]), first)


class _Same:
    """An array that equals itself alone, so that a cache can hold it."""

    def __init__(self, array: NDArray[Any]):
        self.array = array

    def __hash__(self) -> int:
        return id(self.array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.array is self.array


@lru_cache(maxsize=8)  # images and labels of a few sets
def _on_device(same: _Same, example: tuple[int, ...]) -> jax.Array:
    return jnp.asarray(same.array.reshape(-1, *example))
