"""The symbols of these studies and their meanings, for the studies' pages."""

from collections.abc import Mapping

__all__ = ["SYMBOLS"]

SYMBOLS: Mapping[str, str] = {
    "N": "number of parameters",
    "D": "number of training examples",
    "L": "test loss",
    "L_inf": "the loss that the source subtracts as a limit: the lowest, or the mean of the last "
    "five",
    "H'_TSE": "one over the sum of the inverse costs of the paths from a hidden unit to the "
    "output, mean over units (measures.path_entropies)",
    "H'_SIE": "entropy in bits of these paths, with smaller weights for larger costs, mean over "
    "units",
}
