"""Loss and metrics over whole sets of examples."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.datasets.splits import Split
from allometry.spec.metrics import positions_of
from allometry.training.descent import Descent, losses_of
from allometry.training.dividing import on_one
from allometry.training.examples import Gathered, resident
from allometry.training.phases import phase

__all__ = ["means"]

BATCH = 1000  # labels whose outputs are evaluated at once: examples, of sequences positions

Sums = dict[str, NDArray[np.float64]]


@phase("evaluate")
def means(
    descent: Descent,
    params: Any,
    splits: Sequence[Split],
    own: Mapping[str, Gathered] | None = None,
) -> dict[str, NDArray[Any]]:
    """Loss and metrics by column (``train_loss``), means over all examples, ``(K,)`` float64 each.

    A part without examples has no columns.

    Args:
        splits: of each member, or the one that all share.
        own: the examples by part, where each member has its own.
    """
    metrics = {metric.name: metric for metric in descent.metrics}
    by_part = [split.parts() for split in splits]
    means_of: dict[str, Sums] = {}
    for part in by_part[0]:
        sets = [of[part] for of in by_part]
        counts = np.array([len(x) for x, _ in sets])
        if not counts.all():
            continue
        if own:
            sums = _sums_of_own(descent, params, own[part], counts[:, None])
        else:
            sums = _sums(descent, params, *sets[0])
        means_of[part] = {name: total / counts for name, total in sums.items()}
        for name, metric in metrics.items():
            mean = means_of[part][name]
            of_member = [
                metric.of_mean(mean[k : k + 1] if own else mean, y) for k, (_, y) in enumerate(sets)
            ]
            means_of[part][name] = np.concatenate(of_member)
    # The losses' order, then the metrics': a compiled program gives names back sorted.
    return {
        f"{part}_{name}": values[name]
        for name in ("loss", *metrics)
        for part, values in means_of.items()
    }


def _sums(descent: Descent, params: Any, x: NDArray[Any], y: NDArray[Any]) -> Sums:
    """Loss and metrics summed over all examples, ``(K,)`` float64 each."""
    n = len(x)
    if descent.layout.chunk:
        if descent.mesh is not None:  # not divided: each device would need a copy of the examples
            params = on_one(params)
        # The arrays of the device as they are: one compilation for all numbers of examples.
        examples, targets = resident(x), resident(y)
        ends = jnp.array([examples.first, targets.first, n])
        sums = _sums_from(*_static(descent), params, examples.array, targets.array, ends)
        return {name: np.asarray(value, np.float64) for name, value in sums.items()}
    totals: Sums = {}
    size = min(_at_once(y), n)
    for first in range(0, n, size):
        rows = np.arange(first, first + size)
        inside = (rows < n).astype(np.float32)
        rows = np.minimum(rows, n - 1)
        _add(totals, _batch_sums(*_static(descent), params, x[rows], y[rows], inside))
    return totals


def _sums_of_own(
    descent: Descent, params: Any, examples: Gathered, counts: NDArray[np.int64]
) -> Sums:
    """The same where each member has a set of its own, of `counts` examples, ``(K, 1)``."""
    x, y, first = examples
    totals: Sums = {}
    size = min(_at_once(y), int(counts.max()))
    for begin in range(0, int(counts.max()), size):
        places = np.arange(begin, begin + size)[None]
        inside = (places < counts).astype(np.float32)
        rows = first[:, None] + np.minimum(places, counts - 1)
        _add(totals, _gathered_sums(*_static(descent), params, x, y, rows, inside))
    return totals


def _at_once(targets: Any) -> int:
    """Examples evaluated at once; their outputs are what takes the memory."""
    return max(1, BATCH // positions_of(targets))


def _add(totals: Sums, more: dict[str, jax.Array]) -> None:
    for name, value in more.items():
        totals[name] = totals.get(name, np.zeros(())) + np.asarray(value, np.float64)


def _static(descent: Descent) -> tuple[Any, Any, Any]:
    return descent.layout, descent.loss, descent.metrics


_compiled = partial(jax.jit, static_argnames=("layout", "loss", "metrics"))


@_compiled
def _sums_from(
    layout: Any, loss: Any, metrics: Any, params: Any, x: jax.Array, y: jax.Array, ends: jax.Array
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
        batch = x[first_x + rows], y[first_y + rows], weight
        more = _batch_sums(layout, loss, metrics, params, *batch)
        return {name: sums[name] + more[name] for name in sums}

    zeros = dict.fromkeys(("loss", *(metric.name for metric in metrics)), jnp.zeros(1))
    chunks = -(-n // layout.chunk)
    sums: dict[str, jax.Array] = jax.lax.fori_loop(0, chunks, add, zeros)
    return sums


@_compiled
def _gathered_sums(
    layout: Any, loss: Any, metrics: Any, params: Any, x: jax.Array, y: jax.Array,
    rows: jax.Array, weight: jax.Array,
) -> dict[str, jax.Array]:  # fmt: skip
    """Loss and metrics summed over the rows ``(K, B)`` of each member, ``(K,)`` each."""
    return dict(_batch_sums(layout, loss, metrics, params, x[rows], y[rows], weight))


@_compiled
def _batch_sums(
    layout: Any, loss: Any, metrics: Any, params: Any, x: jax.Array, y: jax.Array,
    weight: jax.Array,
) -> dict[str, jax.Array]:  # fmt: skip
    """Loss and metrics summed over a batch, ``(K,)`` each."""
    outputs = layout.apply(params, x)
    scores = {"loss": loss.each, **{metric.name: metric.each for metric in metrics}}
    each = {name: losses_of(score, layout, outputs, y) for name, score in scores.items()}
    return {name: (values * weight).sum(axis=-1) for name, values in each.items()}
