"""Lists of data set and network sizes."""

import math

import numpy as np

__all__ = ["halving_pairs", "log_spaced"]


def log_spaced(low_exponent: float, high_exponent: float, count: int) -> list[int]:
    """`count` numbers evenly spaced in log10, truncated to integers as by ``astype(int)``."""
    return [int(n) for n in np.logspace(low_exponent, high_exponent, count)]


def halving_pairs(
    low: float, high: float, count: int, quadratic: float, linear: float
) -> list[tuple[int, int]]:
    """Hidden widths (h1, h1/2) whose parameter counts are close to log-spaced targets.

    For each target N, h1 is the rounded positive root of ``quadratic h1^2 + linear h1 = N`` (round
    half to even) and h2 = round(h1 / 2), both at least 1. Repeated pairs are left out. With 0.5
    and 789 this is `generate_hidden_configs` of the N-scaling notebook (notebook 000).
    """
    pairs = []
    for target in np.logspace(math.log10(low), math.log10(high), count):
        root = (-linear + np.sqrt(linear**2 + 4 * quadratic * target)) / (2 * quadratic)
        h1 = max(1, round(float(root)))
        pairs.append((h1, max(1, round(h1 / 2))))
    return list(dict.fromkeys(pairs))
