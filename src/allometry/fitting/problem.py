"""The problem that a fit solves: everything that determines its optimum."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from allometry.errors import DataError, UsageError
from allometry.fitting.objectives import Objective, named
from allometry.fitting.options import FitOptions
from allometry.fitting.plain_surface import PlainSurface
from allometry.fitting.power_sum import PowerSumSurface
from allometry.fitting.rows import Rows, select
from allometry.fitting.surface import LawSurface
from allometry.laws import Array, Law
from allometry.tables.table import Table

__all__ = ["Problem", "surface"]


@dataclass(frozen=True, eq=False)
class Problem:
    """A law, an objective, the used rows with their weights, and the parameters held fixed.

    Profiles, influence and the check of published values use the same problem.

    Attributes:
        fixed: parameter name -> raw value at which it is held.
    """

    law: Law
    objective: Objective
    rows: Rows
    fixed: Mapping[str, float]

    @classmethod
    def of_table(
        cls, table: Table, law: Law, columns: Mapping[str, str], options: FitOptions
    ) -> "Problem":
        """The problem of a table's rows, without those that the options leave out.

        Raises:
            UsageError: columns that do not match the law. DataError: rows that cannot be used.
        """
        objective = named(options.named_objective, options.delta)
        fixed = options.fixed_parameters(law)
        rows = select(
            table,
            law,
            columns,
            logs=objective.logs,
            drop_largest=options.drop_largest or {},
            where=options.where,
            weights=options.weights,
            noise=options.noise,
            free=len(law.names) - len(fixed),
        )
        return cls(law, objective, rows, fixed)

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the parameters that are not held fixed."""
        return tuple(name for name in self.law.names if name not in self.fixed)

    def data(self) -> dict[str, Array]:
        """The used rows by symbol, with `weight` unless all are 1, as stored in a document."""
        rows = self.rows
        weighted = {"weight": rows.weights} if (rows.weights != 1).any() else {}
        return {**rows.sizes, self.law.response: rows.y, **weighted}

    def centred(self) -> LawSurface:
        """The centred surface, which the search minimises."""
        return surface(self.law, self.objective, self.rows.sizes, self.rows.y, self.fixed)

    def raw(self) -> LawSurface:
        """The surface without centring; its coordinates are raw parameters, log if positive."""
        rows = self.rows
        return surface(self.law, self.objective, rows.sizes, rows.y, self.fixed, centred=False)

    def coordinates(self, values: Mapping[str, float]) -> Array:
        """Raw parameter values as a point (1, p) of the raw surface."""
        if missing := [name for name in self.law.names if name not in values]:
            raise UsageError(f"law {self.law.name} needs a value of {', '.join(missing)}")
        return self.raw().to_u_all(np.array([[values[name] for name in self.law.names]]))

    def residuals(self, values: Mapping[str, float]) -> Array:
        """Residuals (n,) of the used rows at raw parameter values."""
        predicted = self.law.evaluate(values, self.rows.sizes)[0]
        return self.objective.residuals(self.rows.y, predicted)

    def without_value(self) -> DataError:
        """The error for a law whose objective is not finite at any start."""
        return DataError(
            f"law {self.law.name} has no finite {self.objective.name} at any start: its value is "
            "not a number at some row. Change the fixed parameters, leave out rows, or use another "
            "law"
        )

    def total(self, values: Mapping[str, float]) -> float:
        """The objective at raw parameter values."""
        return self.objective.total(self.residuals(values), self.rows.weights)


def surface(
    law: Law,
    objective: Objective,
    sizes: Mapping[str, Array],
    y: Array,
    fixed: Mapping[str, float] | None = None,
    centred: bool = True,
) -> LawSurface:
    """The surface of the law: a `PowerSumSurface` if it has terms, else a `PlainSurface`."""
    kind = PowerSumSurface if law.terms else PlainSurface
    return kind(law, objective, sizes, y, fixed, centred)
