"""Approach 2 with interpolated curves, as in Porian et al. (2406.19146).

Each budget's ln L is interpolated in ln N (Akima), and the minimum of the curve replaces the
vertex of a parabola. A curve that is flat on one side and steep on the other, for example because
nearly all sizes are too large for their budget, is not a parabola. An interpolated curve assumes
no form and needs no correction of a bias. However, it follows the noise of the few runs near the
minimum. Lines give every budget the same weight; Porian et al. weight by an assumed noise.

Intervals are from the wild bootstrap of whole runs: residuals from the curve through the other
sizes keep or change their sign. These residuals include the error of interpolation, so the
intervals are rather wide. The two ends of a curve have no residuals and stay unchanged.
"""

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.laws import Array
from allometry.plan.approaches.approach import Approach, Line, Resampling
from allometry.plan.approaches.isoflop_quality import WIDTH, Quality, budgets
from allometry.plan.frontier.cost import SIX_ND, Cost
from allometry.plan.runs import Runs

__all__ = ["interpolated"]

FEWEST_SIZES = 4  # two on each side of the minimum; residuals need three other sizes
FEWEST_BUDGETS = 3  # a line through two points has no residuals
STEPS = 25  # of the grid between two sizes (`interp_num_multiplier` of Porian et al.)


@np.errstate(all="ignore")  # values that are not finite are left out of a draw, or refused
def interpolated(
    runs: Runs,
    compute: float,
    cost: Cost = SIX_ND,
    *,
    width: float = WIDTH,
    resampling: Resampling | None = None,
) -> Approach:
    """The best N and D at a compute by approach 2 with Akima curves.

    Args:
        cost: gives D from N and C. width: of a budget, in ln C.

    Raises:
        DataError: fewer than three budgets have a least loss between their sizes.
    """
    how = resampling or Resampling()
    groups = budgets(runs.compute, width)
    labels = np.unique(runs.run.astype(str), return_inverse=True)[1]
    rng = np.random.default_rng(how.seed)
    signs = rng.choice([-1.0, 1.0], (how.resamples, int(labels.max()) + 1))
    least = [_least(runs.take(g), signs[:, labels[g]]) for g in groups]
    used = [i for i, n in enumerate(least) if np.isfinite(n[0])]
    if len(used) < FEWEST_BUDGETS:
        raise DataError(
            f"approach 2 by interpolation needs {FEWEST_BUDGETS} budgets of {FEWEST_SIZES} sizes "
            f"or more whose least loss is not at an end, got {len(used)} of {len(groups)} budgets"
        )
    n = np.stack([least[i] for i in used], axis=1)
    kept = [runs.take(groups[i]) for i in used]
    budget = np.array([np.exp(np.log(r.compute).mean()) for r in kept])
    counted = np.array([np.exp(np.log(cost.compute(r.n, r.d)).mean()) for r in kept])
    d = cost.tokens(n, counted)
    points = {"compute": budget, "n": n[0], "d": d[0],
              "loss": np.array([r.loss.min() for r in kept])}  # fmt: skip
    left = len(groups) - len(used)
    notes = (
        f"{left} of {len(groups)} budgets are left out: they have too few sizes, or their least "
        "loss is at an end.",
    )
    lines = Line.through(budget, n), Line.through(budget, d)
    return Approach.of_lines("2", compute, lines, how.level, points, notes if left else ())


def _least(runs: Runs, signs: Array) -> Array:
    """N at the least loss of one budget and its draws, (1 + k,); NaN if it is at an end."""
    from scipy.interpolate import Akima1DInterpolator

    x, y, first = _sizes(runs)
    nothing = np.full(len(signs) + 1, np.nan)
    if len(x) < FEWEST_SIZES:
        return nothing
    drawn = y + signs[:, first] * _residuals(x, y)
    steps = np.interp(np.arange((len(x) - 1) * STEPS + 1) / STEPS, np.arange(len(x)), x)
    curves = Akima1DInterpolator(x, np.concatenate([y[None], drawn]).T)(steps)
    return _inside(steps, np.argmin(curves, axis=0))


def _sizes(runs: Runs) -> tuple[Array, Array, NDArray[np.intp]]:
    """ln N and ln L of each size, averaged over seeds and near-duplicates, and one row of each."""
    order = np.argsort(runs.n, kind="stable")
    log_n = np.log(runs.n[order])
    place = np.cumsum(np.diff(log_n, prepend=log_n[0]) > Quality().near_duplicate)
    count = np.bincount(place)
    x, y = (np.bincount(place, v) / count for v in (log_n, np.log(runs.loss[order])))
    return x, y, order[np.cumsum(count) - count]


def _inside(steps: Array, least: NDArray[np.intp]) -> Array:
    """N at indices of the grid, NaN at its ends."""
    at_end = (least == 0) | (least == len(steps) - 1)
    return np.where(at_end, np.nan, np.exp(steps[least]))


def _residuals(x: Array, y: Array) -> Array:
    """Residual of each size from the curve through the others, (sizes,); 0 at both ends."""
    from scipy.interpolate import Akima1DInterpolator

    out = np.zeros_like(y)
    for i in range(1, len(x) - 1):
        out[i] = y[i] - float(Akima1DInterpolator(np.delete(x, i), np.delete(y, i))(x[i]))
    return out
