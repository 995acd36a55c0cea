"""Sparse-parity runs along training: when each task is learnt, and how sharply.

Losses are in nats as stored; `BIT` turns them into the bits of Michaud et al. (2303.13506).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from allometry.laws.quanta import frequencies
from allometry.stats.lines import log_line
from allometry.tables.table import Table

__all__ = [
    "BIT",
    "FALLING",
    "HALF",
    "LEARNT",
    "Course",
    "above_chance",
    "collapse",
    "convergence",
    "courses",
    "crossing",
    "draw_reach",
    "each_alpha",
    "half_learnt",
    "leading",
    "learnt",
    "off_the_curve",
    "online",
    "ordered",
    "rank_agreement",
    "sharpness",
    "trajectories",
]  # fmt: skip

Array = NDArray[np.float64]

BIT = float(np.log(2))  # nats
HALF = 0.35  # nats: a task is half learnt below (studies.md 003.2; chance is 0.693)
FALLING = 0.95 * BIT  # a loss has begun to fall: the paper's first point of its law in D
LEARNT = 0.1 * BIT  # and learnt below 0.1 bit (Michaud et al., appendix)


class Course(NamedTuple):
    """One run along its training.

    Attributes:
        row: its columns. step: updates made ``(points,)``.
        loss: of the training batch. test_loss: ``(points,)``, nats.
        tasks: loss of each task, ``(points, n_tasks)``, nats.
        frequencies: of the tasks ``(n_tasks,)``.
    """

    row: Mapping[str, Any]
    step: Array
    loss: Array
    test_loss: Array
    tasks: Array
    frequencies: Array


def courses(table: Table) -> list[Course]:
    """The finished runs along training, by alpha, seed and width."""
    done = table.where(status="done").sort("alpha", "seed", "width", "n_samples")
    return [_course(done, row) for row in done]


def online(table: Table) -> list[Course]:
    """Of each alpha and seed the widest network on fresh samples."""
    fresh = table.where(status="done", n_samples=0)
    if not len(fresh):
        return []
    return [c for c in courses(fresh) if c.row["width"] == fresh["width"].max()]


def half_learnt(course: Course, below: float = HALF) -> Array:
    """Step at which each task's loss first falls below, ``(n_tasks,)``; NaN where it never does."""
    return np.array([crossing(course.step, loss, below) for loss in course.tasks.T])


def crossing(step: Array, loss: Array, below: float) -> float:
    """First step at which a loss is below, a straight line taken between points; NaN for never."""
    under = np.flatnonzero(loss < below)
    if not len(under):
        return float("nan")
    i = int(under[0])
    if i == 0:
        return float(step[0])
    share = (loss[i - 1] - below) / (loss[i - 1] - loss[i])
    return float(step[i - 1] + share * (step[i] - step[i - 1]))


def leading(half: Array) -> int:
    """How many tasks, from the most frequent on, are learnt before the first that is not."""
    return int(np.argmin(np.append(np.isfinite(half), False)))


def ordered(half: Array) -> int:
    """How many tasks, from the most frequent on, are each learnt after the one before."""
    n = leading(half)
    rising = np.append(np.diff(half[:n]) > 0, False)
    return int(np.argmin(rising)) + 1 if n else 0


def rank_agreement(course: Course) -> float:
    """Spearman's correlation of frequency rank and half-learnt step; unlearnt tasks come last."""
    half = half_learnt(course)
    n = int(np.isfinite(half).sum())
    if n < 2:
        return float("nan")
    # Beyond the last one learnt nothing is known of the order.
    last = int(np.flatnonzero(np.isfinite(half))[-1]) + 1
    steps = np.where(np.isfinite(half), half, np.inf)[:last]
    return float(stats.spearmanr(np.arange(last), stats.rankdata(steps)).statistic)


def learnt(course: Course) -> NDArray[np.int64]:
    """Number of tasks at least half learnt at each point, ``(points,)``."""
    return np.asarray((course.tasks < HALF).sum(axis=1))


