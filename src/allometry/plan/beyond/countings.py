"""The same plan under several ways of counting FLOP and N."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions
from allometry.laws import Array, Law
from allometry.plan.believed import Believed
from allometry.plan.data import Data
from allometry.plan.frontier.conventions import Counting
from allometry.tables.table import Table

__all__ = ["Counted", "countings"]

SPAN = 10.0  # the exponents are taken from the plan's compute down to 1/SPAN of it


@dataclass(frozen=True)
class Counted:
    """The plan for a compute under one way of counting.

    Attributes:
        flops: name of the convention of FLOP. n_column: the column of N.
        exponent_n, exponent_d: of N* and D* in compute, over the decade below the plan.
        n_opt, d_opt, loss: N*, D* and the loss of the plan. status: code of the fit's status.
    """

    flops: str
    n_column: str
    exponent_n: float
    exponent_d: float
    n_opt: float
    d_opt: float
    loss: float
    status: str


def countings(
    table: Table,
    columns: Mapping[str, str],
    law: Law,
    compute: float,
    ways: Sequence[tuple[Counting, str]],
    options: FitOptions | None = None,
) -> tuple[Counted, ...]:
    """Plan for a compute under each convention of FLOP and column of N.

    A given number of FLOP means a different training under each convention, and a given N a
    different model under each column. So compare exponents and D, and compare N only within a
    column.

    Args:
        ways: pairs of a convention and the column of N.
    """
    choices = replace(options or FitOptions(), resamples=0)
    rows = []
    for way, n_column in ways:
        mapped = {**columns, "N": n_column}
        cost = way.cost(table, mapped)
        data = Data.of_table(table, mapped, cost)
        fit = fit_with(data.table, law, data.columns, choices)
        frontier = Believed.of_fit(fit).frontier(cost)
        below, best = frontier.at(compute / SPAN), frontier.at(compute)
        rows.append(
            Counted(
                flops=way.flops,
                n_column=n_column,
                exponent_n=_exponent(below.n, best.n),
                exponent_d=_exponent(below.d, best.d),
                n_opt=float(best.n[0]),
                d_opt=float(best.d[0]),
                loss=float(best.loss[0]),
                status=fit.status.code,
            )
        )
    return tuple(rows)


def _exponent(below: Array, above: Array) -> float:
    """Exponent of a size in compute, from its values (1,) at two computes."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.log(above[0] / below[0]) / np.log(SPAN))
