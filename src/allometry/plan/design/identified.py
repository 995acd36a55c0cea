"""What a set of runs identifies, by linear theory from their N and D and the noise.

Let J be the derivatives of ln L at the runs with respect to the parameters (to the logs of positive
ones), and s the standard deviation of ln L about the law. The covariance of the estimates is
s^2 (J^T J)^-1, and a decision with derivatives g has the variance g^T s^2 (J^T J)^-1 g. No losses
are needed. The law is assumed to be true; a note says if the runs lie on so few rays D/N that they
could not show it to be false.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from allometry.errors import DataError, UsageError
from allometry.laws import Array, Law
from allometry.plan.design.slopes import free_parameters, slopes
from allometry.plan.design.target import Target, curvature
from allometry.plan.frontier.cost import SIX_ND, Cost
from allometry.plan.frontier.optimum import Frontier

__all__ = ["Identified", "coverage", "distinct_ratios", "identified"]

SCHEMA = "allometry/design/1"
SAME_RATIO = 0.01  # difference of ln(D/N) up to which runs lie on one ray: tokens are rounded
FEWEST_RATIOS = 3  # on two rays a wrong law of two powers can fit with residuals of zero
DEPENDENT = 1e-9  # singular value over the largest up to which a direction is not identified
SEEN = 1e-6  # share of a slope in directions not identified that is attributed to rounding


@dataclass(frozen=True)
class Identified:
    """What runs identify under a law with these parameters and this noise.

    Attributes:
        law: its name. rows: number of runs.
        noise: standard deviation of ln L about the law.
        parameters: name -> standard deviation, of the log if the parameter is positive;
            infinite if the runs do not identify it.
        decisions: target as typed -> standard deviation of ln N* or ln L; for `waste@C` the
            expected waste, (alpha + beta)/2 Var(ln N*).
        coverage: V_K = mean(k^-2 beta) - mean(k^-beta)^2 with k = D/N (2605.08541); NaN for a law
            without beta.
        ratios: number of distinct D/N.
        condition: condition number of J^T J. condition_scaled: the same with columns of J scaled
            to length 1.
        notes: in words.
    """

    law: str
    rows: int
    noise: float
    parameters: Mapping[str, float]
    decisions: Mapping[str, float]
    coverage: float
    ratios: int
    condition: float
    condition_scaled: float
    notes: tuple[str, ...] = ()

    def to_document(self) -> dict[str, object]:
        """Plain values: schema allometry/design/1; what is not identified is None."""
        numbers = ("coverage", "condition", "condition_scaled")
        return {
            "schema": SCHEMA,
            "law": self.law,
            "rows": self.rows,
            "noise": self.noise,
            "parameters": {name: _finite(sd) for name, sd in self.parameters.items()},
            "decisions": {name: _finite(sd) for name, sd in self.decisions.items()},
            "ratios": self.ratios,
            **{name: _finite(getattr(self, name)) for name in numbers},
            "notes": list(self.notes),
        }


@np.errstate(all="ignore")  # values that are not finite are refused or count as not identified
def identified(
    law: Law,
    values: Mapping[str, float],
    n: Array,
    d: Array,
    *,
    noise: float,
    targets: Sequence[Target] = (),
    cost: Cost = SIX_ND,
    fixed: Mapping[str, float] | None = None,
) -> Identified:
    """What runs of N and D identify if the law holds with these parameters.

    Args:
        values: of every parameter, fitted or assumed.
        n, d: (rows,). noise: standard deviation of ln L, such as .005.
        targets: decisions. cost: FLOP of a run.
        fixed: known parameters, name -> value.

    Raises:
        UsageError: invalid sizes, noise or parameters. DataError: the law is undefined at a run.
    """
    n, d = np.atleast_1d(np.asarray(n, float)), np.atleast_1d(np.asarray(d, float))
    _check(law, values, n, d, noise)
    lanes = {name: np.array([float(values[name])]) for name in law.names} | {
        name: np.array([float(value)]) for name, value in (fixed or {}).items()
    }
    held = tuple(fixed or ())
    log_loss = partial(_log_loss, law, {"N": n, "D": d})
    _, by_parameter = slopes(law, lanes, log_loss, held)
    jacobian = by_parameter[0].T
    if not np.isfinite(jacobian).all():
        raise DataError(f"law {law.name} has no loss at some of the runs with these parameters")
    spread = _Spread(jacobian, noise)
    names = [p.name for p in free_parameters(law, held)]
    frontier = Frontier(law, lanes, cost)
    decisions = {
        str(target): _of_decision(target, law, lanes, cost, held, spread, frontier)
        for target in targets
        if target.kind != "law"
    }
    ratios = distinct_ratios(d / n)
    return Identified(
        law.name,
        len(n),
        noise,
        {name: spread.of(np.eye(len(names))[j]) for j, name in enumerate(names)},
        decisions,
        coverage(d / n, float(lanes["beta"][0])) if "beta" in lanes else np.nan,
        ratios,
        _condition(jacobian),
        _condition(jacobian / spread.lengths),
        _notes(ratios, len(n), len(names)),
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def coverage(ratios: Array, beta: float) -> float:
    """V_K = mean(k^-2 beta) - mean(k^-beta)^2 of the ratios k = D/N (n,) (2605.08541)."""
    return float(np.var(ratios**-beta))


def distinct_ratios(ratios: Array) -> int:
    """Number of distinct D/N among ratios (n,); ratios within 1% of the next count as one."""
    return 1 + int((np.diff(np.sort(np.log(ratios))) > SAME_RATIO).sum())


class _Spread:
    """Standard deviations of linear functions of the parameters.

    Args:
        jacobian: (rows, p). noise: of a row.
    """

    def __init__(self, jacobian: Array, noise: float):
        lengths = np.linalg.norm(jacobian, axis=0)
        self.lengths = np.where(lengths > 0, lengths, 1.0)
        _, sizes, turned = np.linalg.svd(jacobian / self.lengths, full_matrices=True)
        self.turned, self.noise = turned, noise
        self.sizes = np.concatenate([sizes, np.zeros(len(turned) - len(sizes))])

    def of(self, slope: Array) -> float:
        """Standard deviation of the function with this slope (p,); infinite if not identified."""
        parts = self.turned @ (slope / self.lengths)
        seen = self.sizes > DEPENDENT * self.sizes[0]
        if np.linalg.norm(parts[~seen]) > SEEN * np.linalg.norm(parts):
            return np.inf
        return float(self.noise * np.linalg.norm(parts[seen] / self.sizes[seen]))


def _log_loss(law: Law, sizes: Mapping[str, Array], values: Mapping[str, Array]) -> Array:
    return np.log(law.evaluate(values, sizes))


def _of_decision(
    target: Target,
    law: Law,
    values: Mapping[str, Array],
    cost: Cost,
    fixed: Sequence[str],
    spread: _Spread,
    frontier: Frontier,
) -> float:
    """Standard deviation of a decision, or the expected waste; NaN without an optimum."""
    _, slope = slopes(law, values, lambda v: target.of_law(law, v, cost), fixed)
    if not np.isfinite(slope).all():
        return np.nan
    sd = spread.of(slope[0, :, 0])
    if target.kind == "waste" and target.compute is not None:
        return curvature(frontier, target.compute) * sd * sd  # sd**2 raises on overflow
    return sd


def _condition(matrix: Array) -> float:
    """Condition number of M^T M; infinite if M has fewer rows than columns."""
    if len(matrix) < matrix.shape[1]:
        return np.inf
    with np.errstate(over="ignore"):
        return float(np.linalg.cond(matrix) ** 2)


def _notes(ratios: int, rows: int, parameters: int) -> tuple[str, ...]:
    notes = []
    if rows < parameters:
        notes.append(f"{rows} runs cannot determine {parameters} parameters")
    if ratios == 1:
        notes.append("all runs have one D/N: only the loss on this ray is identified")
    elif ratios < FEWEST_RATIOS:
        notes.append(
            f"{ratios} distinct D/N: lack of fit cannot be seen, since even a wrong law fits two "
            "rays; add runs at a third D/N"
        )
    return tuple(notes)


def _check(law: Law, values: Mapping[str, float], n: Array, d: Array, noise: float) -> None:
    if set(law.sizes) != {"N", "D"}:
        raise UsageError(
            f"a law of N and D is expected; {law.name} has the sizes {', '.join(law.sizes)}"
        )
    if missing := [name for name in law.names if name not in values]:
        raise UsageError(f"law {law.name} needs a value of {', '.join(missing)}")
    if n.shape != d.shape or not len(n):
        raise UsageError(
            f"N and D of the same length, at least 1, are expected; got shapes {n.shape}, {d.shape}"
        )
    if not (np.isfinite(n) & np.isfinite(d) & (n > 0) & (d > 0)).all():
        raise UsageError("N and D of every run must be positive numbers")
    with np.errstate(all="ignore"):
        ratios = d / n
    if not (np.isfinite(ratios) & (ratios > 0)).all():
        raise UsageError("D/N of every run must be a positive number: check the units of both")
    if not (np.isfinite(noise) and noise > 0):
        raise UsageError(
            f"noise must be the standard deviation of ln L, a positive number such as .005; got "
            f"{noise}"
        )
