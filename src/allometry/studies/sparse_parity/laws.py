"""Sparse parity: how the loss falls with parameters, samples and steps, beside the theory.

The theory (Michaud et al. 2303.13506, section 2): quanta are learnt in the order of their
frequency, n of them, and n is proportional to N, to D^(1/(1+alpha)), to S^(1/(1+alpha)). The
loss of n learnt quanta falls as n^-alpha where there is no last quantum; where there are K, it
falls faster the nearer n is to K. So each scaling is told twice: as the exponent of the loss,
as the paper has it, and as the growth of n, read off the loss by the discrete curve L_n.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.laws.quanta import tail
from allometry.stats import lines
from allometry.stats.grid import Curves, Grid
from allometry.stats.interval import Interval
from allometry.stats.lines import log_line
from allometry.stats.means import mean as mean_of
from allometry.studies.sparse_parity.trajectories import BIT, FALLING, Course, online
from allometry.tables.table import Table

__all__ = [
    "KINDS", "Scaling", "effective_quanta", "finite_slope", "fits", "follows",
    "growth_theory", "points_of", "rows_for_fit", "scalings", "theory",
]  # fmt: skip

Array = NDArray[np.float64]

KINDS = ("N", "D", "S")
FEWEST = 3  # sizes that a slope is taken over
ENDLESS = 1e30  # a size that does not limit, in the joint fit
STARTS = 80  # of the joint fit: the levels are solved for, five parameters are left
EVENLY = 24  # points of a course, even in the logarithm of steps


class Scaling(NamedTuple):
    """One scaling at one alpha.

    Attributes:
        kind: "N", "D" or "S". alpha: of the frequencies. n_tasks: K.
        size, loss: the mean points ``(sizes,)``, loss in bits.
        used: those the slopes rest on.
        exponent: -d log loss/d log size. growth: d log n/d log size, n read off the loss.
        spread: of the sizes' points, each seed's ``(seeds, sizes)``.
    """

    kind: str
    alpha: float
    n_tasks: int
    size: Array
    loss: Array
    used: NDArray[np.bool_]
    exponent: Interval
    growth: Interval
    spread: Array


def theory(kind: str, alpha: float) -> float:
    """alpha_N = alpha; alpha_D = alpha_S = alpha/(1 + alpha) (2303.13506, eq. 4 to 6)."""
    return alpha if kind == "N" else alpha / (1 + alpha)


def growth_theory(kind: str, alpha: float) -> float:
    """Exponent of n: 1 in N, 1/(1 + alpha) in D and S."""
    return 1.0 if kind == "N" else 1 / (1 + alpha)


def effective_quanta(loss: Array, alpha: float, n_tasks: int) -> Array:
    """The n, whole or not, at which L_n of K tasks is this loss in bits; NaN for none."""
    n = np.linspace(0.0, n_tasks, 64 * n_tasks + 1)
    curve = tail(n, np.array(alpha), np.array(float(n_tasks)))
    found = np.interp(-np.asarray(loss, float), -curve, n)
    return np.where((loss < 1) & (loss > 0), np.maximum(found, 1e-12), np.nan)


def scalings(table: Table) -> list[Scaling]:
    """Every scaling of which the table has three sizes or more, by alpha."""
    out = []
    for alpha in np.unique(table.where(status="done")["alpha"]):
        at = table.where(status="done", alpha=alpha)
        for kind in KINDS:
            grid = _grid(at, kind)
            if grid is not None:
                out.append(_scaling(kind, float(alpha), int(at["n_tasks"].max()), grid))
    return out


def points_of(table: Table, kind: str) -> Table:
    """The runs that show one scaling: all widths on fresh samples, or all sizes of the sample."""
    fresh = table["n_samples"] == 0
    return table.take(fresh if kind == "N" else ~fresh)


def _grid(at: Table, kind: str) -> Grid | None:
    """Losses in bits, seeds by sizes."""
    if kind == "S":
        return _steps(online(at))
    size, loss = {"N": ("n_params", "test_loss"), "D": ("n_samples", "best_test_loss")}[kind]
    runs = points_of(at, kind)
    if len(runs) == 0 or len(np.unique(runs[size])) < FEWEST:
        return None
    return Grid.of(runs.with_columns(loss=runs[loss] / BIT), size, ("loss",))


def _steps(found: Sequence[Course]) -> Grid | None:
    """The course of the loss at points even in the logarithm of steps."""
    if not found:
        return None
    step = found[0].step
    at = np.unique(np.searchsorted(step, np.geomspace(step[0], step[-1], EVENLY)))
    at = at.clip(max=len(step) - 1)
    losses = np.array([course.test_loss[at] / BIT for course in found])
    seeds = np.array([course.row["seed"] for course in found])
    return Grid(step[at], seeds, {"loss": losses})


def _scaling(kind: str, alpha: float, n_tasks: int, grid: Grid) -> Scaling:
    mean = grid.mean()
    statistics = partial(_slopes, alpha=alpha, n_tasks=n_tasks)
    if kind == "S":
        # Points along one run are not independent: what varies is the seed.
        each = [statistics(curves) for _, curves in grid.each_seed()]
        by = {name: mean_of([s[name] for s in each]) for name in ("exponent", "growth")}
    else:
        by = grid.intervals(statistics, resamples=500)
    return Scaling(
        kind=kind,
        alpha=alpha,
        n_tasks=n_tasks,
        size=mean.size,
        loss=mean["loss"],
        used=_used(mean["loss"], alpha, n_tasks),
        exponent=by["exponent"],
        growth=by["growth"],
        spread=grid.columns["loss"],
    )


def _used(loss: Array, alpha: float, n_tasks: int) -> NDArray[np.bool_]:
    """From the first size on at which one quantum's worth is learnt: L_1."""
    first = tail(np.array(1.0), np.array(alpha), np.array(float(n_tasks)))
    falling = np.flatnonzero(loss < first)
    return np.arange(len(loss)) >= (falling[0] if len(falling) else len(loss))


