"""Targets of the next runs: the best size at a compute, a loss, the waste, or the law."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np

from allometry.errors import UsageError, did_you_mean
from allometry.laws import Array, Law
from allometry.plan.frontier.cost import SIX_ND, Cost
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.frontier.waste import wasted

__all__ = ["Target", "curvature"]

Kind = Literal["ln_n_opt", "waste", "loss", "law"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FORMS = "ln_n_opt@1e24, waste@1e24, loss@7e10,1.4e12 (N,D) or law"
STEP = 0.05  # of ln N: the waste at this distance is within 1% of its parabola


@dataclass(frozen=True)
class Target:
    """One decision.

    Attributes:
        kind: `ln_n_opt`, the log of the best N at a compute; `waste`, the share of that compute
            that the planned N wastes; `loss`, the loss of a run; `law`, which of the laws holds.
        compute: of the decision, in FLOP; None for `law`.
        n, d: of the run of `loss`, else None.
    """

    kind: Kind
    compute: float | None = None
    n: float | None = None
    d: float | None = None

    @classmethod
    def of_text(cls, text: str, cost: Cost = SIX_ND) -> Self:
        """The target given by a text such as `ln_n_opt@1e24`.

        Raises:
            UsageError: an invalid form, or numbers that are not positive.
        """
        name, _, place = text.partition("@")
        kind = next((k for k in KINDS if k == name), None)
        if kind is None:
            raise UsageError(f"a target must be {FORMS}; got {text!r}{did_you_mean(name, KINDS)}")
        numbers = _positive_numbers(text, place)
        if len(numbers) != {"law": 0, "loss": 2}.get(name, 1):
            raise UsageError(f"a target must be {FORMS}; got {text!r}")
        if kind == "loss":
            n, d = numbers
            return cls(kind, float(cost.compute(np.array(n), np.array(d))), n, d)
        return cls(kind, *numbers)

    def of_law(self, law: Law, values: Mapping[str, Array], cost: Cost) -> Array:
        """ln N* or the log of the loss under k sets of a law's parameters, (k, 1)."""
        frontier = Frontier(law, values, cost)
        if self.n is not None and self.d is not None:
            return np.log(frontier.loss_at(np.array(self.n), np.array(self.d)))[:, None]
        if self.compute is None:
            raise UsageError("the target law has no value under a single law")
        return np.log(frontier.at(self.compute).n)[:, None]

    def __str__(self) -> str:
        if self.kind == "law":
            return self.kind
        numbers = (self.n, self.d) if self.kind == "loss" else (self.compute,)
        return f"{self.kind}@{','.join(_typed(x) for x in numbers if x is not None)}"


def _typed(number: float) -> str:
    """A number as users type it, 1e24 and not 1e+24, with all its digits."""
    short = f"{number:g}"
    return (
        (short if float(short) == number else repr(number)).replace("e+0", "e").replace("e+", "e")
    )


def _positive_numbers(text: str, place: str) -> list[float]:
    try:
        numbers = [float(part) for part in place.split(",")] if place else []
    except ValueError:
        raise UsageError(f"a target must be {FORMS}; got {text!r}") from None
    if not all(np.isfinite(x) and x > 0 for x in numbers):
        raise UsageError(f"the numbers of a target must be positive; got {text!r}")
    return numbers


def curvature(frontier: Frontier, compute: float) -> float:
    """c in waste = c (ln N/N*)^2 near the best N; (alpha + beta)/2 if closed forms hold."""
    split = frontier.split
    if split is not None:
        return float(np.median(split.alpha + split.beta) / 2)
    best = frontier.at(compute).n
    shares = []
    for step in (-STEP, STEP):
        n = best * np.exp(step)
        shares.append(wasted(frontier, n, frontier.cost.tokens(n, np.full_like(n, compute))))
    return float(np.nanmedian(np.mean(shares, axis=0))) / STEP**2
