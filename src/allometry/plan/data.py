"""The runs from which a plan is made, with the table and columns to which laws are fitted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from allometry.fitting.document import Fit
from allometry.plan.frontier.cost import Cost
from allometry.plan.runs import Runs
from allometry.tables.conditions import Mask
from allometry.tables.table import Table

__all__ = ["Data"]


@dataclass(frozen=True, eq=False)
class Data:
    """Runs, and their table.

    Attributes:
        runs: rows of the table. table: with a column of D. columns: N, D, L -> column.
    """

    runs: Runs
    table: Table
    columns: Mapping[str, str]

    @classmethod
    def of_table(
        cls, table: Table, columns: Mapping[str, str], cost: Cost, run: str | None = None
    ) -> Self:
        """The runs of a table; arguments and errors as for `Runs.of_table`."""
        runs = Runs.of_table(table, columns, cost, run)
        mapped = {symbol: column for symbol, column in columns.items() if symbol != "C"}
        if "D" not in mapped:
            tokens = np.full(len(table), np.nan)
            tokens[runs.rows] = runs.d
            mapped["D"] = name = _free("D", table)
            table = table.with_columns(**{name: tokens})
        return cls(runs, table, mapped)

    @classmethod
    def of_fit(cls, fit: Fit, cost: Cost) -> Self:
        """The runs that a fit of N and D used."""
        response = fit.law.response
        table = Table({symbol: fit.data[symbol] for symbol in ("N", "D", response)})
        return cls.of_table(table, {"N": "N", "D": "D", "L": response}, cost)

    def take(self, rows: Mask) -> Self:
        """Some rows of the table, (rows,), and the runs in them."""
        places = np.cumsum(rows) - 1
        runs = self.runs.take(rows[self.runs.rows])
        moved = type(runs)(runs.n, runs.d, runs.compute, runs.loss, runs.run, places[runs.rows])
        return type(self)(moved, self.table.take(rows), self.columns)

    def used_by(self, fit: Fit) -> Self:
        """The same, with only the runs that a fit to this table used."""
        used = np.isin(self.runs.rows, fit.problem.rows.kept)
        return type(self)(self.runs.take(used), self.table, self.columns)


def _free(name: str, table: Table) -> str:
    """The name, extended until no column of the table has it."""
    while name in table:
        name += "_from_C"
    return name
