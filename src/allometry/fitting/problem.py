"""The problem that a fit solves: everything that decides where its optimum is."""

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

    Profiles, influence and the judgement of published values solve it again in other ways.

    Attributes:
        fixed: parameter name to the raw value it is held at.
    """

    law: Law
    objective: Objective
    rows: Rows
    fixed: Mapping[str, float]

    @classmethod
    def of_table(
        cls, table: Table, law: Law, columns: Mapping[str, str], options: FitOptions
    ) -> "Problem":
        """The problem of a table's rows, those left out that the options say.

        Raises:
            UsageError: columns that do not fit the law. DataError: rows that cannot be used.
        """
        objective = named(options.named_objective, options.delta)
        rows = select(
            table,
            law,
            columns,
            logs=objective.logs,
            drop_largest=options.drop_largest or {},
            where=options.where,
            weights=options.weights,
            noise=options.noise,
        )
        return cls(law, objective, rows, options.fixed_parameters(law))

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the parameters that are not held fixed."""
        return tuple(name for name in self.law.names if name not in self.fixed)

    def data(self) -> dict[str, Array]:
        """The used rows by symbol, with `weight` unless all are 1: what a document keeps."""
        rows = self.rows
        weighted = {"weight": rows.weights} if (rows.weights != 1).any() else {}
        return {**rows.sizes, self.law.response: rows.y, **weighted}

    def centred(self) -> LawSurface:
        """The surface that is searched."""
        return surface(self.law, self.objective, self.rows.sizes, self.rows.y, self.fixed)

    def raw(self) -> LawSurface:
        """The same surface without centring: its coordinates are the raw parameters."""
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
        """The refusal of a law that has no finite objective, whatever its parameters."""
        return DataError(
            f"law {self.law.name} has no finite {self.objective.name} at any start: it gives no "
            "number at some row. Change what is held fixed, leave out rows, or take another law"
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
    """The surface with the best derivatives this law allows."""
    kind = PowerSumSurface if law.terms else PlainSurface
    return kind(law, objective, sizes, y, fixed, centred)
