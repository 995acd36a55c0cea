"""When a network has memorised its training set, and when it generalises.

The four phases of Liu et al. 2205.10343 (Table 1), and numbers of runs along training that
two studies share: `mnist_grokking` and `modular_addition`.
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
MEMORISED = 0.9  # training accuracy from which a set is learnt (2205.10343, Table 1)
LAG = 1_000  # updates by which generalising must come later to be called grokking (Table 1)
PHASES = {
    "C": "comprehension",
    "G": "grokking",
    "M": "memorisation",
    "X": "confusion",
}


@dataclass(frozen=True)
class DelayedRun:
    """One finished run: its row, and its columns along training.

    Attributes:
        step: updates made at each point, ``(points,)``, rising from 0.
        along: name to ``(points, ...)``.
        t_train, t_test: updates until the training accuracy reached `MEMORISED` and the test
            accuracy what the study calls generalising; NaN where it never did.
    """

    row: Mapping[str, Any]
    step: Array
    along: Mapping[str, NDArray[Any]]
    t_train: float
    t_test: float

    @property
    def lag(self) -> float:
        return self.t_test - self.t_train

    @property
    def phase(self) -> str:
        return phase(self.t_train, self.t_test)


def finished(table: Table, generalised: float) -> list[DelayedRun]:
    """The finished runs with their trajectories, by seed and then in the order of the table.

    Args:
        generalised: test accuracy from which on a network generalises, 0 to 1.

    Raises:
        DataError: there is none, or one has no trajectory.
    """
    runs = []
    for row in table.where(status="done"):
        along = table.trajectories.get(row["run_id"])
        if along is None:
            raise DataError(
                f"run {row['run_id'][:12]} comes without trajectories; a table from a store has "
                "them, one from a CSV file has not"
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
        raise DataError("no finished run to analyse; `allometry run` trains them")
    return sorted(runs, key=lambda run: int(run.row["seed"]))


def reached(step: Array, values: Array, bound: float) -> float:
    """When values along training first reach a bound; NaN where they never do.

    Between the last point below and the first at or above, a straight line in the
    logarithm of step + 1.
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
    """C, G, M or X, as Table 1 of 2205.10343 has it within the updates made."""
    if np.isnan(t_train):
        return "X"
    if np.isnan(t_test):
        return "M"
    return "C" if t_test - t_train < LAG else "G"


def at(run: DelayedRun, name: str, step: float) -> float:
    """A column at a step between its points, in a straight line; NaN at a step that never came."""
    values = np.asarray(run.along[name], float)
    return float(np.interp(step, run.step, values)) if np.isfinite(step) else float("nan")


def times_of(runs: Sequence[DelayedRun], columns: Sequence[str]) -> Table:
    """Seed, the columns named, `t_train`, `t_test`, `lag` (updates) and `phase` of each run."""
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
    """A number of each seed's runs, where it is finite."""
    seeds = sorted({int(c.row["seed"]) for c in runs})
    values = {s: number([c for c in runs if c.row["seed"] == s]) for s in seeds}
    return {seed: value for seed, value in values.items() if np.isfinite(value)}


def law_by_seed(runs: Sequence[DelayedRun], x: str) -> dict[int, lines.Line]:
    """For each seed the power law of `t_test` in a column, of the runs that generalise.

    Least squares on log10; a seed with fewer than three such runs has none.
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
    """Means over runs of one setting, updates.

    Attributes:
        train, test: until the training set is learnt, until it generalises. lag: between them.
    """

    train: Interval
    test: Interval
    lag: Interval

    @classmethod
    def of(cls, runs: Sequence[DelayedRun]) -> "Times":
        return cls(
            mean([run.t_train for run in runs]),
            mean([run.t_test for run in runs]),
            mean([run.lag for run in runs]),
        )


def edges_of(runs: Sequence[DelayedRun], x: str) -> list[tuple[float, float]]:
    """For each seed the largest value of a column at which it does not generalise, and the next
    larger one at which it does; a seed that does or fails throughout has no edge."""
    edges = []
    for seed in sorted({int(c.row["seed"]) for c in runs}):
        times = {float(c.row[x]): c.t_test for c in runs if c.row["seed"] == seed}
        missed = max((value for value, t in times.items() if np.isnan(t)), default=np.nan)
        above = [value for value, t in times.items() if value > missed and np.isfinite(t)]
        if above:
            edges.append((missed, min(above)))
    return edges


def in_words(interval: Interval, digits: int = 3, unit: str = "") -> str:
    """Value and interval as a sentence holds them; "not known" where there is no value."""
    if np.isnan(interval.value):
        return "not known"
    return interval.shown(partial(_rounded, digits=digits), unit)


def after(time: Interval, runs: Sequence[DelayedRun], digits: int = 3) -> str:
    """When something was reached, and how many of the runs did not in the updates they made.

    A time is the mean of those that did.
    """
    made = f"within {max(run.step[-1] for run in runs):,.0f} updates"
    if np.isnan(time.value):
        return f"not {made}"
    late = sum(np.isnan(run.t_test) for run in runs)
    some = f" ({late} of {len(runs)} not {made})" if late else ""
    return f"after {in_words(time, digits)} updates{some}"


def _rounded(value: float, digits: int) -> str:
    """So many significant digits, no powers of ten."""
    if not np.isfinite(value):
        return ""
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:.{digits}g}"
