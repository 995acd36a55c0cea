"""Loss and accuracy."""

from allometry.measures.network import Network

__all__ = ["losses"]


def losses(net: Network) -> dict[str, float]:
    """Loss and metrics: of class labels `train_loss`, `test_loss` (nats an example),
    `train_accuracy`, `test_accuracy` (0 to 1)."""
    return dict(net.losses)
