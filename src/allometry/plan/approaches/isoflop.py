"""Approach 2 (Hoffmann et al. 2203.15556): parabolas along IsoFLOP curves.

Runs of about the same compute form one budget. In each budget a parabola in ln N is fitted to the
losses; its vertex is the best N there, and straight lines in logarithms through the vertices give
N* and D* at every compute. The lines give every budget the same weight, as Hoffmann et al. and
Czech (2603.22339) do. Porian et al. (2406.19146) weight by the scatter of each vertex, which is
underestimated on wide grids if the curve is not a parabola.

With the exponents of a fitted law the vertices are corrected for the bias that `isoflop_bias`
describes. The correction uses nothing else of that law, only the sizes and tokens of the runs and
the vertex, so that approach 2 remains a second opinion on N*.

Intervals are from the wild cluster bootstrap (Cameron et al. 2008). In every resample the
residuals of all rows of a run keep or change their sign together, after each was divided by 1
minus its leverage (HC3 of MacKinnon and White 1985); then parabolas, correction (with one draw of
the exponents) and lines are recomputed. Drawing the runs of a budget with replacement would leave
too few sizes: with 7 sizes per budget, intervals of ln N* were 2.4 times too wide. The selection
of runs by the quality stages is not repeated in resamples, so that all numbers refer to the one
selection that is reported.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from allometry import laws
from allometry.errors import DataError
from allometry.laws import Array
from allometry.plan.approaches.approach import Approach, Line, Resampling
from allometry.plan.approaches.isoflop_bias import Exponents, Parabolas, log_ratio
from allometry.plan.approaches.isoflop_quality import (
    UNSCREENED,
    WIDTH,
    Curve,
    Quality,
    budgets,
    screened,
)
from allometry.plan.frontier.cost import SIX_ND, Cost
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.runs import Runs
from allometry.stats.digits import shown
from allometry.stats.resample import Labels

__all__ = ["Budget", "IsoFlop", "isoflop"]

FARTHEST = 150.0  # of ln N either way: 1e65, far beyond any run
NAMED = 6  # most budgets named in a sentence; each budget holds its own reason
LEAST_SPARE = 1e-6  # of 1 - leverage: the parabola passes through a point of leverage 1
FEWEST_BUDGETS = 3  # a line through two points has no residuals


@dataclass(frozen=True, eq=False)
class Budget:
    """The runs of one compute and the parabola fitted to them.

    Attributes:
        compute: the geometric mean of the runs' C.
        rows: of the table; n, d, loss: of each run, by increasing N; each (points,).
        kept: to which runs the parabola was fitted.
        why: the reason of each run that was not kept, in words.
        reason: why the whole budget was left out; empty if it was used.
        coefficients: of 1, ln N, (ln N)^2 in the parabola, (3,); NaN without a parabola.
        vertex: N at the least loss of the parabola; vertex_loss: that loss.
        corrected: the best N after the correction for the bias; NaN if the budget is not used.
    """

    compute: float
    rows: NDArray[np.intp]
    n: Array
    d: Array
    loss: Array
    kept: NDArray[np.bool_]
    why: tuple[str, ...]
    reason: str
    coefficients: Array
    vertex: float
    vertex_loss: float
    corrected: float


@dataclass(frozen=True, eq=False)
class IsoFlop:
    """Approach 2 and all budgets, including those that were left out."""

    approach: Approach
    budgets: tuple[Budget, ...]


@dataclass(frozen=True, eq=False)
class _Best:
    """Best sizes of one budget, the value first, then the draws, (1 + k,) each.

    Attributes:
        n: vertex of the parabola. corrected: for the bias; equal to `n` without exponents.
        d: tokens at `corrected`.
    """

    n: Array
    corrected: Array
    d: Array
    coefficients: Array
    loss: float


@np.errstate(all="ignore")  # values that are not finite are left out of a draw, or refused
def isoflop(
    runs: Runs,
    compute: float,
    cost: Cost = SIX_ND,
    exponents: Exponents | None = None,
    *,
    quality: Quality | None = None,
    width: float = WIDTH,
    resampling: Resampling | None = None,
) -> IsoFlop:
    """The best N and D at a compute by approach 2.

    Args:
        cost: gives D from N and C.
        exponents: alpha and beta of the parametric fit; None for no correction of the bias.
        quality: rules of the quality stages. width: of a budget, in ln C.

    Raises:
        DataError: fewer than three budgets are left; the message says why.
    """
    quality, resampling = quality or Quality(), resampling or Resampling()
    groups = budgets(runs.compute, width)
    curves = screened(runs, groups, quality)
    best = _best(runs, [c for c in curves if not c.reason], cost, exponents, resampling)
    used = [curve for curve in curves if not curve.reason]
    if len(used) < FEWEST_BUDGETS:
        raise DataError(_refusal(curves))
    approach = _approach(used, [best[id(c)] for c in used], compute, resampling.level)
    approach = approach if exponents is not None else replace(
        approach, bias_predicted=None, n_opt_uncorrected=None
    )  # fmt: skip
    notes = (*_notes(curves), *_unscreened(runs, groups, curves, compute))
    return IsoFlop(
        replace(approach, notes=notes), tuple(_budget(runs, c, best.get(id(c))) for c in curves)
    )


def _best(
    runs: Runs, used: Sequence[Curve], cost: Cost, exponents: Exponents | None, how: Resampling
) -> dict[int, _Best]:
    """The best sizes of each budget (by `id` of its curve), for the runs and every resample.

    A budget whose vertex cannot be corrected is left out.
    """
    if not used:
        return {}
    kept = [curve.places[curve.kept] for curve in used]
    signs = _signs(runs.run[np.concatenate(kept)], how)
    parts = np.split(signs, np.cumsum([len(k) for k in kept])[:-1], axis=1)
    best_sizes = {}
    for curve, places, part in zip(used, kept, parts, strict=True):
        best = _of_budget(runs.take(places), part, cost, exponents)
        if np.isfinite(best.corrected[0]):
            best_sizes[id(curve)] = best
        else:
            curve.reject("no law with the fitted exponents has a vertex at this size")
    return best_sizes


def _signs(labels: Labels, how: Resampling) -> Array:
    """+1 or -1 for each row in each resample, (k, rows), the same for all rows of a run."""
    runs, place = np.unique(labels.astype(str), return_inverse=True)
    if len(runs) < 2:
        raise DataError(
            "approach 2 needs several runs, but every row belongs to the run "
            f"{str(runs[0])!r}: check the column that names the run"
        )
    rng = np.random.default_rng(how.seed)
    return np.asarray(rng.choice([-1.0, 1.0], (how.resamples, len(runs)))[:, place])


def _of_budget(runs: Runs, signs: Array, cost: Cost, exponents: Exponents | None) -> _Best:
    """The vertex of one budget and its draws; the module describes the resampling."""
    parabolas = Parabolas.over(np.log(runs.n))
    first = parabolas.through(runs.loss)
    in_log_n = parabolas.in_log_n(first)
    spare = np.maximum(1 - parabolas.leverage, LEAST_SPARE)
    residuals = parabolas.residuals(runs.loss, first) / spare
    coefficients = np.concatenate([first[None], first + parabolas.through(signs * residuals)])
    vertex = parabolas.vertex(coefficients)
    counted = float(np.exp(np.log(cost.compute(runs.n, runs.d)).mean()))
    n = corrected = _size(vertex)
    if exponents is not None:
        alpha, beta = exponents.drawn(len(signs))
        ratio = log_ratio(parabolas, vertex, (runs.n, runs.d), alpha, beta)
        corrected = _optimum(ratio, alpha, beta, cost, counted)
    loss = float(first[0] - first[1] ** 2 / (4 * first[2]))
    return _Best(n, corrected, cost.tokens(corrected, np.asarray(counted)), in_log_n, loss)


def _size(log_n: Array) -> Array:
    """N from ln N; NaN if it is far beyond any run, as in a useless draw."""
    return np.exp(np.where(np.abs(log_n) < FARTHEST, log_n, np.nan))


def _optimum(ratio: Array, alpha: Array, beta: Array, cost: Cost, compute: float) -> Array:
    """The best N under A N^-alpha + B D^-beta, from ln(A/B) (k,); NaN where that is NaN."""
    known = np.abs(ratio) < FARTHEST * (alpha + beta)
    best = np.full_like(ratio, np.nan)
    if known.any():
        ones = np.ones(int(known.sum()))
        values = {"E": 0 * ones, "A": np.exp(ratio[known]), "B": ones,
                  "alpha": alpha[known], "beta": beta[known]}  # fmt: skip
        best[known] = Frontier(laws.chinchilla, values, cost).at(compute).n
    return best


def _approach(
    used: Sequence[Curve], best: Sequence[_Best], compute: float, level: float
) -> Approach:
    """Lines through the best sizes of the budgets, and N* and D* at a compute."""
    budget = np.array([curve.compute for curve in used])
    n, corrected, d = (
        np.stack([getattr(b, name) for b in best], axis=1) for name in ("n", "corrected", "d")
    )
    points = {"compute": budget, "n": corrected[0], "d": d[0],
              "loss": np.array([b.loss for b in best])}  # fmt: skip
    lines = Line.through(budget, corrected), Line.through(budget, d)
    approach = Approach.of_lines("2", compute, lines, level, points)
    uncorrected = Line.through(budget, n).interval_at(compute, level)
    bias = uncorrected.value / approach.n_opt.value - 1
    return replace(approach, bias_predicted=bias, n_opt_uncorrected=uncorrected)


def _budget(runs: Runs, curve: Curve, best: _Best | None) -> Budget:
    at, nothing = curve.places, float("nan")
    return Budget(
        compute=curve.compute, rows=runs.rows[at], n=runs.n[at], d=runs.d[at], loss=runs.loss[at],
        kept=curve.kept, why=tuple(curve.why), reason=curve.reason,
        coefficients=best.coefficients if best else np.full(3, nothing),
        vertex=float(best.n[0]) if best else nothing,
        vertex_loss=best.loss if best else nothing,
        corrected=float(best.corrected[0]) if best else nothing,
    )  # fmt: skip


def _refusal(curves: Sequence[Curve]) -> str:
    """Error message on too few budgets."""
    used = sum(not curve.reason for curve in curves)
    return " ".join([
        f"approach 2 needs {FEWEST_BUDGETS} budgets of compute with runs of several sizes each, "
        f"and {used} of {len(curves)} can be used.",
        *_notes(curves),
    ])  # fmt: skip


def _notes(curves: Sequence[Curve]) -> tuple[str, ...]:
    """Notes on what was left out, one sentence per reason."""
    budgets_by_reason: dict[str, list[str]] = {}
    for curve in curves:
        if curve.reason:
            budgets_by_reason.setdefault(curve.reason, []).append(shown(curve.compute))
    runs_by_reason = Counter(w for c in curves if not c.reason for w in c.why if w)
    return (
        *(
            f"{_counted(len(names), 'budget')} of {len(curves)} left out: {reason} "
            f"(C = {', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''})."
            for reason, names in budgets_by_reason.items()
        ),
        *(f"{_counted(n, 'run')} left out: {why}." for why, n in runs_by_reason.items()),
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def _unscreened(
    runs: Runs, groups: Sequence[NDArray[np.intp]], curves: Sequence[Curve], compute: float
) -> tuple[str, ...]:
    """A note on the result with every run kept, if some were left out."""
    if all(curve.kept.all() for curve in curves):
        return ()
    whole = [curve for curve in screened(runs, groups, UNSCREENED) if not curve.reason]
    if len(whole) < FEWEST_BUDGETS:
        return ()
    vertices = [_of_budget(runs.take(c.places), np.zeros((0, len(c.places))), SIX_ND, None).n
                for c in whole]  # fmt: skip
    line = Line.through(np.array([c.compute for c in whole]), np.stack(vertices, axis=1))
    return (
        f"With every run of {len(whole)} budgets kept, the exponent of N* is "
        f"{shown(line.exponent)} and N* is {shown(line.at(compute)[0])}, without correction.",
    )
