"""Gradient descent as compiled programs: many updates a call.

`update` makes the updates of a call in one of two ways. Batches of a pack are taken whole, all
members side by side. A network that trains alone takes a batch in chunks whose activations fit
the cache, and adds up their gradients.

A loss or an update rule of one's own sees one network and is mapped over the members. Only the
shipped rules, which treat each number by itself, work on the packed arrays as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jax.stages import Wrapped

from allometry.datasets.batches import Batches, Chunks
from allometry.spec.losses import Loss
from allometry.spec.metrics import Metric
from allometry.spec.optimizers import AdamW, Elementwise, Lion, Optimizer, is_elementwise, moved
from allometry.training.dividing import divided, on_all, summed
from allometry.training.examples import Resident
from allometry.training.packing.layout import Layout

__all__ = ["Descent", "State", "begin_optimizer", "compiled", "losses_of", "update"]


class State(NamedTuple):
    """What an update changes."""

    params: Any
    optimizer: Any


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["learning_rates", "rate_factors", "scalars", "clip_norms", "keys", "x", "y"],
    meta_fields=["layout", "optimizer", "matrices", "loss", "metrics", "precision", "mesh"],
)
@dataclass(frozen=True)
class Descent:
    """What the compiled programs of a pack are given besides the state.

    Attributes:
        layout, optimizer, loss, metrics, precision: known when compiling. The optimizer's own
            rate is 1, and of the scalars in which members differ it has any member's.
        matrices: names of the parameters of two axes or more, the ones that ``decays="weights"``
            means.
        learning_rates: of each member, ``(K,)``: packs that differ in them share a program.
        rate_factors: on these by name of the parameter, ``(K,)`` each; None where all are 1.
        scalars: of the optimizer, by name, in which members differ, ``(K,)`` each.
        clip_norms: longest gradient of each member, ``(K,)``; None for no limit.
        keys: of the members' draws, ``(K,)``; None where nothing is drawn.
        x, y: training examples and targets.
        mesh: the devices that share in a batch; None for one.
    """

    layout: Layout
    optimizer: Optimizer
    matrices: tuple[str, ...]
    loss: Loss
    metrics: tuple[Metric, ...]
    precision: str
    learning_rates: jax.Array
    rate_factors: Mapping[str, jax.Array] | None
    scalars: Mapping[str, jax.Array]
    clip_norms: jax.Array | None
    keys: jax.Array | None
    x: Resident
    y: Resident
    mesh: Mesh | None = None


def begin_optimizer(layout: Layout, optimizer: Optimizer, params: Any) -> Any:
    """What the update rule keeps, before the first update."""
    begin = optimizer.direction().init
    return begin(params) if is_elementwise(optimizer) else layout.each(begin, params)


def update(descent: Descent, state: State, batches: Batches | Chunks) -> tuple[State, jax.Array]:
    """The updates of one call, and which members are finite after them, ``(K,)``.

    Args:
        state: given away; it must not be used again.
    """
    if descent.mesh is not None:
        state = on_all(descent.mesh, state)  # from a checkpoint it is on one device
    state_and_finite: tuple[State, jax.Array] = compiled(batches)(descent, state, batches)
    return state_and_finite


def compiled(batches: Batches | Chunks) -> Wrapped:
    """The compiled function that makes the updates of a call with such batches."""
    return update_chunks if isinstance(batches, Chunks) else update_batches


@partial(jax.jit, donate_argnames=("state",))
def update_batches(descent: Descent, state: State, batches: Batches) -> tuple[State, jax.Array]:
    """The first `batches.n` updates, each of one whole batch."""
    step = _step(descent, scheduled=batches.factors is not None)
    x, y = descent.x.array, descent.y.array

    def total_loss(params: Any, rows: Any, weight: jax.Array, keys: Any) -> jax.Array:
        outputs = _outputs(descent, params, x[rows], keys)
        each = losses_of(descent.loss.each, descent.layout, outputs, y[rows])
        # A sum over members: the gradient of each is its own.
        return ((each * weight).sum(axis=-1) / jnp.maximum(weight.sum(axis=-1), 1)).sum()

    def one_update(i: jax.Array, state: State) -> State:
        keys = _keys(descent, batches.first + i)
        # Gathered once for all members, a batch at a time: it is in the cache when it is used.
        gradient = jax.grad(total_loss)(state.params, batches.rows[i], batches.weight[i], keys)
        return step(state, gradient, None if batches.factors is None else batches.factors[i])

    state = jax.lax.fori_loop(0, batches.n, one_update, state)
    return state, descent.layout.finite(state.params)


@partial(jax.jit, donate_argnames=("state",))
def update_chunks(descent: Descent, state: State, chunks: Chunks) -> tuple[State, jax.Array]:
    """The updates of all the batches in `chunks`; each chunk has draws of its own."""
    mesh = descent.mesh
    dealt = chunks.rows, chunks.weight
    rest = chunks.starts, chunks.factors, chunks.n, chunks.first
    state = divided(_chunk_updates, mesh, None, None, 0, None)(descent, state, dealt, rest)
    return state, descent.layout.finite(state.params)


def _chunk_updates(descent: Descent, state: State, examples: Any, rest: Any) -> State:
    """The updates, of which a device computes its share of each gradient.

    Args:
        examples: `Chunks.rows` and `weight` of this device, ``(1, chunks, size)``.
        rest: the other fields of `Chunks`.
    """
    (x, first_x), (y, first_y) = descent.x, descent.y
    (rows, weight), (starts, factors, n, first) = examples, rest
    step = _step(descent, scheduled=factors is not None)

    def total_loss(params: Any, chunk: jax.Array, keys: Any) -> jax.Array:
        outputs = _outputs(descent, params, x[first_x + rows[0, chunk]], keys)
        each = losses_of(descent.loss.each, descent.layout, outputs, y[first_y + rows[0, chunk]])
        loss: jax.Array = (each * weight[0, chunk]).sum()
        return loss

    def one_update(i: jax.Array, state: State) -> State:
        keys = _keys(descent, first + i)

        def add(chunk: jax.Array, before: Any) -> Any:
            of_chunk = None if keys is None else _folded(keys, chunk - starts[i])
            gradient = jax.grad(total_loss)(state.params, chunk, of_chunk)
            return jax.tree.map(jnp.add, before, gradient)

        zeros = jax.tree.map(jnp.zeros_like, state.params)
        of_device = jax.lax.fori_loop(starts[i], starts[i + 1], add, zeros)
        gradient = summed(descent.mesh, of_device)
        return step(state, gradient, None if factors is None else factors[i])

    updated: State = jax.lax.fori_loop(0, n, one_update, state)
    return updated


def losses_of(
    each: Callable[[jax.Array, jax.Array], jax.Array],
    layout: Layout,
    outputs: jax.Array,
    targets: jax.Array,
) -> jax.Array:
    """A number of each example ``(K, B)``, by a function of one network mapped over members."""
    return jax.vmap(each, in_axes=(0, 0 if layout.own_batches else None))(outputs, targets)


def _keys(descent: Descent, step: jax.Array | int) -> jax.Array | None:
    """Of the members' draws at an update, the same whatever pack a member trains in."""
    return None if descent.keys is None else _folded(descent.keys, step)


