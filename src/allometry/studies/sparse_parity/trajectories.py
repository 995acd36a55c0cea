"""Sparse-parity runs along training: when each task is learnt, and how sharply.

Losses are in nats as stored; `BIT` turns them into the bits of Michaud et al. (2303.13506).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.laws.quanta import frequencies
from allometry.stats.lines import log_line
from allometry.tables.table import Table

__all__ = [
    "BIT",
    "FALLING",
    "HALF",
    "LEARNT",
    "Order",
    "ParityTrajectory",
    "above_chance",
    "collapse",
    "convergence",
    "crossing",
    "each_alpha",
    "finished",
    "half_learnt",
    "leading",
    "learnt",
    "off_the_curve",
    "online",
    "sharpness",
    "span",
    "trajectories",
]  # fmt: skip

Array = NDArray[np.float64]

BIT = float(np.log(2))  # nats
HALF = 0.35  # nats: a task is half learnt below (studies.md 003.2; chance is 0.693)
FALLING = 0.95 * BIT  # a loss has begun to fall: the paper's first point of its law in D
LEARNT = 0.1 * BIT  # and learnt below 0.1 bit (Michaud et al., appendix)


class ParityTrajectory(NamedTuple):
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


def finished(table: Table) -> list[ParityTrajectory]:
    """The finished runs along training, by alpha, seed and width."""
    done = table.where(status="done").sort("alpha", "seed", "width", "n_samples")
    return [_trajectory(done, row) for row in done]


def online(table: Table) -> list[ParityTrajectory]:
    """Of each alpha and seed the widest network on fresh samples."""
    fresh = table.where(status="done", n_samples=0)
    if not len(fresh):
        return []
    return [c for c in finished(fresh) if c.row["width"] == fresh["width"].max()]


def half_learnt(run: ParityTrajectory, below: float = HALF) -> Array:
    """Step at which each task's loss first falls below, ``(n_tasks,)``; NaN where it never does."""
    return np.array([crossing(run.step, loss, below) for loss in run.tasks.T])


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


class Order(NamedTuple):
    """The pairs of tasks of one run of which at least one is learnt; of the others, nothing is
    known. A task that is never learnt counts as later than all that are.

    Attributes:
        right: pairs of which the more frequent task is learnt first. pairs: all.
        nearest: step of the rarer task over that of the more frequent, the smallest of all pairs:
            below 1 where the order is broken anywhere. A task that is never learnt has the last
            step, the earliest it could be learnt at. NaN where none is learnt.
    """

    right: int
    pairs: int
    nearest: float

    @classmethod
    def of(cls, learnt: Array, last: float) -> "Order":
        """Of the steps at which tasks are learnt, NaN for never, and the last step of the run."""
        known = np.isfinite(learnt)
        frequent, rare = np.triu_indices(len(learnt), 1)
        told = known[frequent] | known[rare]
        frequent, rare = frequent[told], rare[told]
        later, earliest = (np.where(known, learnt, end) for end in (np.inf, last))
        ratios = earliest[rare] / earliest[frequent]
        return cls(
            right=int((later[frequent] < later[rare]).sum()),
            pairs=len(ratios),
            nearest=float(ratios.min()) if len(ratios) else float("nan"),
        )


def learnt(run: ParityTrajectory) -> NDArray[np.int64]:
    """Number of tasks at least half learnt at each point, ``(points,)``."""
    return np.asarray((run.tasks < HALF).sum(axis=1))


def convergence(run: ParityTrajectory, below: float = HALF) -> float:
    """x of t proportional to p^-x, over the leading tasks; t as in `half_learnt`.

    Tasks behind the first that stays unlearnt are left out: those of them that are learnt are
    the lucky ones, and would flatten the line.
    """
    half = half_learnt(run, below)
    n = leading(half)
    return -log_line(run.frequencies[:n], half[:n]).slope


def collapse(run: ParityTrajectory, x: float) -> Array:
    """Steps times p^x of each task, ``(points, n_tasks)``: tasks learnt after p^-x agree."""
    return np.asarray(run.step[:, None] * run.frequencies**x)


def sharpness(run: ParityTrajectory) -> tuple[float, float]:
    """Factor in time from three quarters of chance to a quarter: of a task (median), of the whole.

    The whole counts to its last point where it does not get there: a lower bound.
    """
    high, low = 0.75 * BIT, 0.25 * BIT
    each = [crossing(run.step, loss, low) / crossing(run.step, loss, high) for loss in run.tasks.T]
    factors = [factor for factor in each if np.isfinite(factor)]
    end = crossing(run.step, run.test_loss, low)
    whole = (end if np.isfinite(end) else float(run.step[-1])) / crossing(
        run.step, run.test_loss, high
    )
    return (float(np.median(factors)) if factors else float("nan")), whole


def above_chance(run: ParityTrajectory) -> float:
    """Mean loss above ln 2 of tasks not begun, from where the first is half learnt on; nats."""
    behind = run.tasks[(run.tasks < HALF).any(axis=1).cumsum() > 0]
    near = behind[behind > FALLING]
    return float(near.mean() - BIT) if len(near) else float("nan")


def off_the_curve(run: ParityTrajectory) -> float:
    """Mean of the test loss less L_n, n the number of tasks learnt, while it falls; bits."""
    share = np.append(0.0, np.cumsum(run.frequencies))
    gap = run.test_loss / BIT - (1 - share[learnt(run)])
    falling = run.test_loss < FALLING
    return float(gap[falling].mean()) if falling.any() else float("nan")


def span(values: Sequence[float] | Array) -> str:
    """Smallest and largest of whole numbers, in words."""
    low, high = np.nanmin(values), np.nanmax(values)
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


def trajectories(table: Table) -> Table:
    """Every point of every run on fresh samples: seed, step, loss and each task's loss, as the
    notebook logs them; where runs differ in width or alpha, those columns too."""
    fresh = [run for run in finished(table) if run.row["n_samples"] == 0]
    varying = [n for n in ("alpha", "width") if len({run.row[n] for run in fresh}) > 1]
    columns: dict[str, Any] = {
        name: np.concatenate([_repeated(run, name) for run in fresh]) for name in ("seed", *varying)
    }
    columns["step"] = np.concatenate([run.step for run in fresh]).astype(np.int64)
    columns["loss"] = np.concatenate([run.loss for run in fresh])
    tasks = np.concatenate([run.tasks for run in fresh])
    columns |= {f"task_{i}_loss": tasks[:, i] for i in range(tasks.shape[1])}
    return Table(columns)


def _repeated(run: ParityTrajectory, name: str) -> NDArray[Any]:
    return np.full(len(run.step), run.row[name])


def _trajectory(table: Table, row: Mapping[str, Any]) -> ParityTrajectory:
    arrays = table.trajectories[row["run_id"]]
    return ParityTrajectory(
        row=row,
        step=arrays["step"].astype(float),
        loss=arrays["loss"].astype(float),
        test_loss=arrays["test_loss"].astype(float),
        tasks=arrays["task_loss"].astype(float),
        frequencies=frequencies(int(row["n_tasks"]), float(row["alpha"]), float(row["offset"])),
    )


def each_alpha(runs: Sequence[ParityTrajectory]) -> Iterator[tuple[float, list[ParityTrajectory]]]:
    """Runs by alpha."""
    for alpha in sorted({float(run.row["alpha"]) for run in runs}):
        yield alpha, [run for run in runs if run.row["alpha"] == alpha]
