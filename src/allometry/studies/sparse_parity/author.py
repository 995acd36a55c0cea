"""The run of the replication as its author printed it, and its comparison with runs of ours.

The numbers are the stored outputs of `qualtization-scaling.ipynb` of 2023-10-13
(robertmkjeffrey/quantization-scaling, notebook 003), a run without a seed. The tolerances are
from the scatter of three runs of the same code with other seeds.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.findings import Verdict
from allometry.stats.interval import Interval
from allometry.studies.sparse_parity.trajectories import ParityTrajectory

__all__ = [
    "BANDS", "HALF_LEARNT", "PRINTED", "STEPS_AN_EPOCH", "Band", "deviation", "is_notebook", "met",
    "printed_losses", "tolerance",
]  # fmt: skip

Array = NDArray[np.float64]
STEPS_AN_EPOCH = 5  # 100,000 samples in batches of 20,000

# Epoch (the first is 0) and the loss of its last batch in nats.
PRINTED = np.array([
    (0, 0.6956), (14, 0.6933), (29, 0.6907), (41, 0.6761), (57, 0.6191), (72, 0.5481),
    (87, 0.4804), (102, 0.4311), (114, 0.4004), (129, 0.3669), (145, 0.3418), (161, 0.3210),
    (178, 0.3042), (189, 0.2919), (201, 0.2806), (214, 0.2709), (228, 0.2586), (244, 0.2449),
    (260, 0.2343), (276, 0.2278), (292, 0.2167), (307, 0.2046), (316, 0.2004), (330, 0.1971),
    (346, 0.1896), (362, 0.1815), (377, 0.1737), (392, 0.1705), (404, 0.1609), (420, 0.1578),
    (432, 0.1522), (440, 0.1499), (454, 0.1418), (469, 0.1389), (476, 0.1327), (488, 0.1304),
    (494, 0.1281), (499, 0.1240),
])  # fmt: skip

# First epoch, last epoch, and tolerance relative to the printed loss. It is two percent on the
# plateau, which is said to last to about epoch 40; between two bands the wider tolerance holds.
BANDS = ((0, 41, 0.02), (42, 113, 0.08), (114, 450, 0.04), (451, 499, 0.12))
PLATEAU = (0.693, 0.700)  # range of the loss of the first epoch in nats

# Steps at which the author's tasks 0 to 3 are half learnt, read by eye from the figure.
HALF_LEARNT = (370.0, 750.0, 1350.0, 2080.0)

# The columns and values of a run with the notebook's settings.
SETTING: Mapping[str, Any] = {
    "n_tasks": 10, "n_bits": 100, "k": 3, "alpha": 0.4, "offset": 0.0, "width": 200,
    "batch_size": 20_000, "learning_rate": 1e-3, "n_samples": 0, "measure_every": 1,
}  # fmt: skip


def is_notebook(run: ParityTrajectory) -> bool:
    """Whether a run has the notebook's settings and at least its length."""
    same = all(run.row[name] == value for name, value in SETTING.items())
    return same and len(run.step) >= STEPS_AN_EPOCH * 500


def tolerance(epoch: Array) -> Array:
    """The relative tolerance at each epoch, ``(epochs,)``."""
    out = np.zeros(len(epoch))
    for first, last, allowed in BANDS:
        out[(epoch >= first) & (epoch <= last)] = allowed
    return out


def printed_losses(runs: Sequence[ParityTrajectory]) -> Array:
    """Losses of these runs in the last batch of each printed epoch, ``(runs, epochs)``."""
    at = (STEPS_AN_EPOCH * (PRINTED[:, 0] + 1)).astype(int) - 1
    return np.array([run.loss[at] for run in runs])


def deviation(runs: Sequence[ParityTrajectory]) -> Array:
    """Relative difference of the mean loss of these runs from the printed one, ``(epochs,)``."""
    return np.asarray(np.mean(printed_losses(runs), axis=0) / PRINTED[:, 1] - 1)


def met(runs: Sequence[ParityTrajectory]) -> int:
    """Number of printed losses from which the mean loss differs by at most the tolerance."""
    return int((np.abs(deviation(runs)) <= tolerance(PRINTED[:, 0])).sum())


class Band(NamedTuple):
    """A band that contains one further run at all printed epochs with probability 95%.

    Attributes:
        middle: mean over runs of the logarithm of the loss, ``(epochs,)``.
        reach: half the width of the band, ``(epochs,)``; NaN for fewer than 3 runs.
    """

    middle: Array
    reach: Array

    @classmethod
    def of(cls, losses: Array, draws: int = 4000) -> "Band":
        """The band for runs whose logarithmic losses are a Gaussian process.

        The half-width is the same multiple of the standard deviation at every epoch, such that the
        band contains a whole further run with probability 95%. The multiple depends on the
        correlation between epochs; it is estimated from runs simulated with the covariance of
        these.

        Args:
            losses: ``(runs, epochs)``.
            draws: number of simulations, each of as many runs and one further run.
        """
        n, logs = len(losses), np.log(losses)
        middle, spread = logs.mean(axis=0), logs.std(axis=0, ddof=1) if n > 1 else logs[0]
        if n < 3:
            return cls(middle, np.full(len(middle), np.nan))
        mixed = (logs - middle) / np.sqrt(n - 1)
        drawn = np.random.default_rng(0).normal(size=(draws, n + 1, n)) @ mixed
        distance = np.abs(drawn[:, n] - drawn[:, :n].mean(axis=1))
        widths = (distance / drawn[:, :n].std(axis=1, ddof=1)).max(axis=1)
        return cls(middle, float(np.quantile(widths, 0.95)) * spread)

    def over(self, losses: Array) -> list[Interval]:
        """Relative difference of the band from losses ``(epochs,)``: its middle and its ends."""
        off = self.middle - np.log(losses)
        ends = (np.expm1(part).tolist() for part in (off, off - self.reach, off + self.reach))
        return [Interval(*three) for three in zip(*ends, strict=True)]

    def verdict(self, losses: Array, margin: float) -> Verdict:
        """Whether losses ``(epochs,)`` differ by no more than a relative margin at any epoch.

        Agrees if the whole band is within the margin of the losses at every epoch; disagrees if at
        some epoch no part of the band is.
        """
        off, allowed = np.abs(self.middle - np.log(losses)), np.log1p(margin)
        if (off + self.reach <= allowed).all():
            return "agrees"
        return "disagrees" if (off - self.reach > allowed).any() else "undecided"
