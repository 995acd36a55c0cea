"""What the symbols of these studies mean, for their pages."""

from collections.abc import Mapping

__all__ = ["SYMBOLS"]

SYMBOLS: Mapping[str, str] = {
    "N": "number of parameters",
    "D": "number of training examples",
    "L": "test loss",
    "L_inf": "the loss taken for the limit: the lowest, or the mean of the last five",
    "H'_TSE": "one over the summed inverse costs of the paths from a hidden unit to the output, "
    "mean over units (measures.path_entropies)",
    "H'_SIE": "entropy in bits of these paths, which weigh the less the more they cost, mean over "
    "units",
}
