"""What networks on a data set are trained on and judged by: a loss and metrics, as values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

__all__ = ["CLASSIFICATION", "Score", "Task", "accuracy", "cross_entropy", "squared_error"]

# Of outputs (K, B, n_out) of K networks and targets (B, ...): a number an example, (K, B).
Score = Callable[[jax.Array, jax.Array], jax.Array]


@dataclass(frozen=True)
class Task:
    """A loss and metrics; frozen and hashable, so that a compiled program knows it by value.

    A network's columns are ``train_loss`` and ``test_loss``, then ``train_NAME`` and
    ``test_NAME`` of each metric.

    Attributes:
        loss: its mean over examples is minimised.
        metrics: pairs of a name and a score, measured beside the loss.
        n_outputs: of the training targets: outputs a network must have.
    """

    loss: Score
    metrics: tuple[tuple[str, Score], ...]
    n_outputs: Callable[[NDArray[Any]], int]

    def evaluate(self, outputs: jax.Array, targets: jax.Array) -> dict[str, jax.Array]:
        """The loss and every metric of each example, ``(K, B)`` each."""
        scores = {name: score(outputs, targets) for name, score in self.metrics}
        return {"loss": self.loss(outputs, targets), **scores}


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Nats, ``(K, B)``, of logits ``(K, B, classes)`` and labels ``(B,)``."""
    chosen = (logits * jax.nn.one_hot(labels, logits.shape[-1])).sum(axis=-1)
    return jax.nn.logsumexp(logits, axis=-1) - chosen


def squared_error(outputs: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean over outputs of the squared distance to the one-hot label, ``(K, B)``."""
    return jnp.square(outputs - jax.nn.one_hot(labels, outputs.shape[-1])).mean(axis=-1)


def accuracy(outputs: jax.Array, labels: jax.Array) -> jax.Array:
    """1 where the largest output is the label's, 0 elsewhere, ``(K, B)``."""
    return outputs.argmax(axis=-1) == labels


def _n_classes(labels: NDArray[Any]) -> int:
    return int(np.max(labels)) + 1


# Tasks on class labels, by the names of `TrainSpec.loss`.
CLASSIFICATION = {
    loss.__name__: Task(loss, (("accuracy", accuracy),), _n_classes)
    for loss in (cross_entropy, squared_error)
}