def _folded(keys: jax.Array, number: jax.Array | int) -> jax.Array:
    return jax.vmap(jax.random.fold_in, (0, None))(keys, number)


def _outputs(descent: Descent, params: Any, x: jax.Array, keys: Any) -> jax.Array:
    """Outputs of the members, ``(K, B, n_out)``, computed in the precision of the pack."""
    if descent.precision != "bfloat16":
        return descent.layout.apply(params, x, keys)
    examples = x if descent.layout.symbols else _cast(x)
    return descent.layout.apply(_cast(params), examples, keys).astype(jnp.float32)


def _cast(arrays: Any) -> Any:
    """Arrays rounded to bfloat16; their gradient comes back in their own type."""
    return jax.tree.map(partial(jnp.asarray, dtype=jnp.bfloat16), arrays)


# ---- the update rule -------------------------------------------------------------------------


def _step(descent: Descent, *, scheduled: bool) -> Callable[[State, Any, jax.Array | None], State]:
    """From state, gradient and factors on the learning rates ``(K,)`` to the next state."""
    direction = _direction(descent)
    scale = None if scheduled else _scale(descent, -descent.learning_rates)

    def step(state: State, gradient: Any, factors: jax.Array | None) -> State:
        move, kept = direction(_clipped(descent, gradient), state.optimizer, state.params)
        if factors is None:
            move = jax.tree.map(jnp.multiply, move, scale)
        else:
            now = _scale(descent, -descent.learning_rates * factors)
            # Members at the end of their length stay as they are, whatever the move.
            move = jax.tree.map(lambda d, s: jnp.where(s == 0, 0, d * s), move, now)
        return State(optax.apply_updates(state.params, move), kept)

    return step


def _scale(descent: Descent, rates: jax.Array) -> Any:
    """Learning rates of the members ``(K,)``, to broadcast against the packed arrays."""
    if descent.rate_factors is None:
        return descent.layout.spread_equally(rates)
    return descent.layout.spread(
        {name: rates * factor for name, factor in descent.rate_factors.items()}
    )


def _clipped(descent: Descent, gradient: Any) -> Any:
    if descent.clip_norms is None:
        return gradient
    norms = jnp.sqrt(descent.layout.squares(gradient))
    factors = jnp.where(norms > descent.clip_norms, descent.clip_norms / norms, 1)
    return jax.tree.map(jnp.multiply, gradient, descent.layout.spread_equally(factors))


def _direction(descent: Descent) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """From gradient, what the rule keeps and parameters to the direction and what it keeps."""
    optimizer = descent.optimizer
    if not is_elementwise(optimizer):
        return partial(descent.layout.each, optimizer.direction().update)
    return partial(moved, _rules(descent, optimizer))  # type: ignore[arg-type]


def _rules(descent: Descent, optimizer: Elementwise) -> list[Elementwise]:
    """The rule for each array of the pack, with the scalars of its members in it."""
    layout, like = descent.layout, descent.learning_rates
    scalars = {
        name: dict.fromkeys(layout.names, values) for name, values in descent.scalars.items()
    }
    if isinstance(optimizer, AdamW | Lion) and optimizer.decays == "weights":
        decay = descent.scalars.get("weight_decay", jnp.full_like(like, optimizer.weight_decay))
        scalars["weight_decay"] = {
            name: decay if name in descent.matrices else jnp.zeros_like(like)
            for name in layout.names
        }
    spread = {name: jax.tree.leaves(layout.spread(values)) for name, values in scalars.items()}
    arrays = len(jax.tree.leaves(layout.spread_equally(like)))
    return [
        optimizer.model_copy(update={name: leaves[i] for name, leaves in spread.items()})
        for i in range(arrays)
    ]
