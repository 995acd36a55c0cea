"""Losses: what is minimised, as values.

A loss is a function of the outputs and targets of ONE network, which is mapped over the members of
a pack. Your own loss is a subclass with `each`::

    class Quartic(Loss):
        def each(self, outputs, targets):
            return ((outputs - targets.reshape(outputs.shape)) ** 4).mean(axis=-1)

`reshape` gives the targets ``(B,)`` of a single output the shape ``(B, 1)`` of the outputs.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from allometry.errors import UsageError, lacking
from allometry.spec.metrics import (
    R2,
    Accuracy,
    BinaryAccuracy,
    Metric,
    described,
    is_classes,
    over_positions,
)
from allometry.spec.value import Spec

if TYPE_CHECKING:
    import jax

__all__ = [
    "BinaryCrossEntropy", "CrossEntropy", "Distance", "Huber", "Loss", "SquaredError",
]  # fmt: skip

PROBABILITY_SUM = 1e-3  # by which the sum of class probabilities may differ from 1


class Loss(Spec):
    """A loss of each example; training minimises its mean over examples."""

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        """The loss of each example, ``(B,)``.

        Args:
            outputs: of one network, ``(B, n_out)``; for sequences ``(B, T, n_out)``.
            targets: ``(B,)`` or ``(B, d)``, for sequences ``(B, T)``, as the data set has them;
                ``targets.reshape(outputs.shape)`` lines up real targets with the outputs.
        """
        raise lacking(self, "each")

    def metrics(self, targets: NDArray[Any]) -> tuple[Metric, ...]:
        """The metrics that are measured where the run names none."""
        return (Accuracy(),) if is_classes(targets) else (R2(),)

    def least_outputs(self, targets: NDArray[Any]) -> int:
        """Fewest outputs that a network must have for these targets."""
        return 1

    def check(self, targets: Mapping[str, NDArray[Any]], n_out: int) -> None:
        """Refuse targets for which this loss is not defined.

        Args:
            targets: by part of the data (``training``, ``test``), ``(n,)`` or ``(n, d)`` each,
                for sequences ``(n, T)``.
            n_out: outputs of the network, for sequences at each position.

        Raises:
            UsageError: saying what was expected and what came.
        """


class CrossEntropy(Loss):
    """Cross-entropy in nats of logits with class labels, or with class probabilities.

    For sequences, logits ``(B, T, K)`` with labels ``(B, T)``: the mean over the positions of an
    example.

    With z the logits and y the class it is ``log1p(sum of exp(z_j - z_y) over j != y)``, which
    keeps the digits of small losses. Version 1 was ``logsumexp(z) - z_y``, whose rounding error is
    that of the logits: at logits of 60 a loss of 1e-5 was off by a quarter.
    """

    version: ClassVar[int] = 2
    short: ClassVar[str | None] = "cross_entropy"

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        import jax
        import jax.numpy as jnp

        if jnp.issubdtype(targets.dtype, jnp.integer):
            labels = jax.nn.one_hot(targets, outputs.shape[-1], dtype=bool)
            return over_positions(_nats(outputs, labels))
        # The loss for each class as the label, averaged with the probabilities as weights.
        classes = jnp.eye(outputs.shape[-1], dtype=bool)
        of_class = jax.vmap(lambda chosen: _nats(outputs, chosen), out_axes=-1)(classes)
        return (targets * of_class).sum(axis=-1)

    def metrics(self, targets: NDArray[Any]) -> tuple[Metric, ...]:
        return (Accuracy(),)

    def least_outputs(self, targets: NDArray[Any]) -> int:
        return _needed(targets)

    def check(self, targets: Mapping[str, NDArray[Any]], n_out: int) -> None:
        for part, values in targets.items():
            if is_classes(values):
                _check_classes(self, part, values, n_out)
            elif not _are_probabilities(values, n_out):
                raise UsageError(
                    f"{part} targets: the loss CrossEntropy needs whole numbers from 0 to K - 1, "
                    f"shape (n,) and an integer type, or class probabilities of shape (n, {n_out}) "
                    f"that sum to 1; got {described(values)}. Real targets are a regression: "
                    "TrainSpec(loss=SquaredError())"
                )


class BinaryCrossEntropy(Loss):
    """Binary cross-entropy in nats, mean over outputs; an output is the logit of target 1.

    Targets are 0 or 1, or probabilities between them, ``(n,)`` for one output or ``(n, d)``.
    """

    short: ClassVar[str | None] = "binary"

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        import jax

        yes = targets.reshape(outputs.shape).astype(outputs.dtype)
        nats = yes * jax.nn.softplus(-outputs) + (1 - yes) * jax.nn.softplus(outputs)
        return nats.mean(axis=-1)

    def metrics(self, targets: NDArray[Any]) -> tuple[Metric, ...]:
        return (BinaryAccuracy(),)

    def check(self, targets: Mapping[str, NDArray[Any]], n_out: int) -> None:
        for part, values in targets.items():
            shapes = [(len(values), n_out), *([(len(values),)] if n_out == 1 else [])]
            if values.shape not in shapes or not np.all((values >= 0) & (values <= 1)):
                raise UsageError(
                    f"{part} targets: the loss BinaryCrossEntropy needs numbers from 0 to 1, one "
                    f"for each of the {n_out} outputs, got {described(values)}; labels of -1 and "
                    "1 become (y + 1) / 2"
                )


class Distance(Loss):
    """Base of losses of the distance to the targets: real numbers, or class labels as one-hot."""

    def least_outputs(self, targets: NDArray[Any]) -> int:
        return _needed(targets)

    def check(self, targets: Mapping[str, NDArray[Any]], n_out: int) -> None:
        for part, values in targets.items():
            if is_classes(values):
                _check_classes(self, part, values, n_out)
            else:
                _check_real(self, part, values, n_out)


class SquaredError(Distance):
    """Squared distance to the target, mean over outputs.

    Real targets are ``(n,)`` for one output or ``(n, d)``. Class labels, whole numbers of an
    integer type, stand for their one-hot vectors, as in ``nn.MSELoss`` of Omnigrok (2210.01117).
    """

    short: ClassVar[str | None] = "squared_error"

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        import jax.numpy as jnp

        return jnp.square(outputs - _as_outputs(targets, outputs)).mean(axis=-1)


class Huber(Distance):
    """Huber's loss, mean over outputs: squares up to `delta`, straight lines beyond.

    ``r^2 / 2`` for ``|r| <= delta``, else ``delta (|r| - delta / 2)`` (Huber 1964), as
    `optax.losses.huber_loss`. Targets as for `SquaredError`.
    """

    short: ClassVar[str | None] = "huber"

    delta: float = Field(default=1.0, gt=0)

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        import jax.numpy as jnp

        distance = jnp.abs(outputs - _as_outputs(targets, outputs))
        inner = jnp.minimum(distance, self.delta)
        return (inner * (distance - inner / 2)).mean(axis=-1)


def _needed(targets: NDArray[Any]) -> int:
    """Outputs for class labels, one per class, or for real targets, one per column."""
    if is_classes(targets):
        return int(targets.max(initial=0)) + 1
    return 1 if targets.ndim == 1 else targets.shape[1]


def _nats(logits: "jax.Array", chosen: "jax.Array") -> "jax.Array":
    """Cross-entropy ``(...)`` of logits ``(..., K)``; `chosen` is true at the label alone."""
    import jax
    import jax.numpy as jnp

    apart = logits - jnp.where(chosen, logits, 0).sum(axis=-1, keepdims=True)
    # The largest term is factored out of 1 + sum exp(apart) over the other classes.
    largest = jax.lax.stop_gradient(jnp.maximum(apart.max(axis=-1), 0))
    others = jnp.where(chosen, 0, jnp.exp(apart - largest[..., None])).sum(axis=-1)
    return largest + jnp.log1p(others + jnp.expm1(-largest))


def _as_outputs(targets: "jax.Array", outputs: "jax.Array") -> "jax.Array":
    """Targets in the shape of the outputs ``(B, n_out)``; labels become one-hot vectors."""
    import jax
    import jax.numpy as jnp

    if jnp.issubdtype(targets.dtype, jnp.integer):
        return jax.nn.one_hot(targets, outputs.shape[-1])
    return targets.reshape(outputs.shape)


# ---- what targets may be ---------------------------------------------------------------------


def _check_classes(loss: Loss, part: str, labels: NDArray[Any], n_out: int) -> None:
    if len(labels) and not 0 <= labels.min() <= labels.max() < n_out:
        raise UsageError(
            f"{part} labels: the loss {type(loss).__name__} needs whole numbers from 0 to "
            f"{n_out - 1}, one for each of the network's {n_out} outputs, got {described(labels)}"
        )


def _check_real(loss: Loss, part: str, values: NDArray[Any], n_out: int) -> None:
    expected = [(len(values), n_out), *([(len(values),)] if n_out == 1 else [])]
    if not np.issubdtype(values.dtype, np.floating) or values.shape not in expected:
        raise UsageError(
            f"{part} targets: the loss {type(loss).__name__} needs real numbers of shape "
            f"{' or '.join(map(str, expected))} for a network of {n_out} outputs, or class labels, "
            f"whole numbers from 0 to {n_out - 1}; got {described(values)}"
        )
    if not np.isfinite(values).all():
        raise UsageError(f"{part} targets: finite numbers expected, got {described(values)}")


def _are_probabilities(values: NDArray[Any], n_out: int) -> bool:
    return bool(
        np.issubdtype(values.dtype, np.floating)
        and values.shape == (len(values), n_out)
        and np.all(values >= 0)
        and np.all(np.abs(values.sum(axis=1) - 1) <= PROBABILITY_SUM)
    )
