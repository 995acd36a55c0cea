"""The times at which networks memorise their training set and generalise.

The module has the four phases of Liu et al. (2205.10343, Table 1) and the numbers along training
that the studies `mnist_grokking` and `modular_addition` share.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.stats import lines
from allometry.stats.interval import Interval
from allometry.stats.means import mean
from allometry.tables.table import Table

__all__ = [
    "LAG", "MEMORISED", "PHASES", "DelayedRun", "Times", "after", "at", "each_seed", "edges_of",
    "finished", "in_words", "law_by_seed", "phase", "reached", "times_of", "train_slope",
]  # fmt: skip

Array = NDArray[np.float64]
MEMORISED = 0.9  # training accuracy at which the training set is learnt (2205.10343, Table 1)
LAG = 1_000  # least number of updates from memorising to generalising in grokking (Table 1)
PHASES = {
    "C": "comprehension",
    "G": "grokking",
    "M": "memorisation",
    "X": "confusion",
}


@dataclass(frozen=True)
class DelayedRun:
    """A finished run: its row, and its columns along training.

    Attributes:
        row: its columns in the table.
        step: updates made at each point, ``(points,)``, ascending from 0.
        along: values of each column along training, ``(points, ...)``.
        t_train: updates until the training accuracy reached `MEMORISED`; NaN for never.
        t_test: updates until the test accuracy reached the study's threshold for generalising;
            NaN for never.
    """

    row: Mapping[str, Any]
    step: Array
    along: Mapping[str, NDArray[Any]]
    t_train: float
    t_test: float

    @property
    def lag(self) -> float:
        """Updates from memorising to generalising."""
        return self.t_test - self.t_train

    @property
    def phase(self) -> str:
        """A key of `PHASES`; see `phase`."""
        return phase(self.t_train, self.t_test)


def finished(table: Table, generalised: float) -> list[DelayedRun]:
    """The finished runs with their trajectories, by seed and then in the order of the table.

    Args:
        generalised: test accuracy at which a network generalises, 0 to 1.

    Raises:
        DataError: there is no finished run, or one has no trajectory.
    """
    runs = []
    for row in table.where(status="done"):
        along = table.trajectories.get(row["run_id"])
        if along is None:
            raise DataError(
                f"run {row['run_id'][:12]} is without trajectories; use a table from a store, "
                "because one from a CSV file has no trajectories"
            )
        step = np.asarray(along["epoch"], float) * (row["steps"] / row["epochs"])
        runs.append(
            DelayedRun(
                row, step, along,
                reached(step, np.asarray(along["train_accuracy"], float), MEMORISED),
                reached(step, np.asarray(along["test_accuracy"], float), generalised),
            )
        )  # fmt: skip
    if not runs:
        raise DataError("no finished run to analyse; train some with `allometry run`")
    return sorted(runs, key=lambda run: int(run.row["seed"]))


def reached(step: Array, values: Array, bound: float) -> float:
    """The step at which values along training first reach a bound; NaN for never.

    Between the last point below the bound and the first at or above it, values are interpolated
    linearly in the logarithm of step + 1.
    """
    above = np.flatnonzero(values >= bound)
    if not len(above):
        return float("nan")
    i = int(above[0])
    if i == 0:
        return float(step[0])
    part = (bound - values[i - 1]) / (values[i] - values[i - 1])
    ends = np.log1p(step[i - 1 : i + 1])
    return float(np.expm1(ends[0] + part * (ends[1] - ends[0])))


def phase(t_train: float, t_test: float) -> str:
    """The phase C, G, M or X by Table 1 of 2205.10343, within the updates made."""
    if np.isnan(t_train):
        return "X"
    if np.isnan(t_test):
        return "M"
    return "C" if t_test - t_train < LAG else "G"


def at(run: DelayedRun, name: str, step: float) -> float:
    """A column at a step, interpolated linearly; NaN if the step is NaN."""
    values = np.asarray(run.along[name], float)
    return float(np.interp(step, run.step, values)) if np.isfinite(step) else float("nan")


def times_of(runs: Sequence[DelayedRun], columns: Sequence[str]) -> Table:
    """The seed, these columns, `t_train`, `t_test`, `lag` (updates) and `phase` of each run."""
    rows = [
        {
            "seed": int(c.row["seed"]),
            **{name: c.row[name] for name in columns},
            "t_train": c.t_train,
            "t_test": c.t_test,
            "lag": c.lag,
            "phase": c.phase,
        }
        for c in runs
    ]
    return Table.from_rows(rows)


# ---- over seeds --------------------------------------------------------------------------


def each_seed(
    runs: Sequence[DelayedRun], number: Callable[[Sequence[DelayedRun]], float]
) -> dict[int, float]:
    """A number computed from each seed's runs; seeds for which it is not finite are left out."""
    seeds = sorted({int(c.row["seed"]) for c in runs})
    values = {s: number([c for c in runs if c.row["seed"] == s]) for s in seeds}
    return {seed: value for seed, value in values.items() if np.isfinite(value)}


