"""Numbers shared by the findings and figures of the study of modular addition, computed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from allometry.stats.interval import Interval
from allometry.stats.lines import Line
from allometry.stats.means import mean
from allometry.studies.delayed.delay import DelayedRun, Times, each_seed, finished, law_by_seed
from allometry.tables.table import Table

__all__ = ["GENERALISED", "Numbers", "at_fraction", "column_mean", "fractions_of"]

GENERALISED = 0.9  # accuracy on the test pairs at which a network generalises (2205.10343, Table 1)


@dataclass(frozen=True)
class Numbers:
    """All numbers of the findings and figures.

    Attributes:
        runs: all finished runs.
        decayed: the runs with weight decay, or all runs if none has it.
        without: the runs without weight decay.
        learnt: the runs of `decayed` that generalise.
        fraction: the training fraction that was also trained without decay, or the middle one.
        reference: the runs of `decayed` at `fraction`.
        times: the mean times of `reference`.
        without_end: final test accuracy without decay, mean over runs.
        laws: for each seed, the time to generalise as a power of the training fraction.
        time_by_fraction: mean time to generalise at each fraction at which any run does.
        shares: mean share of the variance of the embeddings in the largest frequencies:
            `untrained` over all runs of `decayed`, and at the `end` over those of `learnt`.
    """

    runs: Sequence[DelayedRun]
    decayed: Sequence[DelayedRun]
    without: Sequence[DelayedRun]
    learnt: Sequence[DelayedRun]
    fraction: float
    reference: Sequence[DelayedRun]
    times: Times
    without_end: Interval
    laws: Mapping[int, Line]
    time_by_fraction: Mapping[float, float]
    shares: Mapping[str, float]

    @classmethod
    def of(cls, table: Table) -> "Numbers":
        """The numbers of the finished runs of a table.

        Raises:
            DataError: there is no finished run, or one has no trajectory.
        """
        runs = finished(table, GENERALISED)
        without = [run for run in runs if run.row["weight_decay"] == 0]
        decayed = [run for run in runs if run.row["weight_decay"] > 0] or runs
        learnt = [run for run in decayed if np.isfinite(run.t_test)]
        fraction = _reference(decayed, without)
        reference = at_fraction(decayed, fraction)
        return cls(
            runs=runs,
            decayed=decayed,
            without=without,
            learnt=learnt,
            fraction=fraction,
            reference=reference,
            times=Times.of(reference),
            without_end=mean([float(run.along["test_accuracy"][-1]) for run in without]),
            laws=law_by_seed(decayed, "fraction"),
            time_by_fraction={
                fraction: mean([run.t_test for run in at_fraction(learnt, fraction)]).value
                for fraction in fractions_of(learnt)
            },
            shares={
                "untrained": mean([float(run.along["fourier_share"][0]) for run in decayed]).value,
                "end": mean([float(run.along["fourier_share"][-1]) for run in learnt]).value,
            },
        )


def fractions_of(runs: Sequence[DelayedRun]) -> list[float]:
    """The training fractions of these runs, in ascending order."""
    return sorted({float(run.row["fraction"]) for run in runs})


def at_fraction(runs: Sequence[DelayedRun], fraction: float) -> list[DelayedRun]:
    """The runs with this training fraction."""
    return [run for run in runs if run.row["fraction"] == fraction]


def _reference(decayed: Sequence[DelayedRun], without: Sequence[DelayedRun]) -> float:
    fractions = fractions_of(decayed)
    control = float(without[0].row["fraction"]) if without else np.nan
    return control if control in fractions else fractions[len(fractions) // 2]


def column_mean(runs: Sequence[DelayedRun], name: str, point: int = -1) -> Interval:
    """The mean of a column at one point, over each seed's runs and then over seeds."""
    by_seed = each_seed(
        runs, lambda of_seed: float(np.mean([run.along[name][point] for run in of_seed]))
    )
    return mean(list(by_seed.values()))
