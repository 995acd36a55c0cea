"""Checks, before training, that data, model, loss and metrics of a pack fit together."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.datasets.splits import Split
from allometry.datasets.text.text import Text
from allometry.errors import UsageError, in_one_line
from allometry.models.model import Model, Params
from allometry.spec import RunSpec
from allometry.spec.losses import Loss
from allometry.spec.metrics import Metric, described, is_classes
from allometry.spec.optimizers import Optimizer, is_elementwise
from allometry.training.packing.sharing import Parts

__all__ = ["check_compatible", "metrics_of"]

PARTS = {"train": "training", "test": "test", "valid": "validation"}


def metrics_of(spec: RunSpec, split: Split) -> tuple[Metric, ...]:
    """The metrics of a run: those of its spec, or else those of its loss."""
    own = spec.train.metrics
    return spec.train.loss.metrics(split.train_y) if own is None else own


def check_compatible(
    specs: Sequence[RunSpec],
    parts: Parts,
    starts: Sequence[Params],
    splits: Sequence[Split],
) -> None:
    """Refuse targets that the loss or a metric cannot use, and outputs of a wrong shape.

    Raises:
        UsageError: says what does not fit and what to do.
    """
    loss, checked = specs[0].train.loss, set()
    shapes = tuple((name, array.shape) for name, array in starts[0].items())
    _check_direction(parts.optimizers[0], shapes)
    for spec, model, start, split in zip(specs, parts.models, starts, splits, strict=True):
        # Text that a model writes may have any token of the vocabulary, seen in training or not.
        vocabulary = spec.data.n_vocabulary if isinstance(spec.data, Text) else 0
        model.check(split.train_x.shape[1], max(loss.least_outputs(split.train_y), vocabulary))
        if spec.train.stop is not None and split.valid_x is None:
            raise UsageError(
                "train.stop needs a validation loss, and the data have no validation split: give "
                "one, such as validation=0.1"
            )
        if spec.train.stop is not None and not spec.train.looks(len(split.train_x)).size:
            raise UsageError(
                f"train.stop checks every {spec.train.stop.every} epochs, and the run is shorter: "
                "make every= smaller, or leave out stop="
            )
        key = id(split), model.n_outputs
        if key in checked:
            continue
        checked.add(key)
        of_example = _outputs_of_example(model, start, split)
        targets = {PARTS[part]: values for part, (_, values) in split.parts().items()}
        y = _telling(split.train_y)
        scores: tuple[Loss | Metric, ...] = (loss, *metrics_of(spec, split))
        for score in scores:
            score.check(targets, of_example[-1])
            _check_each(score, of_example, str(y.dtype), y.shape, y.tobytes())


def _outputs_of_example(model: Model, start: Params, split: Split) -> tuple[int, ...]:
    """Shape of the outputs for one example: ``(n_out,)``, or ``(T, n_out)`` for sequences.

    Raises:
        UsageError: the outputs have another shape, or not as many positions as the targets.
    """
    x, y = split.train_x[:2], split.train_y
    outputs = jax.eval_shape(model.apply, dict(start), x)
    if outputs.ndim not in (2, 3) or outputs.shape[0] != len(x):
        raise UsageError(
            f"{type(model).__name__}.apply: outputs of shape (B, n_out), or (B, T, n_out) for "
            f"sequences, expected for B = {len(x)} examples, got {outputs.shape}"
        )
    of_example: tuple[int, ...] = outputs.shape[1:]
    labels = y.shape[1:] if is_classes(y) else ()
    if labels != of_example[:-1]:
        raise UsageError(
            f"{type(model).__name__} gives outputs ({', '.join(map(str, ('B', *of_example)))}) and "
            f"the training targets are {described(y)}: a label for each position expected, outputs "
            "(B, T, n_out) with integers (n, T), or outputs (B, n_out) with targets (n,)"
        )
    return of_example


@lru_cache(maxsize=256)
def _check_direction(optimizer: Optimizer, shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> None:
    """Refuse an update rule that needs more than gradient and parameters.

    A user-defined rule is also refused if its first update would increase the loss.
    """
    shipped = type(optimizer).__module__.startswith("allometry.")
    if is_elementwise(optimizer):
        return
    random = np.random.default_rng(0)
    gradient = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes}
    params = jax.tree.map(np.zeros_like, gradient)

    @jax.jit
    def along(gradient: Any, params: Any) -> jax.Array:
        rule = optimizer.direction()
        direction, _ = rule.update(gradient, rule.init(params), params)
        return jnp.stack([jnp.vdot(direction[name], gradient[name]) for name in gradient]).sum()

    name = type(optimizer).__name__
    try:
        jax.eval_shape(along, gradient, params)
    except TypeError as error:
        raise UsageError(
            f"{name}: a rule that needs only the gradient and the parameters expected (so no line "
            f"search): {in_one_line(error)}"
        ) from error
    if not shipped and float(along(gradient, params)) < 0:
        raise UsageError(
            f"{name}.direction has the wrong sign: the learning rate times the direction is "
            "subtracted, so give optax.scale_by_adam(), not optax.adam(...), whose updates already "
            "have the sign and the rate; for those use Optax(name='optax.adam', learning_rate=...)"
        )


def _telling(targets: NDArray[Any]) -> NDArray[Any]:
    """A few targets, which differ if any targets differ."""
    first = targets.reshape(len(targets), -1)[:, 0]
    places = np.array([first.argmin(), first.argmax(), 0, len(targets) // 2])
    sample: NDArray[Any] = targets[places]
    return sample


@lru_cache(maxsize=256)
def _check_each(
    score: Loss | Metric,
    of_example: tuple[int, ...],
    dtype: str,
    shape: tuple[int, ...],
    content: bytes,
) -> None:
    """Refuse a loss or metric that does not give one independent number for each example.

    Args:
        of_example: shape of the outputs for one example.
        dtype, shape, content: some targets; as bytes, so that the arguments can be cached.

    Raises:
        UsageError: `score.each` fails, has another shape, or mixes examples.
    """
    name, n = type(score).__name__, shape[0]
    y = np.frombuffer(content, dtype).reshape(shape)
    outputs = np.random.default_rng(0).normal(size=(n, *of_example)).astype(np.float32)
    try:
        each = jax.eval_shape(score.each, outputs, y)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{name} does not fit outputs of shape {('B', *of_example)} and targets {dtype} of "
            f"shape {('B', *shape[1:])}".replace("'", "")
            + f": {in_one_line(error)}"
        ) from error
    if each.shape != (n,):
        raise UsageError(
            f"{name}.each: one number an example expected, shape ({n},), "
            f"got {each.shape}; take means only over the outputs (axis=-1), and align targets with "
            "targets.reshape(outputs.shape)"
        )
    if type(score).__module__.startswith("allometry."):
        return

    @jax.jit
    def both(outputs: Any, targets: Any) -> tuple[jax.Array, jax.Array]:
        def one(output: Any, target: Any) -> jax.Array:
            return score.each(output[None], target[None])[0]

        return score.each(outputs, targets), jax.vmap(one)(outputs, targets)

    together, apart = both(outputs, y)
    if not np.allclose(together, apart, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise UsageError(
            f"{name}.each: the number of an example depends on the other examples of its batch; "
            "take means only over the outputs (axis=-1), and with targets (B,) and outputs (B, 1) "
            "use targets.reshape(outputs.shape), or they broadcast to (B, B)"
        )
