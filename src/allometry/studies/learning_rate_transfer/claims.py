"""The claims about networks of several widths, with and without muP, and their margins."""

from math import inf, log10

from allometry.claims import NoEffect, Optimum, Slope
from allometry.claims.claim import Claim

__all__ = ["FEW", "FEW_RATE", "RATES", "SOURCE", "claims"]

SOURCE = "Yang et al. 2022, Tensor Programs V, 2203.03466"
RATES, FEW = [2.0**-k for k in range(3, 13)], 4
FEW_RATE = 2.0**-8
STANDARD, MUP = "parametrisation==standard", "parametrisation==mup"
# Conditions for the trained runs and for those of the coordinate check, after a few updates.
TRAINED, CHECKED = f"steps>{FEW}", f"steps=={FEW}"


def claims(start: str) -> list[Claim]:
    """Claims on the best learning rate and on the change of the outputs, against the width.

    Args:
        start: the name of the initialisation of the standard parametrisation, for sentences.
    """
    return [
        Optimum("learning_rate", "train_loss", moves_with="width", predicts=(-inf, 0),
                where=[STANDARD, TRAINED], source=f"{SOURCE}, figure 1, left",
                says=f"With {start} the best learning rate falls with the width"),
        Optimum("learning_rate", "train_loss", moves_with="width", stays=0.125,
                where=[MUP, TRAINED], source=f"{SOURCE}, figure 1, right",
                says="In muP the best learning rate does not depend on the width"),
        Slope("width", "output_change", predicts=(0, inf), where=[STANDARD, CHECKED],
              source=f"{SOURCE}, appendix D.1",
              says=f"With {start} the outputs change more in a wider network"),
        NoEffect("width", "output_change", ylog=True, margin=log10(2), where=[MUP, CHECKED],
                 why="a factor of 2 in the outputs' change", source=f"{SOURCE}, appendix D.1",
                 says="In muP the outputs change equally at all widths"),
    ]  # fmt: skip
