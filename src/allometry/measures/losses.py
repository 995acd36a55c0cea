"""Loss and accuracy."""

from allometry.measures.network import Network

__all__ = ["losses", "test_losses"]


def losses(net: Network) -> dict[str, float]:
    """Loss and metrics over the training, test and validation set.

    Of the training set over `TrainSpec.measure_examples` of its examples.

    Returns:
        of class labels `train_loss`, `test_loss` (nats an example), `train_accuracy`,
        `test_accuracy` (0 to 1); of other losses and metrics theirs, named in the same way.
    """
    return dict(net.losses)


def test_losses(net: Network) -> dict[str, float]:
    """Those of `losses` over the test and validation set.

    ``TrainSpec(measure_examples=0)`` saves evaluating the training set too.
    """
    return {n: value for n, value in net.losses.items() if n.startswith(("test_", "valid_"))}
