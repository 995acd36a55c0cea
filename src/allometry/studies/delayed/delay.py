"""When a network has learnt its training set by heart, and when it generalises.

The four phases of Liu et al. 2205.10343 (Table 1) and the numbers two studies take of
courses along training: `mnist_grokking` and `modular_addition`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.stats import lines
from allometry.stats.interval import Interval
from allometry.tables.table import Table

__all__ = [
    "LAG", "MEMORISED", "PHASES", "Course", "at", "courses", "each_seed", "edges_of", "in_words",
    "law_by_seed", "phase", "reached", "times_of",
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
class Course:
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


def courses(table: Table, generalised: float) -> list[Course]:
    """The finished runs with their trajectories, by seed and then in the order of the table.

    Args:
        generalised: test accuracy from which on a network generalises, 0 to 1.

    Raises:
        DataError: there is none, or one has no trajectory.
    """
    found = []
    for row in table.where(status="done"):
        along = table.trajectories.get(row["run_id"])
        if along is None:
            raise DataError(
                f"run {row['run_id'][:12]} comes without trajectories; a table from a store has "
                "them, one from a CSV file has not"
            )
        step = np.asarray(along["epoch"], float) * (row["steps"] / row["epochs"])
        found.append(
            Course(
                row, step, along,
                reached(step, np.asarray(along["train_accuracy"], float), MEMORISED),
                reached(step, np.asarray(along["test_accuracy"], float), generalised),
            )
        )  # fmt: skip
    if not found:
        raise DataError("no finished run to analyse; `allometry run` trains them")
    return sorted(found, key=lambda course: int(course.row["seed"]))


def reached(step: Array, course: Array, bound: float) -> float:
    """When a course first reaches a bound; NaN where it never does.

    Between the last point below and the first at or above, a straight line in the
    logarithm of step + 1.
    """
    above = np.flatnonzero(course >= bound)
    if not len(above):
        return float("nan")
    i = int(above[0])
    if i == 0:
        return float(step[0])
    part = (bound - course[i - 1]) / (course[i] - course[i - 1])
    ends = np.log1p(step[i - 1 : i + 1])
    return float(np.expm1(ends[0] + part * (ends[1] - ends[0])))


def phase(t_train: float, t_test: float) -> str:
    """C, G, M or X, as Table 1 of 2205.10343 has it within the updates made."""
    if np.isnan(t_train):
        return "X"
    if np.isnan(t_test):
        return "M"
    return "C" if t_test - t_train < LAG else "G"


def at(course: Course, name: str, step: float) -> float:
    """A column at a step between its points, in a straight line; NaN at a step that never came."""
    values = np.asarray(course.along[name], float)
    return float(np.interp(step, course.step, values)) if np.isfinite(step) else float("nan")


def times_of(found: Sequence[Course], columns: Sequence[str]) -> Table:
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
        for c in found
    ]
    return Table.from_rows(rows)


# ---- over seeds --------------------------------------------------------------------------


def each_seed(
    found: Sequence[Course], number: Callable[[Sequence[Course]], float]
) -> dict[int, float]:
    """A number of each seed's courses, where it is finite."""
    seeds = sorted({int(c.row["seed"]) for c in found})
    values = {s: number([c for c in found if c.row["seed"] == s]) for s in seeds}
    return {seed: value for seed, value in values.items() if np.isfinite(value)}


def law_by_seed(found: Sequence[Course], x: str) -> dict[int, lines.Line]:
    """For each seed the power law of `t_test` in a column, of the runs that generalise.

    Least squares on log10; a seed with fewer than three such runs has none.
    """
    out = {}
    for seed in sorted({int(c.row["seed"]) for c in found}):
        own = [c for c in found if c.row["seed"] == seed]
        law = lines.log_line(
            np.array([c.row[x] for c in own], float), np.array([c.t_test for c in own])
        )
        if np.isfinite(law.slope):
            out[seed] = law
    return out


def edges_of(found: Sequence[Course], x: str) -> list[tuple[float, float]]:
    """For each seed the largest value of a column at which it does not generalise, and the next
    larger one at which it does; a seed that does or fails throughout has no edge."""
    edges = []
    for seed in sorted({int(c.row["seed"]) for c in found}):
        own = {float(c.row[x]): c.t_test for c in found if c.row["seed"] == seed}
        missed = max((value for value, t in own.items() if np.isnan(t)), default=np.nan)
        above = [value for value, t in own.items() if value > missed and np.isfinite(t)]
        if above:
            edges.append((missed, min(above)))
    return edges


def in_words(interval: Interval, digits: int = 3, unit: str = "") -> str:
    """Value and interval as a sentence holds them; "never" where there is no value."""
    value, low, high = (_rounded(v, digits) for v in interval)
    if np.isnan(interval.value):
        return "never"
    ends = "" if np.isnan(interval.low) else f" [{low}, {high}]"
    return f"{value}{ends}{f' {unit}' if unit else ''}"


def _rounded(value: float, digits: int) -> str:
    if not np.isfinite(value):
        return ""
    kept = float(f"{value:.{digits}g}")
    return f"{kept:,.0f}" if abs(kept) >= 100 else f"{kept:.{digits}g}"
