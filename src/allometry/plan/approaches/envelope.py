"""Approach 1 (Hoffmann et al. 2203.15556): the lower envelope of training curves.

Each run's loss is interpolated along its training, in logarithms of loss and compute (PCHIP,
which does not overshoot). At each of many computes, evenly spaced in ln C, the run with the
least loss is selected; straight lines in logarithms through its N and D give N* and D*.

Limitations: a checkpoint before the end of a run's schedule is worse than a run that was
planned to end there, so only the last part of each curve shows what a run of that compute
reaches (Hoffmann et al. train four schedules for each size). The minimum over noisy curves is
biased low (the winner's curse), most with many sizes and large noise. Points of one curve are
not independent, so whole runs are resampled. A compute is left out if the best size is the
smallest or the largest that was trained, since a size beyond it may be better.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.laws import Array
from allometry.plan.approaches.approach import Approach, Line, Resampling
from allometry.plan.runs import Runs
from allometry.stats.resample import multiplicities

__all__ = ["envelope"]

COMPUTES = 300  # the 1,500 of Hoffmann et al. (3.1) give the same line, as neighbours share a run
FEWEST_SIZES = 3  # with fewer there is no middle size
FEWEST_POINTS = 2  # of the envelope, at different C: enough for a line


@dataclass(frozen=True, eq=False)
class _Curves:
    """Curves of runs at the same computes.

    Attributes:
        compute: (computes,). loss, d: (runs, computes), infinite and NaN outside a run.
        n: (runs,).
        order: the runs by increasing loss at each compute, (runs, computes).
    """

    compute: Array
    loss: Array
    d: Array
    n: Array
    order: NDArray[np.intp]


@np.errstate(all="ignore")  # values that are not finite are left out of a draw, or refused
def envelope(runs: Runs, compute: float, *, resampling: Resampling | None = None) -> Approach:
    """The best N and D at a compute by approach 1.

    Args:
        runs: with several rows per run, its checkpoints.

    Raises:
        DataError: fewer than three sizes have a run with several rows, or a middle size is the best
            at fewer than two computes.
    """
    how = resampling or Resampling()
    curves = _curves(runs)
    rng = np.random.default_rng(how.seed)
    counts, _ = multiplicities(rng, how.resamples, len(curves.n), needed=FEWEST_SIZES,
                               distinct=curves.n)  # fmt: skip
    present = np.concatenate([np.ones((1, len(curves.n))), counts]) > 0
    best, inside = _envelope(curves, present)
    n = np.where(inside, curves.n[best], np.nan)
    d = np.where(inside, curves.d[best, np.arange(len(curves.compute))], np.nan)
    at = np.flatnonzero(inside[0])
    if len(at) < FEWEST_POINTS:
        raise DataError(
            "approach 1 needs computes at which a middle size is the best, but the best size is "
            "the smallest or the largest at nearly all: train sizes beyond it, or longer and "
            "shorter runs of the sizes between"
        )
    points = {"compute": curves.compute[at], "n": n[0, at], "d": d[0, at],
              "loss": curves.loss[best[0, at], at]}  # fmt: skip
    lines = Line.through(curves.compute, n), Line.through(curves.compute, d)
    return Approach.of_lines("1", compute, lines, how.level, points, _notes(runs, curves, len(at)))


def _curves(runs: Runs) -> _Curves:
    """The runs with several checkpoints, interpolated.

    Raises:
        DataError: too few of them.
    """
    trained = list(_checkpoints(runs))
    if not trained:
        raise DataError(
            "approach 1 needs the loss along training, and no run has several rows; if rows are "
            "checkpoints, name the column that identifies their run"
        )
    n = np.array([runs.n[rows[0]] for rows in trained])
    if len(np.unique(n)) < FEWEST_SIZES:
        raise DataError(
            f"approach 1 needs {FEWEST_SIZES} sizes with several rows per run, got "
            f"{len(np.unique(n))}"
        )
    ends = [runs.compute[rows[[0, -1]]] for rows in trained]
    log_c = np.linspace(np.log(np.min(ends)), np.log(np.max(ends)), COMPUTES)
    loss, d = (np.stack([_along(runs, v, rows, log_c) for rows in trained])
               for v in (runs.loss, runs.d))  # fmt: skip
    loss = np.where(np.isfinite(loss), loss, np.inf)
    return _Curves(np.exp(log_c), loss, d, n, np.argsort(loss, axis=0, kind="stable"))


def _checkpoints(runs: Runs) -> Iterator[NDArray[np.intp]]:
    """The rows of each run with several, by increasing C; of rows with equal C, the first."""
    labels = np.unique(runs.run.astype(str), return_inverse=True)[1]
    order = np.lexsort((runs.compute, labels))
    for rows in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        _, first = np.unique(np.round(np.log(runs.compute[rows]), 9), return_index=True)
        if len(first) > 1:
            yield rows[first]


def _along(runs: Runs, values: Array, rows: NDArray[np.intp], log_c: Array) -> Array:
    """Values of one run at ln C (computes,), NaN outside its checkpoints."""
    from scipy.interpolate import PchipInterpolator

    x = np.log(runs.compute[rows])
    curve = PchipInterpolator(x, np.log(values[rows]), extrapolate=False)
    inside = np.exp(curve(np.clip(log_c, x[0], x[-1])))
    return np.where(_outside(x, log_c), np.nan, inside)


def _outside(x: Array, log_c: Array) -> NDArray[np.bool_]:
    """Whether ln C lies beyond the ends of x, by more than rounding."""
    return np.asarray((log_c < x[0] - 1e-9) | (log_c > x[-1] + 1e-9))  # of ln C: 1e-9 of C


def _envelope(
    curves: _Curves, present: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The best of the runs present (k, runs) at each compute, and whether its size is a middle one.

    Returns:
        indices of runs, -1 if no run covers the compute; and whether there is a best run and both
        a smaller and a larger size are present; both (k, computes).
    """
    best = _first(curves, curves.order, present)
    by_size = np.broadcast_to(np.argsort(curves.n, kind="stable")[:, None], curves.loss.shape)
    smallest, largest = (_first(curves, order, present) for order in (by_size, by_size[::-1]))
    n = curves.n[best]
    inside = (best >= 0) & (n > curves.n[smallest]) & (n < curves.n[largest])
    return best, inside


def _first(
    curves: _Curves, order: NDArray[np.intp], present: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """The first run of an order (runs, computes) that is present and covers the compute, or -1."""
    columns = np.arange(len(curves.compute))
    first = np.full((len(present), len(columns)), -1)
    for run in order:
        covers = np.isfinite(curves.loss[run, columns])
        take = (first < 0) & present[:, run] & covers
        if not take.any() and (first >= 0).all():
            break
        first = np.where(take, run, first)
    return first


def _notes(runs: Runs, curves: _Curves, points: int) -> tuple[str, ...]:
    single = len(np.unique(runs.run.astype(str))) - len(curves.n)
    left = [f"{single} runs of a single row have no curve and are left out."] if single else []
    return (
        *left,
        f"A size between the smallest and the largest is the best at {points} of "
        f"{len(curves.compute)} computes; the others are left out.",
    )
