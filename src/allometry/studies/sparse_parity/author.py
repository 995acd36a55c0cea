"""The replication's one run, as its author printed it, and how near runs of the same sizes are.

Numbers and tolerances: the stored outputs of `qualtization-scaling.ipynb` of 2023-10-13
(robertmkjeffrey/quantization-scaling, seed 003), unseeded; a tolerance is what three runs
of the same code from other seeds leave open.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.stats.interval import Interval
from allometry.studies.sparse_parity.trajectories import Course, draw_reach

__all__ = [
    "BANDS", "HALF_LEARNT", "PRINTED", "STEPS_AN_EPOCH", "as_one_more", "deviation", "farthest",
    "in_the_authors_place", "in_tolerances", "is_notebook", "tolerance",
    "what_seeds_allow",
]  # fmt: skip

STEPS_AN_EPOCH = 5  # 100,000 samples in batches of 20,000

# Epoch (the first is 0) and the loss of its last batch, nats.
PRINTED = np.array([
    (0, 0.6956), (14, 0.6933), (29, 0.6907), (41, 0.6761), (57, 0.6191), (72, 0.5481),
    (87, 0.4804), (102, 0.4311), (114, 0.4004), (129, 0.3669), (145, 0.3418), (161, 0.3210),
    (178, 0.3042), (189, 0.2919), (201, 0.2806), (214, 0.2709), (228, 0.2586), (244, 0.2449),
    (260, 0.2343), (276, 0.2278), (292, 0.2167), (307, 0.2046), (316, 0.2004), (330, 0.1971),
    (346, 0.1896), (362, 0.1815), (377, 0.1737), (392, 0.1705), (404, 0.1609), (420, 0.1578),
    (432, 0.1522), (440, 0.1499), (454, 0.1418), (469, 0.1389), (476, 0.1327), (488, 0.1304),
    (494, 0.1281), (499, 0.1240),
])  # fmt: skip

# First epoch, last epoch, tolerance relative to the printed loss. Two percent on the plateau, which
# is stated as lasting to about epoch 40; between two bands the wider tolerance holds.
BANDS = ((0, 41, 0.02), (42, 113, 0.08), (114, 450, 0.04), (451, 499, 0.12))
PLATEAU = (0.693, 0.700)  # the loss of the first epoch, nats

# Step at which the author's tasks 0 to 3 are half learnt, read by eye off the figure.
HALF_LEARNT = (370.0, 750.0, 1350.0, 2080.0)

# What makes a run one of the notebook's.
SETTING: Mapping[str, Any] = {
    "n_tasks": 10, "n_bits": 100, "k": 3, "alpha": 0.4, "offset": 0.0, "width": 200,
    "batch_size": 20_000, "learning_rate": 1e-3, "n_samples": 0, "measure_every": 1,
}  # fmt: skip


def is_notebook(course: Course) -> bool:
    """Whether a run has the notebook's sizes and length."""
    same = all(course.row[name] == value for name, value in SETTING.items())
    return same and len(course.step) >= STEPS_AN_EPOCH * 500


def tolerance(epoch: NDArray[np.float64]) -> NDArray[np.float64]:
    """The relative tolerance at each epoch, ``(epochs,)``."""
    out = np.zeros(len(epoch))
    for first, last, allowed in BANDS:
        out[(epoch >= first) & (epoch <= last)] = allowed
    return out


def deviation(found: Sequence[Course]) -> NDArray[np.float64]:
    """Mean loss of these runs over the printed one, less 1, at each printed epoch."""
    mean = np.mean([course.loss[_at()] for course in found], axis=0)
    return np.asarray(mean / PRINTED[:, 1] - 1)


def in_tolerances(found: Sequence[Course]) -> NDArray[np.float64]:
    """How far their mean loss is off each printed one, in units of what is granted there."""
    return np.asarray(np.abs(deviation(found)) / tolerance(PRINTED[:, 0]))


def farthest(found: Sequence[Course], resamples: int = 1000) -> Interval:
    """The largest of `in_tolerances`, with its 95% interval from seeds drawn anew."""
    value = float(in_tolerances(found).max())
    if len(found) < 2:
        return Interval(value, np.nan, np.nan)
    picks = np.random.default_rng(0).integers(len(found), size=(resamples, len(found)))
    drawn = [in_tolerances([found[i] for i in pick]).max() for pick in picks]
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
    return Interval(value, min(value, low), max(value, high))


def in_the_authors_place(found: Sequence[Course]) -> NDArray[np.int64]:
    """For each run: how many of its losses at the printed epochs the mean of the others meets
    within the tolerances there. What seeds alone allow, ``(runs,)``; empty for fewer than 3."""
    losses = np.array([course.loss[_at()] for course in found])
    if len(losses) < 3:
        return np.array([], dtype=np.int64)
    others = (losses.sum(axis=0) - losses) / (len(losses) - 1)
    met = np.abs(others / losses - 1) <= tolerance(PRINTED[:, 0])
    return np.asarray(met.sum(axis=1))


def what_seeds_allow(found: Sequence[Course]) -> str:
    """`in_the_authors_place` in words; none where there are too few runs."""
    met = in_the_authors_place(found)
    if not len(met):
        return ""
    return (
        f"each of our own runs in the author's place: the mean of the others meets {met.min()} to "
        f"{met.max()} of its {len(PRINTED)} losses"
    )


def as_one_more(found: Sequence[Course]) -> Interval:
    """How far the printed losses are from where one more run is expected: 1 is its 95% limit.

    The largest over the printed epochs, with its range as each run is left out in turn.
    """

    def worst(losses: NDArray[np.float64]) -> float:
        reach = draw_reach(len(losses)) * losses.std(axis=0, ddof=1)
        return float(np.max(np.abs(PRINTED[:, 1] - losses.mean(axis=0)) / reach))

    if len(found) < 3:
        return Interval(float("nan"), float("nan"), float("nan"))
    losses = np.array([course.loss[_at()] for course in found])
    value = worst(losses)
    without = [worst(np.delete(losses, i, axis=0)) for i in range(len(losses))]
    return Interval(value, min(value, *without), max(value, *without))


def _at() -> NDArray[np.int64]:
    """Positions of the last batch of each printed epoch."""
    return np.asarray((STEPS_AN_EPOCH * (PRINTED[:, 0] + 1)).astype(int) - 1)
