"""Candidate runs: the rows of a table, or a grid in N and D."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from allometry.errors import DataError, UsageError
from allometry.laws import Array
from allometry.plan.frontier.cost import Cost
from allometry.plan.runs import Runs
from allometry.stats.digits import shown
from allometry.tables.table import Table

__all__ = ["MOST_REPLICATES", "Candidates"]

REACH = 4.0  # factor by which D/N of a grid goes beyond that of the runs; laws are untested beyond
SIDE = 20  # grid points along N, and along D
MOST_REPLICATES = 2  # without a limit, c-optimal designs repeat five points thousands of times
SAME = 1e-6  # relative difference of N and of D below which two runs are replicates


@dataclass(frozen=True, eq=False)
class Candidates:
    """Runs that could be made.

    Attributes:
        n: parameters, d: training tokens, cost: FLOP; each (m,).
        allowed: how often each may still be made, (m,); existing runs count.
        notes: what was left out, in words.
    """

    n: Array
    d: Array
    cost: Array
    allowed: Array
    notes: tuple[str, ...] = ()

    @classmethod
    def of_table(
        cls, table: Table, columns: Mapping[str, str], runs: Runs, cost: Cost, most: float
    ) -> Self:
        """The rows of a table that cost at most `most`.

        Args:
            columns: N, and D or C or both -> column; a missing one is computed by `cost`.
            most: FLOP.

        Raises:
            UsageError: N, or both D and C, are not mapped. DataError: no row can be used.
        """
        if "N" not in columns or not {"D", "C"} & set(columns):
            raise UsageError(
                f"candidates need columns of N, and of D or C; got {', '.join(columns)}"
            )
        mapped = {s: table.numbers(columns[s], s) for s in ("N", "D", "C") if s in columns}
        n = mapped["N"]
        d = mapped["D"] if "D" in mapped else cost.tokens(n, mapped["C"])
        spent = mapped["C"] if "C" in mapped else cost.compute(n, d)
        with np.errstate(invalid="ignore"):
            usable = np.all([np.isfinite(x) & (x > 0) for x in (n, d, spent)], axis=0)
            kept = usable & (spent <= most)
        if not kept.any():
            raise DataError(
                f"none of the {len(n)} candidates has a positive N and D and costs at most {most:g}"
            )
        notes = []
        if bad := int((~usable).sum()):
            notes.append(f"{bad} rows without a positive N, D or cost are left out")
        if costly := int((usable & ~kept).sum()):
            notes.append(f"{costly} candidates cost more than {shown(most)} FLOP and are left out")
        return cls.of_runs(n[kept], d[kept], spent[kept], runs, tuple(notes))

    @classmethod
    def grid(cls, runs: Runs, cost: Cost, most: float, side: int = SIDE) -> Self:
        """A grid, uniform in ln N and ln D, from the smallest runs to those that cost `most`.

        D/N lies within four times the range of the runs.

        Raises:
            DataError: no point of the grid costs at most `most`.
        """
        ratios = runs.d / runs.n
        low, high = ratios.min() / REACH, ratios.max() * REACH
        largest = cost.at_ratio(low, most), cost.at_ratio(high, most) * high
        n = np.geomspace(runs.n.min(), max(largest[0], runs.n.min()), side)
        d = np.geomspace(runs.d.min(), max(largest[1], runs.d.min()), side)
        n, d = (x.ravel() for x in np.meshgrid(n, d, indexing="ij"))
        spent = cost.compute(n, d)
        kept = (d / n >= low) & (d / n <= high) & (spent <= most)
        if not kept.any():
            raise DataError(
                f"no run in the grid costs at most {most:g} FLOP: the cheapest of the runs costs "
                f"{runs.compute.min():.3g}. Allow more FLOP, or give candidates as a table"
            )
        return cls.of_runs(n[kept], d[kept], spent[kept], runs)

    @classmethod
    def of_runs(
        cls, n: Array, d: Array, cost: Array, runs: Runs, notes: tuple[str, ...] = ()
    ) -> Self:
        """Candidates of these sizes, each allowed twice at most, existing runs included."""
        at = np.log(np.stack([n, d], 1))
        existing = np.log(np.stack([runs.n, runs.d], 1))
        same = (np.abs(at[:, None] - existing[None]) < SAME).all(2).sum(1)
        return cls(n, d, cost, np.maximum(MOST_REPLICATES - same, 0), notes)

    def __len__(self) -> int:
        return len(self.n)
