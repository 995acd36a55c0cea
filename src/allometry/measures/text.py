"""Losses of text in bits a byte, the unit in which tokenisers are compared."""

import math

from allometry.datasets.text.text import Text
from allometry.errors import UsageError
from allometry.measures.network import Network

__all__ = ["bits_per_byte"]


def bits_per_byte(net: Network) -> dict[str, float]:
    """The test loss in bits a byte, and what it is computed from.

    The loss is the mean over tokens in nats; of n tokens of b bytes in all it is
    ``loss n / (b ln 2)`` bits a byte, over exactly the tokens that were tested.

    Returns:
        `test_bits_per_byte` and, where there is a validation part, `valid_bits_per_byte`;
        `test_bytes`, `valid_bytes`: of these tokens.

    Raises:
        UsageError: the data are no `Text`.
    """
    data = net.spec.data
    if not isinstance(data, Text):
        raise UsageError(f"bits_per_byte is of text, data=Text(...), got {type(data).__name__}")
    out = {}
    for part, (_, targets) in net.split.parts().items():
        if part != "train":
            n_bytes = data.bytes_of(targets)
            nats = net.losses[f"{part}_loss"]
            out[f"{part}_bits_per_byte"] = nats * targets.size / (n_bytes * math.log(2))
            out[f"{part}_bytes"] = float(n_bytes)
    return out
