"""The outputs of the layers of a network for some examples, and their size."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError
from allometry.measures.examples import EXAMPLES, Batch, batches, drawn_rows
from allometry.measures.network import Network
from allometry.measures.norms import start_of
from allometry.models.model import Model, Params
from allometry.models.precision import scope

__all__ = ["activation_changes", "activation_sizes", "last_hidden"]


def activation_sizes(net: Network, *, examples: int = EXAMPLES) -> dict[str, float]:
    """Mean absolute value of the outputs of each layer for training examples.

    Measured during training of networks of several widths, it is the coordinate check of Yang et
    al., 2203.03466, appendix D.1: in muP no layer's size grows with the width, and only the outputs
    at the start shrink. The mean is over examples, units and places.

    Args:
        examples: most training examples used; drawn by the run's seed.

    Returns:
        `activation_size_1`, `activation_size_2`, ... for the hidden layers, from the input on, and
        `output_size`. The layers are those of `Model.layer_outputs`.
    """
    rows = drawn_rows(len(net.split.train_x), examples, net.spec.seed)
    return _named("size", _mean_sizes(net, rows, None))


def activation_changes(net: Network, *, examples: int = EXAMPLES) -> dict[str, float]:
    """Mean absolute change of the outputs of each layer since before the first update.

    The coordinates of x_t - x_0 of Yang et al., 2203.03466, appendix D.1: in muP their size does
    not depend on the width; in the standard parametrisation those of the outputs grow with it.

    Args:
        examples: as in `activation_sizes`.

    Returns:
        `activation_change_1`, `activation_change_2`, ... and `output_change`.

    Raises:
        UsageError: nothing is measured before the first update.
    """
    start = start_of(net, "activation_changes")
    rows = drawn_rows(len(net.split.train_x), examples, net.spec.seed)
    return _named("change", _mean_sizes(net, rows, start))


def _named(what: str, means: list[float]) -> dict[str, float]:
    *hidden, outputs = means
    columns = {f"activation_{what}_{i}": mean for i, mean in enumerate(hidden, start=1)}
    return {**columns, f"output_{what}": outputs}


def last_hidden(net: Network, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Outputs of the last hidden layer for these test examples, ``(n, units)``.

    Raises:
        UsageError: the network has no hidden layer, or does not define its outputs.
    """
    _check_layers(net.model)
    parts = []
    with scope(net.spec.train.precision):
        for batch in batches(net.split.test_x, net.split.test_y, rows):
            units = np.asarray(_last_hidden(net.model, dict(net.params), batch.x))
            parts.append(units[np.asarray(batch.inside) > 0])
    return np.concatenate(parts)


def _mean_sizes(net: Network, rows: NDArray[np.int64], start: Params | None) -> list[float]:
    _check_layers(net.model)
    before = None if start is None else dict(start)
    sums: Any = 0.0
    with scope(net.spec.train.precision):
        for batch in batches(net.split.train_x, net.split.train_y, rows):
            sizes = _batch_sizes(net.model, dict(net.params), before, batch)
            sums = sums + np.asarray(sizes, np.float64)
    means: list[float] = (sums / len(rows)).tolist()
    return means


@partial(jax.jit, static_argnames=("model",))
def _batch_sizes(model: Model, params: Any, start: Any, batch: Batch) -> list[jax.Array]:
    """For each layer, the mean absolute output for an example, summed over the examples."""
    layers = model.layer_outputs(params, batch.x)
    if start is not None:
        began = model.layer_outputs(start, batch.x)
        layers = tuple(now - then for now, then in zip(layers, began, strict=True))
    return [batch.inside @ jnp.abs(a).reshape(len(a), -1).mean(axis=1) for a in layers]


@partial(jax.jit, static_argnames=("model",))
def _last_hidden(model: Model, params: Any, x: jax.Array) -> jax.Array:
    *hidden, _ = model.layer_outputs(params, x)
    if not hidden:
        raise UsageError(f"a model with a hidden layer expected, got {model!r}")
    return hidden[-1].reshape(len(x), -1)


def _check_layers(model: Model) -> None:
    """Refuse a class that overrides `apply` and inherits `layer_outputs`."""
    for kind in type(model).__mro__:
        if "layer_outputs" in vars(kind):
            return
        if "apply" in vars(kind):
            raise UsageError(
                f"{kind.__name__} has an `apply` of its own and does not define the outputs of its "
                "layers: write its `layer_outputs(params, x)`, a tuple of arrays (B, ...) from the "
                "first hidden layer to the outputs"
            )
