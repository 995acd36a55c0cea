"""Scalings of the loss of sparse parity with parameters, samples and steps, and their theory.

In the theory of Michaud et al. (2303.13506, section 2), quanta are learnt in the order of their
frequency. The number n of learnt quanta is proportional to N, to D^(1/(1+alpha)) and to
S^(1/(1+alpha)). With infinitely many quanta the loss falls as n^-alpha; with K quanta it falls
faster as n approaches K. Each scaling is therefore reported twice: as the exponent of the loss,
as in the paper, and as the growth of n, which follows from the loss by the discrete curve L_n.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.laws.quanta import tail
from allometry.stats.grid import Curves, Grid
from allometry.stats.interval import NO_VALUE, Interval
from allometry.stats.lines import Line, log_line, slope_interval
from allometry.stats.means import over_seeds
from allometry.studies.sparse_parity.trajectories import (
    BIT,
    FALLING,
    ParityTrajectory,
    online,
)
from allometry.tables.table import Table

__all__ = [
    "KINDS", "Scaling", "effective_quanta", "fit_name", "fits", "follows", "growth_theory",
    "points_of", "rows_for_fit", "scalings", "theory",
]  # fmt: skip

Array = NDArray[np.float64]

KINDS = ("N", "D", "S")
FEWEST = 3  # least number of sizes for a slope
ENDLESS = 1e30  # in the joint fit, the value of a size that does not limit the loss
STARTS = 80  # starting points of the joint fit
EVENLY = 24  # points along a run, evenly spaced in the logarithm of steps


class Scaling(NamedTuple):
    """One scaling at one alpha.

    Attributes:
        kind: "N", "D" or "S".
        alpha: of the frequencies.
        n_tasks: number of tasks, K.
        size: parameters, samples or steps, ``(sizes,)``.
        loss: mean over seeds in bits, ``(sizes,)``.
        used: mask of the points that the slopes are fitted to, ``(sizes,)``.
        line: the power law fitted to these points.
        exponent: -d log loss/d log size.
        growth: d log n/d log size, with n determined from the loss.
        finite_slope: the exponent of the theory with K quanta over the same losses.
        spread: loss of each seed in bits, ``(seeds, sizes)``.
    """

    kind: str
    alpha: float
    n_tasks: int
    size: Array
    loss: Array
    used: NDArray[np.bool_]
    line: Line
    exponent: Interval
    growth: Interval
    finite_slope: float
    spread: Array

    @property
    def theory(self) -> float:
        """The exponent of the theory with infinitely many quanta."""
        return theory(self.kind, self.alpha)


def theory(kind: str, alpha: float) -> float:
    """Exponent of the loss: alpha in N; alpha/(1 + alpha) in D and S (2303.13506, eq. 4 to 6)."""
    return alpha if kind == "N" else alpha / (1 + alpha)


def growth_theory(kind: str, alpha: float) -> float:
    """Exponent of the number of quanta n: 1 in N, 1/(1 + alpha) in D and S."""
    return 1.0 if kind == "N" else 1 / (1 + alpha)


def effective_quanta(loss: Array, alpha: float, n_tasks: int) -> Array:
    """The real number n at which L_n of K tasks equals this loss in bits; NaN if there is none."""
    n = np.linspace(0.0, n_tasks, 64 * n_tasks + 1)
    curve = tail(n, np.array(alpha), np.array(float(n_tasks)))
    learnt = np.interp(-np.asarray(loss, float), -curve, n)
    return np.where((loss < 1) & (loss > 0), np.maximum(learnt, 1e-12), np.nan)


def scalings(table: Table) -> list[Scaling]:
    """Every scaling for which the table has at least three sizes, by alpha."""
    scalings = []
    for alpha in np.unique(table.where(status="done")["alpha"]):
        at = table.where(status="done", alpha=alpha)
        for kind in KINDS:
            grid = _grid(at, kind)
            if grid is not None:
                n_tasks = int(at["n_tasks"].max())
                scalings.append(_scaling(kind, float(alpha), n_tasks, grid))
    return scalings


def points_of(table: Table, kind: str) -> Table:
    """The runs of one scaling: all widths on fresh samples (N), or all finite training sets (D)."""
    fresh = table["n_samples"] == 0
    return table.take(fresh if kind == "N" else ~fresh)


def _grid(at: Table, kind: str) -> Grid | None:
    """Losses in bits, seeds by sizes; None for fewer than `FEWEST` sizes."""
    if kind == "S":
        return _steps(online(at))
    size, loss = {"N": ("n_params", "test_loss"), "D": ("n_samples", "best_test_loss")}[kind]
    runs = points_of(at, kind)
    if len(runs) == 0 or len(np.unique(runs[size])) < FEWEST:
        return None
    return Grid.of(runs.with_columns(loss=runs[loss] / BIT), size, ("loss",))


def _steps(runs: Sequence[ParityTrajectory]) -> Grid | None:
    """The loss along training at points evenly spaced in the logarithm of steps."""
    if not runs:
        return None
    step = runs[0].step
    at = np.unique(np.searchsorted(step, np.geomspace(step[0], step[-1], EVENLY)))
    at = at.clip(max=len(step) - 1)
    losses = np.array([run.test_loss[at] / BIT for run in runs])
    seeds = np.array([run.row["seed"] for run in runs])
    return Grid(step[at], seeds, {"loss": losses})


def _scaling(kind: str, alpha: float, n_tasks: int, grid: Grid) -> Scaling:
    mean = grid.mean()
    statistics = partial(_slopes, alpha=alpha, n_tasks=n_tasks)
    if kind == "S":
        # Points along one run are not independent, so intervals are over seeds alone.
        intervals = over_seeds([statistics(curves) for _, curves in grid.each_seed()])
    else:
        intervals = grid.intervals(statistics, resamples=500)
    used = _used(mean["loss"], alpha, n_tasks)
    return Scaling(
        kind=kind,
        alpha=alpha,
        n_tasks=n_tasks,
        size=mean.size,
        loss=mean["loss"],
        used=used,
        line=log_line(mean.size[used], mean["loss"][used]),
        exponent=intervals["exponent"],
        growth=intervals["growth"],
        finite_slope=_finite_slope(kind, mean["loss"][used], alpha, n_tasks),
        spread=grid.columns["loss"],
    )


def _used(loss: Array, alpha: float, n_tasks: int) -> NDArray[np.bool_]:
    """Mask of the sizes from the first with a loss below L_1, where one quantum is learnt."""
    first = tail(np.array(1.0), np.array(alpha), np.array(float(n_tasks)))
    falling = np.flatnonzero(loss < first)
    return np.arange(len(loss)) >= (falling[0] if len(falling) else len(loss))


def _slopes(curves: Curves, *, alpha: float, n_tasks: int) -> dict[str, float]:
    used = _used(curves["loss"], alpha, n_tasks)
    size, loss = curves.size[used], curves["loss"][used]
    n = effective_quanta(loss, alpha, n_tasks)
    finite = np.isfinite(n)
    return {
        "exponent": -log_line(size, loss).slope,
        "growth": log_line(size[finite], n[finite]).slope,
    }


# ---- the discrete curve, fitted jointly ----------------------------------------------------


def rows_for_fit(table: Table, alpha: float) -> Table:
    """All three scalings of one alpha as rows of N, D, step and the loss L in bits.

    A run on fresh samples has D = `ENDLESS`. The scaling in steps is from points along the widest
    runs. All points of a run have its id, so that they form one cluster in the fit.
    """
    done = table.where(status="done", alpha=alpha)
    rows: list[dict[str, Any]] = []
    for row in done:
        finite = row["n_samples"] > 0
        loss = row["best_test_loss"] if finite else row["test_loss"]
        samples = float(row["n_samples"]) if finite else ENDLESS
        rows.append(_row(row, samples, float(row["steps"]), loss))
    for run in online(done):
        at = np.searchsorted(run.step, np.geomspace(run.step[0], run.step[-1], EVENLY))
        for i in np.unique(at.clip(max=len(run.step) - 1))[:-1]:
            rows.append(_row(run.row, ENDLESS, run.step[i], run.test_loss[i]))
    return Table.from_rows([r for r in rows if r["L"] < FALLING / BIT])


def _row(row: Mapping[str, Any], samples: float, step: float, loss: float) -> dict[str, Any]:
    return {
        "run": row["run_id"], "n_params": float(row["n_params"]), "n_samples": samples,
        "step": float(step), "L": loss / BIT,
    }  # fmt: skip


def fit_name(alpha: float) -> str:
    """The name of the joint fit at one alpha."""
    return f"L_n at alpha = {alpha:g}"


def fits(table: Table, resamples: int = 200) -> dict[str, Fit]:
    """L_n fitted jointly to the three scalings of each alpha, by `fit_name`.

    K is fixed at the number of tasks. b is fixed at one bit and a at nearly 0, the losses of a
    parity before and after it is learnt. An alpha with fewer than three widths or sizes of the
    training set has no fit.
    """
    by_name = {}
    done = table.where(status="done")
    for alpha in np.unique(done["alpha"]):
        at = done.where(alpha=alpha)
        if any(len(np.unique(at[name])) < FEWEST for name in ("n_params", "n_samples")):
            continue
        by_name[fit_name(alpha)] = fit(
            rows_for_fit(done, float(alpha)),
            "quanta",
            {"N": "n_params", "D": "n_samples", "step": "step", "L": "L"},
            objective="squared_log",
            fixed={"K": float(at["n_tasks"].max()), "a": 1e-9, "b": 1.0},
            cluster="run",
            resamples=resamples,
            starts=STARTS,
        )
    return by_name


def _finite_slope(kind: str, loss: Array, alpha: float, n_tasks: int) -> float:
    """The exponent of the theory with K quanta over the range of losses ``(sizes,)``, in bits.

    It is the slope of L_n between the n of the largest and of the smallest loss, with n growing
    with size as in the theory.
    """
    n = effective_quanta(loss, alpha, n_tasks)
    n = n[np.isfinite(n)]
    if len(n) < FEWEST or n.min() <= 0 or np.ptp(n) == 0:
        return float("nan")
    even = np.geomspace(n.min(), min(n.max(), 0.999 * n_tasks), 50)
    curve = tail(even, np.array(alpha), np.array(float(n_tasks)))
    return -log_line(even ** (1 / growth_theory(kind, alpha)), curve).slope


def follows(scalings: Sequence[Scaling]) -> Interval:
    """Slope of the measured exponents on those of the theory, over alphas and scalings.

    The slope is 1 if they agree. The interval is from the scatter about the line.
    """
    expected = np.array([scaling.theory for scaling in scalings])
    measured = np.array([scaling.exponent.value for scaling in scalings])
    if np.isfinite(measured).sum() < FEWEST:
        return NO_VALUE
    return slope_interval(expected, measured)
