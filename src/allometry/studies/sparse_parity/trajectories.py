"""Sparse-parity runs along training: when each task is learnt, and how abruptly.

Losses are in nats as stored. Divided by `BIT` they are in bits, as in Michaud et al. (2303.13506).
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
HALF = 0.35  # nats; a task is half learnt below this loss (chance is 0.693)
FALLING = 0.95 * BIT  # a loss below this has begun to fall, as in the paper's law in D
LEARNT = 0.1 * BIT  # a task is learnt below this loss (Michaud et al., appendix)


class ParityTrajectory(NamedTuple):
    """A run along its training.

    Attributes:
        row: its columns in the table.
        step: updates made at each point, ``(points,)``.
        loss: on the training batch, ``(points,)``, nats.
        test_loss: ``(points,)``, nats.
        tasks: loss of each task, ``(points, n_tasks)``, nats.
        frequencies: of the tasks, ``(n_tasks,)``.
    """

    row: Mapping[str, Any]
    step: Array
    loss: Array
    test_loss: Array
    tasks: Array
    frequencies: Array


def finished(table: Table) -> list[ParityTrajectory]:
    """The finished runs along training, ordered by alpha, seed, width and number of samples."""
    done = table.where(status="done").sort("alpha", "seed", "width", "n_samples")
    return [_trajectory(done, row) for row in done]


def online(table: Table) -> list[ParityTrajectory]:
    """The widest networks on fresh samples, for each alpha and seed."""
    fresh = table.where(status="done", n_samples=0)
    if not len(fresh):
        return []
    return [run for run in finished(fresh) if run.row["width"] == fresh["width"].max()]


def half_learnt(run: ParityTrajectory, below: float = HALF) -> Array:
    """Step at which each task's loss first falls below `below`, ``(n_tasks,)``; NaN for never."""
    return np.array([crossing(run.step, loss, below) for loss in run.tasks.T])


def crossing(step: Array, loss: Array, below: float) -> float:
    """First step at which a loss is below `below`, interpolated linearly; NaN for never."""
    under = np.flatnonzero(loss < below)
    if not len(under):
        return float("nan")
    i = int(under[0])
    if i == 0:
        return float(step[0])
    share = (loss[i - 1] - below) / (loss[i - 1] - loss[i])
    return float(step[i - 1] + share * (step[i] - step[i - 1]))


def leading(half: Array) -> int:
    """Number of tasks that are more frequent than the first task that is never learnt."""
    return int(np.argmin(np.append(np.isfinite(half), False)))


class Order(NamedTuple):
    """The order in which the tasks of one run are learnt.

    Only pairs of which at least one task is learnt are counted; for the others the order is
    unknown. A task that is never learnt counts as later than all that are.

    Attributes:
        right: number of pairs of which the more frequent task is learnt first.
        pairs: number of all pairs counted.
        nearest: the smallest ratio over pairs of the step of the rarer task to that of the more
            frequent one; below 1 if any pair is out of order. A task that is never learnt has the
            last step, the earliest at which it could be learnt. NaN if no task is learnt.
    """

    right: int
    pairs: int
    nearest: float

    @classmethod
    def of(cls, learnt: Array, last: float) -> "Order":
        """The order for the steps at which tasks are learnt, NaN for never, and the last step."""
        known = np.isfinite(learnt)
        frequent, rare = np.triu_indices(len(learnt), 1)
        counted = known[frequent] | known[rare]
        frequent, rare = frequent[counted], rare[counted]
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
    """The exponent x of t proportional to p^-x over the leading tasks, with t by `half_learnt`.

    Tasks rarer than the first unlearnt one are left out. Those of them that are learnt were learnt
    early by chance, and would bias the exponent towards 0.
    """
    half = half_learnt(run, below)
    n = leading(half)
    return -log_line(run.frequencies[:n], half[:n]).slope


def collapse(run: ParityTrajectory, x: float) -> Array:
    """Steps times p^x for each task, ``(points, n_tasks)``.

    In this time, tasks that are learnt after p^-x steps are learnt together.
    """
    return np.asarray(run.step[:, None] * run.frequencies**x)


def sharpness(run: ParityTrajectory) -> tuple[float, float]:
    """Factors in time over which losses fall from three quarters to one quarter of chance.

    Returns:
        The median over tasks, and the factor for the test loss. If the test loss does not fall to
        a quarter of chance, its factor is up to the last point: a lower bound.
    """
    high, low = 0.75 * BIT, 0.25 * BIT
    of_tasks = (
        crossing(run.step, loss, low) / crossing(run.step, loss, high) for loss in run.tasks.T
    )
    factors = [factor for factor in of_tasks if np.isfinite(factor)]
    end = crossing(run.step, run.test_loss, low)
    whole = (end if np.isfinite(end) else float(run.step[-1])) / crossing(
        run.step, run.test_loss, high
    )
    return (float(np.median(factors)) if factors else float("nan")), whole


def above_chance(run: ParityTrajectory) -> float:
    """Mean loss minus ln 2 of tasks not yet begun, after the first is half learnt; nats."""
    after_first = run.tasks[(run.tasks < HALF).any(axis=1).cumsum() > 0]
    not_begun = after_first[after_first > FALLING]
    return float(not_begun.mean() - BIT) if len(not_begun) else float("nan")


def off_the_curve(run: ParityTrajectory) -> float:
    """Mean of the test loss minus L_n with n tasks half learnt, once the loss falls; bits."""
    share = np.append(0.0, np.cumsum(run.frequencies))
    gap = run.test_loss / BIT - (1 - share[learnt(run)])
    falling = run.test_loss < FALLING
    return float(gap[falling].mean()) if falling.any() else float("nan")


def span(values: Sequence[float] | Array) -> str:
    """The range of whole numbers as text, or the number if all are equal."""
    low, high = np.nanmin(values), np.nanmax(values)
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


def trajectories(table: Table) -> Table:
    """Every point of every run on fresh samples: seed, step, loss and each task's loss.

    These are the columns that the notebook logs. If runs differ in width or alpha, the table has
    these columns too.
    """
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
    """Each alpha with its runs, in ascending order."""
    for alpha in sorted({float(run.row["alpha"]) for run in runs}):
        yield alpha, [run for run in runs if run.row["alpha"] == alpha]
