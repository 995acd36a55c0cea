"""Loss and accuracy."""

from allometry.measures.network import Network

__all__ = ["losses", "test_losses"]


def losses(net: Network) -> dict[str, float]:
    """Loss and metrics over the training, test and validation set.

    On the training set they are means over `TrainSpec.measure_examples` of its examples.

    Returns:
        for class labels `train_loss`, `test_loss` (nats per example), `train_accuracy` and
        `test_accuracy` (0 to 1); for other losses and metrics, columns named in the same way.
    """
    return dict(net.losses)


def test_losses(net: Network) -> dict[str, float]:
    """Loss and metrics over the test and validation set.

    With ``TrainSpec(measure_examples=0)`` the training set is not evaluated at all.
    """
    return {n: value for n, value in net.losses.items() if n.startswith(("test_", "valid_"))}
