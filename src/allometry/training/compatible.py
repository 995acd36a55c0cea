"""Whether data, model and loss of the runs of a pack fit each other, before anything trains."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from allometry.datasets.splits import Split
from allometry.errors import UsageError
from allometry.models.model import Model, Params
from allometry.spec import RunSpec
from allometry.spec.losses import Loss
from allometry.spec.metrics import Metric

__all__ = ["check_compatible", "metrics_of"]

PARTS = {"train": "training", "test": "test", "valid": "validation"}
EXAMPLES = 4  # that a loss or metric is tried on
TOLERANCE = 1e-3  # of numbers computed one by one and in a batch


def metrics_of(spec: RunSpec, split: Split) -> tuple[Metric, ...]:
    """The metrics of a run: its own, or those of its loss."""
    own = spec.train.metrics
    return spec.train.loss.metrics(split.train_y) if own is None else own


def check_compatible(
    specs: Sequence[RunSpec],
    models: Sequence[Model],
    starts: Sequence[Params],
    splits: Sequence[Split],
) -> None:
    """Refuse targets that the loss or a metric has no meaning for, and outputs that are none.

    Raises:
        UsageError: in words that name the remedy.
    """
    loss, checked = specs[0].train.loss, set()
    for spec, model, start, split in zip(specs, models, starts, splits, strict=True):
        model.check(split.train_x.shape[1], loss.least_outputs(split.train_y))
        if spec.train.stop is not None and split.valid_x is None:
            raise UsageError(
                "train.stop looks at the validation loss, and the data have no validation split: "
                "give some, validation=0.1 say"
            )
        key = id(split), model.n_outputs
        if key in checked:
            continue
        checked.add(key)
        x = split.train_x[:2]
        outputs = jax.eval_shape(model.apply, dict(start), x)
        if outputs.ndim != 2 or outputs.shape[0] != len(x):
            raise UsageError(
                f"{type(model).__name__}.apply: outputs of shape (B, n_out) for {len(x)} examples "
                f"expected, got {outputs.shape}"
            )
        targets = {PARTS[part]: values for part, (_, values) in split.parts().items()}
        scored: tuple[Loss | Metric, ...] = (loss, *metrics_of(spec, split))
        for part in scored:
            part.check(targets, outputs.shape[1])
            _check_each(part, outputs.shape[1], split.train_y)


def _check_each(part: Loss | Metric, n_out: int, targets: NDArray[Any]) -> None:
    """Refuse a loss or metric that gives no number an example, or mixes the examples of a batch.

    Outputs ``(B, 1)`` less targets ``(B,)`` are ``(B, B)``: a loss made of that trains without an
    error, to the mean of all targets. Shipped parts are checked in the tests.
    """
    if type(part).__module__.startswith("allometry."):
        return
    name = f"{type(part).__name__}.each"
    y = _unlike(targets)
    outputs = np.random.default_rng(0).normal(size=(len(y), n_out)).astype(np.float32)
    each = jax.eval_shape(part.each, outputs, y)
    if each.shape != (len(y),):
        raise UsageError(
            f"{name}: one number an example expected, shape ({len(y)},), got {each.shape}; take "
            f"means over the outputs alone (axis=-1). {_lined_up(outputs, y)}"
        )
    together = part.each(jax.numpy.asarray(outputs), jax.numpy.asarray(y))
    alone = jax.vmap(lambda o, t: part.each(o[None], t[None])[0])(outputs, y)
    if not np.allclose(together, alone, rtol=TOLERANCE, atol=1e-6, equal_nan=True):
        raise UsageError(
            f"{name}: a number that depends on one example alone expected, got others in a batch "
            f"than one by one. {_lined_up(outputs, y)}"
        )


def _unlike(targets: NDArray[Any]) -> NDArray[Any]:
    """Up to `EXAMPLES` targets, different ones if there are, so that mixing shows."""
    unlike: NDArray[Any] = np.unique(targets, axis=0)
    places = np.linspace(0, len(unlike) - 1, EXAMPLES).astype(int)
    return np.take(unlike, places, axis=0)


def _lined_up(outputs: NDArray[Any], targets: NDArray[Any]) -> str:
    shape = "(B,)" if targets.ndim == 1 else f"(B, {targets.shape[1]})"
    return (
        f"Outputs are of shape (B, {outputs.shape[1]}) here and targets of shape {shape}; "
        "targets.reshape(outputs.shape) lines up real targets with the outputs"
    )
