"""Notices about trained networks with impossible losses, or that learnt nothing."""

import jax.numpy as jnp
import numpy as np

from allometry.measures.network import Network
from allometry.spec.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    Huber,
    SquaredError,
)
from allometry.spec.metrics import is_classes

__all__ = ["notice"]

NEVER_NEGATIVE = (CrossEntropy, BinaryCrossEntropy, SquaredError, Huber)
LEAST_UPDATES = 100  # after fewer updates a network need not have learnt anything
CHANCE = 0.98  # a loss above this share of the best constant output's loss has not left chance
EXAMPLES = 64  # number of examples whose outputs are compared


def notice(net: Network) -> str:
    """A sentence about a network; empty without a notice.

    Outputs are tested for being constant only if the loss has not left chance, because constant
    outputs cannot do better.
    """
    loss = net.spec.train.loss
    losses = {name: value for name, value in net.losses.items() if name.endswith("_loss")}
    if isinstance(loss, NEVER_NEGATIVE):
        negative = [name for name, value in losses.items() if value < 0]
        if negative:
            return f"{negative[0]} is negative, which {type(loss).__name__} cannot be"
    chance = chance_loss(net)
    # Without a training loss the default 0 gives no notice.
    train_loss = losses.get("train_loss", 0.0)
    if net.step < LEAST_UPDATES or not train_loss > CHANCE * chance > 0:
        return ""
    if _is_constant(net):
        return "the outputs are the same for all examples"
    return f"the training loss never left chance, which is {chance:.4g}"


def chance_loss(net: Network) -> float:
    """The training loss of the best constant output; NaN if no formula is known.

    For cross-entropy it is the entropy of the class shares in nats, for the squared error the
    variance of the targets.
    """
    loss, targets = net.spec.train.loss, net.split.train_y
    if isinstance(loss, CrossEntropy) and is_classes(targets):
        shares = np.bincount(targets.ravel()) / targets.size
        return float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
    if isinstance(loss, SquaredError) and not is_classes(targets):
        return float(np.asarray(targets, np.float64).reshape(len(targets), -1).var(axis=0).mean())
    return float("nan")


def _is_constant(net: Network) -> bool:
    params = {name: jnp.asarray(array) for name, array in net.params.items()}
    outputs = np.asarray(net.model.apply(params, jnp.asarray(net.split.train_x[:EXAMPLES])))
    return bool(np.all(outputs == outputs[0]))