def _slopes(curves: Curves, *, alpha: float, n_tasks: int) -> dict[str, float]:
    used = _used(curves["loss"], alpha, n_tasks)
    size, loss = curves.size[used], curves["loss"][used]
    n = effective_quanta(loss, alpha, n_tasks)
    here = np.isfinite(n)
    return {
        "exponent": -log_line(size, loss).slope,
        "growth": log_line(size[here], n[here]).slope,
    }


# ---- the discrete curve, fitted jointly ----------------------------------------------------


def rows_for_fit(table: Table, alpha: float) -> Table:
    """All three scalings of one alpha as rows of N, D, step and the loss L in bits.

    A run on fresh samples has no last sample; points of the widest run's course stand for the
    steps, and a run's points are one cluster.
    """
    done = table.where(status="done", alpha=alpha)
    rows: list[dict[str, Any]] = []
    for row in done:
        finite = row["n_samples"] > 0
        loss = row["best_test_loss"] if finite else row["test_loss"]
        samples = float(row["n_samples"]) if finite else ENDLESS
        rows.append(_row(row, samples, float(row["steps"]), loss))
    for course in online(done):
        at = np.searchsorted(course.step, np.geomspace(course.step[0], course.step[-1], EVENLY))
        for i in np.unique(at.clip(max=len(course.step) - 1))[:-1]:
            rows.append(_row(course.row, ENDLESS, course.step[i], course.test_loss[i]))
    return Table.from_rows([r for r in rows if r["L"] < FALLING / BIT])


def _row(row: Mapping[str, Any], samples: float, step: float, loss: float) -> dict[str, Any]:
    return {
        "run": row["run_id"], "n_params": float(row["n_params"]), "n_samples": samples,
        "step": float(step), "L": loss / BIT,
    }  # fmt: skip


def fits(table: Table, resamples: int = 200) -> dict[str, Fit]:
    """L_n fitted to the three scalings of each alpha together, K held at the number of tasks, b
    and a at one bit and nothing, which a parity costs before and after it is learnt.

    None of an alpha whose runs are all of one width, or all on fresh samples.
    """
    out = {}
    done = table.where(status="done")
    for alpha in np.unique(done["alpha"]):
        at = done.where(alpha=alpha)
        if any(len(np.unique(at[name])) < FEWEST for name in ("n_params", "n_samples")):
            continue
        rows, held = (
            rows_for_fit(done, float(alpha)),
            {"K": float(at["n_tasks"].max()), "a": 1e-9, "b": 1.0},
        )
        columns = {"N": "n_params", "D": "n_samples", "step": "step", "L": "L"}
        out[f"L_n at alpha = {alpha:g}"] = fit(
            rows, "quanta", columns, objective="squared_log", fixed=held, cluster="run",
            resamples=resamples, starts=STARTS,
        )  # fmt: skip
    return out


def finite_slope(scaling: Scaling) -> float:
    """The exponent the theory with K quanta shows over the losses that a scaling spans.

    n grows as the theory says, between the n of the first and of the last loss used.
    """
    n = effective_quanta(scaling.loss[scaling.used], scaling.alpha, scaling.n_tasks)
    n = n[np.isfinite(n)]
    if len(n) < FEWEST or n.min() <= 0 or np.ptp(n) == 0:
        return float("nan")
    even = np.geomspace(n.min(), min(n.max(), 0.999 * scaling.n_tasks), 50)
    loss = tail(even, np.array(scaling.alpha), np.array(float(scaling.n_tasks)))
    size = even ** (1 / growth_theory(scaling.kind, scaling.alpha))
    return -log_line(size, loss).slope


def follows(found: Sequence[Scaling]) -> Interval:
    """Slope of the measured exponents on those of the theory, over alphas and scalings.

    1 where they follow it. The interval is from the scatter about the line.
    """
    expected = np.array([theory(s.kind, s.alpha) for s in found])
    measured = np.array([s.exponent.value for s in found])
    good = np.isfinite(measured)
    if good.sum() < FEWEST or np.ptp(expected[good]) == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    x, y = expected[good], measured[good]
    law = lines.line(x, y)
    rest = y - law.intercept - law.slope * x
    error = np.sqrt((rest @ rest) / (len(x) - 2) / ((x - x.mean()) ** 2).sum())
    reach = float(stats.t.ppf(0.975, len(x) - 2)) * error
    return Interval(law.slope, law.slope - reach, law.slope + reach)
