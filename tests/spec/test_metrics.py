"""Metrics of one network's outputs."""

import jax.numpy as jnp
import numpy as np

from allometry.spec.losses import BinaryCrossEntropy
from allometry.spec.metrics import TopK

OUTPUTS = jnp.array([[2.0, -1.0, 0.5], [-1.0, -2.0, -3.0]])


def test_accuracy_of_several_labels_counts_each():
    targets = np.array([[1, 1, 1], [0, 0, 0]], np.float32)
    (accuracy,) = BinaryCrossEntropy().metrics(targets)
    assert accuracy.name == "accuracy"
    np.testing.assert_allclose(accuracy.each(OUTPUTS, jnp.array(targets)), [2 / 3, 1])
    (one,) = BinaryCrossEntropy().metrics(targets[:, 0])
    np.testing.assert_allclose(one.each(OUTPUTS[:, :1], jnp.array([1, 1])), [1, 0])


def test_top_k_of_class_probabilities_is_that_of_the_likeliest_class():
    probabilities = jnp.array([[0.1, 0.2, 0.7], [0.1, 0.2, 0.7]])
    assert TopK(k=2).each(OUTPUTS, probabilities).tolist() == [True, False]
