"""Approaches 1, 2, 3 and Kaplan's side by side, each on the same runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from allometry import laws
from allometry.errors import DataError, UsageError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions
from allometry.laws import Law
from allometry.plan.approaches.approach import Approach, Resampling
from allometry.plan.approaches.envelope import envelope
from allometry.plan.approaches.isoflop import IsoFlop, isoflop
from allometry.plan.approaches.isoflop_bias import Exponents
from allometry.plan.approaches.isoflop_interpolated import interpolated
from allometry.plan.approaches.parametric import parametric
from allometry.plan.data import Data
from allometry.plan.frontier.cost import Cost
from allometry.stats.digits import shown

__all__ = ["Approaches", "approaches"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Approaches:
    """The results of all approaches.

    Attributes:
        by_name: "1", "2", "3", "kaplan" -> the approach, or the reason why it cannot be used.
        isoflop: the budgets of approach 2, if it can be used.
        fits: of the laws of approach 3 and Kaplan's approach.
    """

    by_name: dict[str, Approach | str]
    isoflop: IsoFlop | None
    fits: Mapping[str, Fit]


def approaches(
    data: Data, compute: float, cost: Cost, options: FitOptions, fits: Mapping[str, Fit]
) -> Approaches:
    """The best N and D at a compute by each approach.

    Args:
        fits: existing fits of laws to these runs, by name; missing ones are made.
    """
    how = Resampling(options.resamples, options.level, options.seed)
    fitted: dict[str, Fit] = {}

    def of_law(law: Law) -> Approach:
        fitted[law.name] = fits.get(law.name) or fit_with(data.table, law, data.columns, options)
        return parametric(fitted[law.name], compute, cost)

    third = _or_reason(lambda: of_law(laws.chinchilla))
    kaplan = _or_reason(lambda: of_law(laws.kaplan))
    centre = fitted.get(laws.chinchilla.name)
    exponents = None if centre is None or isinstance(third, str) else Exponents.of_fit(centre)
    second = _or_reason(lambda: isoflop(data.runs, compute, cost, exponents, resampling=how))
    first = _or_reason(lambda: envelope(data.runs, compute, resampling=how))
    parabolas = None if isinstance(second, str) else _with_curves(second, data, compute, cost)
    return Approaches(
        {
            "1": first,
            "2": parabolas.approach if parabolas is not None else str(second),
            "3": third,
            "kaplan": kaplan,
        },
        parabolas,
        fitted,
    )


def _with_curves(parabolas: IsoFlop, data: Data, compute: float, cost: Cost) -> IsoFlop:
    """Approach 2 with a note on the result of interpolated curves in place of parabolas."""
    curves = _or_reason(
        lambda: interpolated(data.runs, compute, cost, resampling=Resampling(resamples=0))
    )
    if isinstance(curves, str):
        return parabolas
    note = (
        f"With interpolated curves in place of parabolas the exponent of N* is "
        f"{shown(curves.exponent_n.value)} and N* is {shown(curves.n_opt.value)}."
    )
    approach = replace(parabolas.approach, notes=(*parabolas.approach.notes, note))
    return replace(parabolas, approach=approach)


def _or_reason(make: Callable[[], T]) -> T | str:
    """The result, or the message of the error."""
    try:
        return make()
    except (DataError, UsageError) as refusal:
        return str(refusal)
