"""The replication's one run, as its author printed it, and how near runs of the same sizes are.

Numbers and tolerances: the stored outputs of `qualtization-scaling.ipynb` of 2023-10-13
(robertmkjeffrey/quantization-scaling, seed 003), unseeded; a tolerance is what three runs
of the same code from other seeds leave open.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.stats.interval import NO_VALUE, Interval
from allometry.stats.means import next_draw_reach
from allometry.stats.resample import bootstrap
from allometry.studies.sparse_parity.trajectories import ParityTrajectory

__all__ = [
    "BANDS", "HALF_LEARNT", "PRINTED", "STEPS_AN_EPOCH", "as_one_more", "deviation", "farthest",
    "in_the_authors_place", "in_tolerances", "is_notebook", "printed_losses",
    "tolerance",
    "what_seeds_allow",
]  # fmt: skip

Array = NDArray[np.float64]
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


def is_notebook(run: ParityTrajectory) -> bool:
    """Whether a run has the notebook's sizes and length."""
    same = all(run.row[name] == value for name, value in SETTING.items())
    return same and len(run.step) >= STEPS_AN_EPOCH * 500


def tolerance(epoch: Array) -> Array:
    """The relative tolerance at each epoch, ``(epochs,)``."""
    out = np.zeros(len(epoch))
    for first, last, allowed in BANDS:
        out[(epoch >= first) & (epoch <= last)] = allowed
    return out


def printed_losses(runs: Sequence[ParityTrajectory]) -> Array:
    """Losses of these runs at the printed epochs, ``(runs, epochs)``."""
    # The last batch of each printed epoch.
    at = (STEPS_AN_EPOCH * (PRINTED[:, 0] + 1)).astype(int) - 1
    return np.array([run.loss[at] for run in runs])


def deviation(runs: Sequence[ParityTrajectory]) -> Array:
    """Mean loss of these runs over the printed one, less 1, at each printed epoch."""
    return np.asarray(np.mean(printed_losses(runs), axis=0) / PRINTED[:, 1] - 1)


def in_tolerances(runs: Sequence[ParityTrajectory]) -> Array:
    """How far their mean loss is off each printed one, in units of what is granted there."""
    return np.asarray(np.abs(deviation(runs)) / tolerance(PRINTED[:, 0]))


def farthest(runs: Sequence[ParityTrajectory], resamples: int = 1000) -> Interval:
    """The largest of `in_tolerances`, with its 95% interval from resampled seeds."""
    losses = printed_losses(runs)
    n, allowed = len(losses), tolerance(PRINTED[:, 0])

    def worst(some: Array) -> dict[str, float]:
        off = np.abs(np.mean(some, axis=0) / PRINTED[:, 1] - 1)
        return {"worst": float((off / allowed).max())}

    return bootstrap(
        losses,
        worst,
        lambda rng: losses[rng.integers(n, size=n)],
        resamples=resamples if n > 1 else 0,
    )["worst"].with_value_inside()


def in_the_authors_place(runs: Sequence[ParityTrajectory]) -> NDArray[np.int64]:
    """For each run: how many of its losses at the printed epochs the mean of the others meets
    within the tolerances there. What seeds alone allow, ``(runs,)``; empty for fewer than 3."""
    losses = printed_losses(runs)
    if len(losses) < 3:
        return np.array([], dtype=np.int64)
    others = (losses.sum(axis=0) - losses) / (len(losses) - 1)
    met = np.abs(others / losses - 1) <= tolerance(PRINTED[:, 0])
    return np.asarray(met.sum(axis=1))


def what_seeds_allow(runs: Sequence[ParityTrajectory]) -> str:
    """`in_the_authors_place` in words; none where there are too few runs."""
    met = in_the_authors_place(runs)
    if not len(met):
        return ""
    return (
        f"each of our own runs in the author's place: the mean of the others meets {met.min()} to "
        f"{met.max()} of its {len(PRINTED)} losses"
    )


def as_one_more(runs: Sequence[ParityTrajectory]) -> Interval:
    """How far the printed losses are from where one more run is expected: 1 is its 95% limit.

    The largest over the printed epochs, with its range as each run is left out in turn.
    """

    def worst(losses: Array) -> float:
        reach = next_draw_reach(len(losses)) * losses.std(axis=0, ddof=1)
        return float(np.max(np.abs(PRINTED[:, 1] - losses.mean(axis=0)) / reach))

    if len(runs) < 3:
        return NO_VALUE
    losses = printed_losses(runs)
    value = worst(losses)
    without = [worst(np.delete(losses, i, axis=0)) for i in range(len(losses))]
    return Interval(value, min(value, *without), max(value, *without))
