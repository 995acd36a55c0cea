"""Metrics: what is measured beside the loss, as values."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from allometry.errors import lacking
from allometry.spec.value import Spec

if TYPE_CHECKING:
    import jax

__all__ = ["R2", "Accuracy", "BinaryAccuracy", "Metric", "TopK"]


class Metric(Spec):
    """A number of each example of ONE network, and what becomes of its mean.

    Its columns are ``train_NAME`` and ``test_NAME``.
    """

    @property
    def name(self) -> str:
        """Of the columns; by default that of the class in lower case."""
        return type(self).__name__.lower()

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        """A number of each example, ``(B,)``.

        Args:
            outputs: of one network, ``(B, n_out)``.
            targets: ``(B,)`` or ``(B, d)``, as the data set has them.
        """
        raise lacking(self, "each")

    def of_mean(self, mean: NDArray[np.float64], targets: NDArray[Any]) -> NDArray[np.float64]:
        """The metric from the mean of `each` over all examples with these targets."""
        return mean


class Accuracy(Metric):
    """Share of examples whose largest output is the label's.

    Of one output: whether its sign says what the target, 0 or 1, says. Of several outputs with
    as many targets an example, 0 or 1 or probabilities: whether the largest of both agree.
    """

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        if outputs.shape[-1] == 1:
            return (outputs[:, 0] > 0) == (targets.reshape(len(outputs)) > 0.5)
        labels = targets if targets.ndim == 1 else targets.argmax(axis=-1)
        return outputs.argmax(axis=-1) == labels


class BinaryAccuracy(Metric):
    """Share of outputs whose sign says what their target, 0 or 1, says; its column: accuracy."""

    @property
    def name(self) -> str:
        return "accuracy"

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        return ((outputs > 0) == (targets.reshape(outputs.shape) > 0.5)).mean(axis=-1)


class TopK(Metric):
    """Share of examples whose label, or most probable class, is among the `k` largest outputs.

    Attributes:
        k: outputs that count; of equal outputs those of the smaller labels do.
    """

    k: int = Field(default=5, ge=1)

    @property
    def name(self) -> str:
        return f"top{self.k}"

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        import jax

        k = min(self.k, outputs.shape[-1])
        labels = targets if targets.ndim == 1 else targets.argmax(axis=-1)
        return (jax.lax.top_k(outputs, k)[1] == labels[:, None]).any(axis=-1)


class R2(Metric):
    """1 less the squared error over the variance of the targets, means over outputs.

    0 for a network that always gives the mean of the targets of that set, 1 for a perfect one.
    Not a number where the targets do not vary.
    """

    def each(self, outputs: "jax.Array", targets: "jax.Array") -> "jax.Array":
        return ((outputs - targets.reshape(outputs.shape)) ** 2).mean(axis=-1)

    def of_mean(self, mean: NDArray[np.float64], targets: NDArray[Any]) -> NDArray[np.float64]:
        variance = np.asarray(targets, np.float64).reshape(len(targets), -1).var(axis=0).mean()
        return 1 - mean / variance if variance else np.full_like(mean, np.nan)
