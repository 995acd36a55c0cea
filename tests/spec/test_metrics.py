"""Metrics give what their definitions say, and refuse targets they have no meaning for."""

import numpy as np
import pytest
from pydantic import ValidationError

from allometry.errors import UsageError
from allometry.spec import TrainSpec
from allometry.spec.losses import BinaryCrossEntropy, CrossEntropy
from allometry.spec.metrics import R2, Accuracy, Metric, TopK
from allometry.spec.optimizers import Adam

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 7, size=50).astype(np.int32)
LOGITS = RANDOM.normal(size=(50, 7)).astype(np.float32)
REAL = RANDOM.normal(size=50).astype(np.float32)
SHARES = np.eye(7, dtype=np.float32)[LABELS]


def test_top_k_is_the_share_of_labels_of_rank_k_or_better():
    ranks = (LOGITS[np.arange(50), LABELS][:, None] < LOGITS).sum(axis=1)
    for k in (1, 3, 7, 9):
        each = np.asarray(TopK(k=k).each(LOGITS, LABELS))
        assert each.tolist() == (ranks < k).tolist()
    assert TopK(k=3).name == "top3"


def test_accuracy_of_several_labels_counts_each():
    outputs = np.array([[2.0, -1.0, 0.5], [-1.0, -2.0, -3.0]], np.float32)
    targets = np.array([[1, 1, 1], [0, 0, 0]], np.float32)
    (accuracy,) = BinaryCrossEntropy().metrics(targets)
    assert accuracy.name == "accuracy"
    np.testing.assert_allclose(accuracy.each(outputs, targets), [2 / 3, 1])
    (one,) = BinaryCrossEntropy().metrics(targets[:, 0])
    np.testing.assert_allclose(one.each(outputs[:, :1], np.array([1, 1])), [1, 0])


def test_top_k_of_class_probabilities_is_that_of_the_likeliest_class():
    outputs = np.array([[2.0, -1.0, 0.5], [-1.0, -2.0, -3.0]], np.float32)
    probabilities = np.array([[0.1, 0.2, 0.7], [0.1, 0.2, 0.7]])
    assert np.asarray(TopK(k=2).each(outputs, probabilities)).tolist() == [True, False]


def test_r2_is_one_less_the_share_of_the_variance_left():
    for outputs, r2 in (
        (REAL, 1.0),
        (np.full(50, REAL.mean()), 0.0),
        (2 * REAL.mean() - REAL, -3.0),
    ):
        mean = np.array([np.mean(R2().each(outputs[:, None], REAL))])
        assert R2().of_mean(mean, REAL) == pytest.approx(r2, abs=1e-5)
    assert np.isnan(R2().of_mean(np.ones(1), np.ones(5)))


@pytest.mark.parametrize(
    ("metric", "targets", "n_out", "word"),
    [
        (TopK(), REAL, 1, "class labels"),
        (TopK(), SHARES, 6, "probabilities, .n, 6."),
        (Accuracy(), REAL, 1, "numbers from 0 to 1"),
        (R2(), LABELS, 7, "real targets"),
        (R2(), REAL, 3, "each of the network's 3 outputs"),
    ],
)
def test_targets_without_a_meaning_are_refused(metric, targets, n_out, word):
    with pytest.raises(UsageError, match=f"test targets: the metric .*{word}.*metrics="):
        metric.check({"test": targets}, n_out)


def test_targets_with_a_meaning_are_taken():
    for metric, targets, n_out in (
        (TopK(), LABELS, 7), (TopK(), SHARES, 7), (Accuracy(), LABELS, 7), (Accuracy(), SHARES, 7),
        (R2(), REAL, 1), (R2(), SHARES, 7),
    ):  # fmt: skip
        metric.check({"training": targets}, n_out)


class Within(Metric):
    reach: float


class Loss(Metric):
    """Its columns would be those of the loss."""


@pytest.mark.parametrize("metrics", [(Within(reach=1), Within(reach=2)), (Loss(),)])
def test_two_metrics_of_one_name_are_refused(metrics):
    """The second took the place of the first, without a word."""
    with pytest.raises(ValidationError, match="twice"):
        TrainSpec(optimizer=Adam(), epochs=1, metrics=metrics)


# ---- sequences -------------------------------------------------------------------------------


def test_scores_of_a_sequence_are_means_over_its_positions():
    logits = RANDOM.normal(size=(6, 5, 7)).astype(np.float32)
    labels = RANDOM.integers(0, 7, size=(6, 5)).astype(np.int32)
    for score in (CrossEntropy(), Accuracy(), TopK(k=2)):
        flat = np.asarray(score.each(logits.reshape(30, 7), labels.reshape(30)), np.float64)
        each = score.each(logits, labels)
        np.testing.assert_allclose(each, flat.reshape(6, 5).mean(axis=1), rtol=1e-6)
    assert CrossEntropy().least_outputs(labels) == labels.max() + 1
    with pytest.raises(UsageError, match="whole numbers from 0 to 5"):
        CrossEntropy().check({"training": labels}, 6)
