"""What is predicted of networks of several widths, with and without muP, and to what margins."""

from math import inf, log10

from allometry.claims import NoEffect, Optimum, Slope
from allometry.claims.claim import Claim

__all__ = ["FEW", "FEW_RATE", "RATES", "SOURCE", "claims"]

SOURCE = "Yang et al. 2022, Tensor Programs V, 2203.03466"
RATES, FEW = [2.0**-k for k in range(3, 13)], 4
FEW_RATE = 2.0**-8
STANDARD, MUP = "parametrisation==standard", "parametrisation==mup"
TRAINED, CHECKED = f"steps>{FEW}", f"steps=={FEW}"  # the coordinate check is after a few updates


def claims(start: str) -> list[Claim]:
    """The best rate falls with the width or stays; the outputs move farther or equally far.

    Args:
        start: the name of the standard parametrisation.
    """
    return [
        Optimum("learning_rate", "train_loss", moves_with="width", predicts=(-inf, 0),
                where=[STANDARD, TRAINED], source=f"{SOURCE}, figure 1, left",
                says=f"With {start} the best learning rate falls with the width"),
        Optimum("learning_rate", "train_loss", moves_with="width", stays=0.125,
                where=[MUP, TRAINED], source=f"{SOURCE}, figure 1, right",
                says="In muP the best learning rate does not move with the width"),
        Slope("width", "output_change", predicts=(0, inf), where=[STANDARD, CHECKED],
              source=f"{SOURCE}, appendix D.1",
              says=f"With {start} the outputs move farther in a wider network"),
        NoEffect("width", "output_change", ylog=True, margin=log10(2), where=[MUP, CHECKED],
                 why="a factor of 2 in the outputs' change", source=f"{SOURCE}, appendix D.1",
                 says="In muP the outputs move equally far at all widths"),
    ]  # fmt: skip
