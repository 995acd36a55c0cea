"""Numbers stored with the code of 2205.10343 (`toy/results`), for comparison.

Phases are by the rule of the paper's table 1 with a lag of 1,000 steps and 10,000 steps in all, as
in the stored results: C comprehension, G grokking, M memorisation, X confusion.
"""

import numpy as np

__all__ = ["FIGURE_3", "FIGURE_4", "MAPS", "RATES", "ROWS", "TRAIN_SIZES"]

RATES = tuple(float(f"{rate:.4g}") for rate in np.geomspace(1e-5, 1e-2, 10))
DECAYS = tuple(float(d) for d in range(11))

# Value of each row from the top: the representation's learning rate (5a), or the decoder's weight
# decay.
ROWS = {
    "5a": RATES,
    "5b": DECAYS,
    "5c": DECAYS,
    "5d": (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0, 200.0),
}
# A string for each row, with a letter for each of the decoder's learning rates in `RATES`.
MAPS = {
    "5a": (
        "XXXMMMMMMM", "XXXMMMMMMM", "XXMMMMMMMM", "XXMMMMMMMM", "MGMMMMMMMM",
        "MGCMMMMMMM", "MGGCMMMMMM", "MGGCCCMMMM", "XGGCCCCMMM", "XGGCCCCCMM",
    ),
    "5b": (
        "MGGCMMMMMM", "MGGCMMMMMM", "MGGCCMMMMM", "XGGCCMMMMX", "XGGCCMMMMX", "XGGGCXMXXC",
        "XMGGCXXXXC", "XMMMGXXXXM", "XMMMGGXXXX", "XMMMMMXXMX", "XMXMMMMXXX",
    ),
    "5c": (
        "CCCMMMMMMM", "CGCMMMMMMM", "CCCMMMMMMM", "CGCMMMMMMM", "CGCMMMMMMM", "XCCMMMMMMX",
        "XGCMMMMMMX", "XCCMMMMMXX", "XCGMMMMXXX", "XCMXMMXXXX", "XXMXXXXXXX",
    ),
    "5d": (
        *("MMCCCCCCCC",) * 7, "MMGCCCCCGC", "MMGCGCMMMM", "MMMMMMMXXX", "XXXXXXXXXX",
    ),
}  # fmt: skip

TRAIN_SIZES = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 54)
# Accuracy on all 55 questions after 5,000 steps, seeds 0, 1, 2, ``(sizes, seeds)``.
FIGURE_3 = np.array([
    (0.127, 0.109, 0.145), (0.218, 0.273, 0.255), (0.273, 0.309, 0.436), (0.455, 0.364, 0.582),
    (0.491, 0.527, 0.909), (0.709, 0.564, 0.927), (0.764, 0.745, 0.982), (0.909, 0.782, 1.0),
    (0.909, 1.0, 1.0), (0.964, 0.964, 0.982), (0.927, 0.964, 0.982),
])  # fmt: skip
# Steps until RQI is above 0.95, at most 9,999, for the same sizes and seeds.
FIGURE_4 = np.array([
    *((9999, 9999, 9999),) * 4, (9999, 9999, 2553), (9999, 9999, 739), (9999, 9999, 1171),
    (867, 9999, 943), (833, 1071, 887), (1011, 1272, 977), (1033, 1086, 850),
])  # fmt: skip