def law_by_seed(runs: Sequence[DelayedRun], x: str) -> dict[int, lines.Line]:
    """For each seed the power law of `t_test` in a column, from the runs that generalise.

    Fitted by least squares on log10. A seed with fewer than three such runs is left out.
    """
    laws = {}
    for seed in sorted({int(c.row["seed"]) for c in runs}):
        of_seed = [c for c in runs if c.row["seed"] == seed]
        law = lines.log_line(
            np.array([c.row[x] for c in of_seed], float), np.array([c.t_test for c in of_seed])
        )
        if np.isfinite(law.slope):
            laws[seed] = law
    return laws


def train_slope(runs: Sequence[DelayedRun], x: str) -> float:
    """The exponent of `t_train` in a column, by least squares on log10."""
    return lines.log_line(
        np.array([c.row[x] for c in runs], float), np.array([c.t_train for c in runs])
    ).slope


@dataclass(frozen=True)
class Times:
    """Mean times over runs with one setting, in updates.

    Attributes:
        train: until the training set is learnt.
        test: until the network generalises.
        lag: from the first to the second.
    """

    train: Interval
    test: Interval
    lag: Interval

    @classmethod
    def of(cls, runs: Sequence[DelayedRun]) -> "Times":
        """The mean times of these runs."""
        return cls(
            mean([run.t_train for run in runs]),
            mean([run.t_test for run in runs]),
            mean([run.lag for run in runs]),
        )


def edges_of(runs: Sequence[DelayedRun], x: str) -> list[tuple[float, float]]:
    """The edge of generalisation in a column for each seed.

    An edge is the largest value of the column at which the seed does not generalise, and the next
    larger value at which it does. A seed that generalises at all values, or not at the largest, has
    no edge.
    """
    edges = []
    for seed in sorted({int(c.row["seed"]) for c in runs}):
        times = {float(c.row[x]): c.t_test for c in runs if c.row["seed"] == seed}
        missed = max((value for value, t in times.items() if np.isnan(t)), default=np.nan)
        above = [value for value, t in times.items() if value > missed and np.isfinite(t)]
        if above:
            edges.append((missed, min(above)))
    return edges


def in_words(interval: Interval, digits: int = 3, unit: str = "") -> str:
    """The value and its interval as text for a sentence; "not known" without a value."""
    if np.isnan(interval.value):
        return "not known"
    return interval.shown(partial(_rounded, digits=digits), unit)


def after(time: Interval, runs: Sequence[DelayedRun], digits: int = 3) -> str:
    """The time to generalise as text, with the number of runs that did not in their updates.

    Args:
        time: the mean over the runs that did.
    """
    within = f"within {max(run.step[-1] for run in runs):,.0f} updates"
    if np.isnan(time.value):
        return f"not {within}"
    n_never = sum(np.isnan(run.t_test) for run in runs)
    never = f" ({n_never} of {len(runs)} not {within})" if n_never else ""
    return f"after {in_words(time, digits)} updates{never}"


def _rounded(value: float, digits: int) -> str:
    """A number rounded to `digits` significant digits, without powers of ten; "" if not finite."""
    if not np.isfinite(value):
        return ""
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:.{digits}g}"
