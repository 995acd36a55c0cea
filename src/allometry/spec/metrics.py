"""Metrics: what is measured beside the loss, as values.

A metric is a function of the outputs and targets of ONE network, as a loss is. Your own metric is
a subclass with `each`::

    class Within(Metric):
        reach: float = 0.1

        def each(self, outputs, targets):
            return (abs(outputs - targets.reshape(outputs.shape)) <= self.reach).all(axis=-1)
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from allometry.errors import UsageError, lacking
from allometry.spec.value import Spec

if TYPE_CHECKING:
    import jax

__all__ = [
    "R2", "Accuracy", "BinaryAccuracy", "Metric", "TopK", "described", "is_classes",
    "over_positions", "positions_of",
]  # fmt: skip


class Metric(Spec):
    """A number for each example of ONE network, and a function of its mean over examples.

    Its columns are ``train_NAME``, ``test_NAME`` and, with a validation split, ``valid_NAME``.
    """

    @property
    def name(self) -> str:
        """The name in the columns; by default that of the class in lower case."""
        return type(self).__name__.lower()

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        """A number for each example, ``(B,)``.

        Args:
            outputs: of one network, ``(B, n_out)``; for sequences ``(B, T, n_out)``.
            targets: ``(B,)`` or ``(B, d)``, for sequences ``(B, T)``, as the data set has them;
                ``targets.reshape(outputs.shape)`` lines up real targets with the outputs.
        """
        raise lacking(self, "each")

    def of_mean(self, mean: NDArray[np.float64], targets: NDArray[Any]) -> NDArray[np.float64]:
        """The metric from the mean of `each` over all examples with these targets."""
        return mean

    def check(self, targets: Mapping[str, NDArray[Any]], n_out: int) -> None:
        """Refuse targets for which this metric is not defined; arguments as for `Loss.check`.

        Raises:
            UsageError: saying what was expected and what came.
        """


class Accuracy(Metric):
    """Share of examples, or of positions of sequences, whose largest output is the label's.

    With a single output: whether its sign agrees with the target, 0 or 1. With several outputs and
    as many targets per example, which are 0 or 1 or probabilities: whether the largest output and
    the largest target are at the same place.
    """

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        if outputs.shape[-1] == 1:
            return (outputs[:, 0] > 0) == (targets.reshape(len(outputs)) > 0.5)
        return over_positions(outputs.argmax(axis=-1) == _labels(outputs, targets))

    def check(self, targets: Mapping[str, NDArray[Any]], n_out: int) -> None:
        for part, values in targets.items():
            if not is_classes(values) and not np.all((values >= 0) & (values <= 1)):
                raise _unfit(self, part, values, "class labels, or numbers from 0 to 1")


class BinaryAccuracy(Metric):
    """Share of outputs whose sign agrees with their target, 0 or 1; the column is ``accuracy``."""

    @property
    def name(self) -> str:
        return "accuracy"

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        return ((outputs > 0) == (targets.reshape(outputs.shape) > 0.5)).mean(axis=-1)


class TopK(Metric):
    """Share of examples whose label, or most probable class, is among the `k` largest outputs.

    For sequences: share of positions.

    Attributes:
        k: number of outputs that count; among equal outputs, smaller labels come first.
    """

    k: int = Field(default=5, ge=1)

    @property
    def name(self) -> str:
        return f"top{self.k}"

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        import jax

        k = min(self.k, outputs.shape[-1])
        labels = _labels(outputs, targets)
        return over_positions((jax.lax.top_k(outputs, k)[1] == labels[..., None]).any(axis=-1))

    def check(self, targets: Mapping[str, NDArray[Any]], n_out: int) -> None:
        for part, values in targets.items():
            if not is_classes(values) and values.shape != (len(values), n_out):
                what = f"class labels, (n,) of an integer type, or probabilities, (n, {n_out})"
                raise _unfit(self, part, values, what)


class R2(Metric):
    """1 - (squared error) / (variance of the targets), both averaged over outputs.

    0 for a network that always gives the mean of the targets of that set, 1 for a perfect one.
    NaN where the targets do not vary.
    """

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        return ((outputs - targets.reshape(outputs.shape)) ** 2).mean(axis=-1)

    def of_mean(self, mean: NDArray[np.float64], targets: NDArray[Any]) -> NDArray[np.float64]:
        variance = np.asarray(targets, np.float64).reshape(len(targets), -1).var(axis=0).mean()
        return 1 - mean / variance if variance else np.full_like(mean, np.nan)

    def check(self, targets: Mapping[str, NDArray[Any]], n_out: int) -> None:
        for part, values in targets.items():
            if is_classes(values) or values.size != len(values) * n_out:
                what = f"real targets, one for each of the network's {n_out} outputs"
                raise _unfit(self, part, values, what)


def is_classes(targets: NDArray[Any]) -> bool:
    """Whether targets are class labels of an integer type: ``(n,)``, for sequences ``(n, T)``."""
    return bool(np.issubdtype(targets.dtype, np.integer))


def positions_of(targets: NDArray[Any]) -> int:
    """Labels per example: T for sequences with targets ``(n, T)``, otherwise 1."""
    return math.prod(targets.shape[1:]) if is_classes(targets) else 1


def over_positions(values: "jax.Array") -> "jax.Array":
    """A number for each example ``(B,)``; values ``(B, T)`` of sequences become their means."""
    return values if values.ndim == 1 else values.mean(axis=-1)


def _labels(outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
    """Classes ``(B,)`` or ``(B, T)``: the targets themselves, or the most probable ones."""
    return targets if targets.ndim < outputs.ndim else targets.argmax(axis=-1)


def described(values: NDArray[Any]) -> str:
    """Type, shape and range of an array, for messages."""
    text = f"{values.dtype} of shape {values.shape}"
    if values.size and np.issubdtype(values.dtype, np.number):
        text += f" from {values.min():g} to {values.max():g}"
    return text


def _unfit(metric: Metric, part: str, values: NDArray[Any], expected: str) -> UsageError:
    return UsageError(
        f"{part} targets: the metric {type(metric).__name__} needs {expected}, got "
        f"{described(values)}; TrainSpec(metrics=...) names others"
    )