def convergence(course: Course) -> float:
    """x of t proportional to p^-x, over the leading tasks.

    Tasks behind the first that stays unlearnt are left out: those of them that are learnt are
    the lucky ones, and would flatten the line.
    """
    half = half_learnt(course)
    n = leading(half)
    return -log_line(course.frequencies[:n], half[:n]).slope


def collapse(course: Course, x: float) -> Array:
    """Steps times p^x of each task, ``(points, n_tasks)``: tasks learnt after p^-x agree."""
    return np.asarray(course.step[:, None] * course.frequencies**x)


def sharpness(course: Course) -> tuple[float, float]:
    """Factor in time from three quarters of chance to a quarter: of a task (median), of the whole.

    The whole counts to its last point where it does not get there: a lower bound.
    """
    high, low = 0.75 * BIT, 0.25 * BIT
    each = [
        crossing(course.step, loss, low) / crossing(course.step, loss, high)
        for loss in course.tasks.T
    ]
    reached = [factor for factor in each if np.isfinite(factor)]
    end = crossing(course.step, course.test_loss, low)
    whole = (end if np.isfinite(end) else float(course.step[-1])) / crossing(
        course.step, course.test_loss, high
    )
    return (float(np.median(reached)) if reached else float("nan")), whole


def above_chance(course: Course) -> float:
    """Mean loss above ln 2 of tasks not begun, from where the first is half learnt on; nats."""
    behind = course.tasks[(course.tasks < HALF).any(axis=1).cumsum() > 0]
    near = behind[behind > FALLING]
    return float(near.mean() - BIT) if len(near) else float("nan")


def off_the_curve(course: Course) -> float:
    """Mean of the test loss less L_n, n the number of tasks learnt, while it falls; bits."""
    share = np.append(0.0, np.cumsum(course.frequencies))
    gap = course.test_loss / BIT - (1 - share[learnt(course)])
    falling = course.test_loss < FALLING
    return float(gap[falling].mean()) if falling.any() else float("nan")


def span(values: Sequence[float] | Array) -> str:
    """Smallest and largest of whole numbers, in words."""
    low, high = np.nanmin(values), np.nanmax(values)
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


def draw_reach(n: int) -> float:
    """How many standard deviations of n draws the next one lies from their mean, 95%."""
    return float(stats.t.ppf(0.975, n - 1) * np.sqrt(1 + 1 / n)) if n > 1 else float("nan")


def trajectories(table: Table) -> Table:
    """Every point of every run on fresh samples: seed, step, loss and each task's loss, as the
    notebook logs them; where runs differ in width or alpha, those columns too."""
    found = [c for c in courses(table) if c.row["n_samples"] == 0]
    told = [n for n in ("alpha", "width") if len({c.row[n] for c in found}) > 1]
    columns: dict[str, Any] = {"seed": np.concatenate([_repeated(c, "seed") for c in found])}
    columns |= {name: np.concatenate([_repeated(c, name) for c in found]) for name in told}
    columns["step"] = np.concatenate([c.step for c in found]).astype(np.int64)
    columns["loss"] = np.concatenate([c.loss for c in found])
    tasks = np.concatenate([c.tasks for c in found])
    columns |= {f"task_{i}_loss": tasks[:, i] for i in range(tasks.shape[1])}
    return Table(columns)


def _repeated(course: Course, name: str) -> NDArray[Any]:
    return np.full(len(course.step), course.row[name])


def _course(table: Table, row: Mapping[str, Any]) -> Course:
    kept = table.trajectories[row["run_id"]]
    return Course(
        row=row,
        step=kept["step"].astype(float),
        loss=kept["loss"].astype(float),
        test_loss=kept["test_loss"].astype(float),
        tasks=kept["task_loss"].astype(float),
        frequencies=frequencies(int(row["n_tasks"]), float(row["alpha"]), float(row["offset"])),
    )


def each_alpha(found: Sequence[Course]) -> Iterator[tuple[float, list[Course]]]:
    """Courses by alpha."""
    for alpha in sorted({float(c.row["alpha"]) for c in found}):
        yield alpha, [c for c in found if c.row["alpha"] == alpha]
