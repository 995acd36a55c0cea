"""Loss and accuracy."""

from allometry.measures.network import Network

__all__ = ["losses"]


def losses(net: Network) -> dict[str, float]:
    """Loss and metrics over the training, test and validation set.

    Returns:
        of class labels `train_loss`, `test_loss` (nats an example), `train_accuracy`,
        `test_accuracy` (0 to 1); of other losses and metrics theirs, named in the same way.
    """
    return dict(net.losses)
