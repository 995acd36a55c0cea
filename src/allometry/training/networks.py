"""Conversion of networks, during or after training, to arrays for a file and back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.measures.network import Network
from allometry.training.program import Program, epoch_at
from allometry.training.saved import Saved

__all__ = ["arrays_of", "network_of"]


def arrays_of(net: Network, where: str) -> dict[str, NDArray[Any]]:
    """Parameters and losses of a network, under names that begin with `where`."""
    arrays = {f"{where}/{name}": array for name, array in net.params.items()}
    losses = np.array(list(net.losses.values()), dtype=np.float64)
    return {f"{where} losses": losses, **arrays}


def network_of(
    program: Program, k: int, saved: Saved, where: str, step: int, names: Sequence[str]
) -> Network:
    """The inverse of `arrays_of` for member k of a program; its parameters are read-only.

    Args:
        saved: content of the file; its facts have the names of the losses.
        step: number of updates the network had made.
        names: names of its parameters. Their order decides the last bits of sums over them.
    """
    params = {name: saved.arrays[f"{where}/{name}"] for name in names}
    for array in params.values():
        array.setflags(write=False)
    values = saved.arrays[f"{where} losses"].tolist()
    losses = dict(zip(saved.facts["losses"], values, strict=True))
    return Network(
        program.specs[k], program.models[k], params, losses, program.splits[k],
        epoch_at(program, k, step), step,
    )  # fmt: skip
