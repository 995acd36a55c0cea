"""The finished runs from which a plan is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError, UsageError
from allometry.laws import Array
from allometry.plan.frontier.cost import Cost
from allometry.stats.resample import Labels
from allometry.tables.table import Table

__all__ = ["Runs"]


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs, or checkpoints of runs, as rows of a table; each array is (rows,).

    Attributes:
        n: parameters. d: training tokens. compute: training FLOP. loss: after training on d.
        run: label of the run to which a row belongs; runs are resampled whole.
        rows: position of each row in the table.
    """

    n: Array
    d: Array
    compute: Array
    loss: Array
    run: Labels
    rows: NDArray[np.intp]

    @classmethod
    def of_table(
        cls, table: Table, columns: Mapping[str, str], cost: Cost, run: str | None = None
    ) -> Self:
        """The runs of a table; rows without a positive size or loss are left out.

        Args:
            columns: N, L, and D or C or both -> column. If C or D is not mapped, it is computed
                by `cost`.
            run: column that names the run of which a row is a checkpoint; None if every row is a
                run.

        Raises:
            UsageError: a symbol that is not mapped. DataError: no row is left.
        """
        if missing := [s for s in ("N", "L") if s not in columns]:
            computed = {"N", "C", "D"} - set(columns) == {"N"}
            raise UsageError(
                f"a plan needs columns of N, L, and D or C; {missing[0]} is missing, got "
                f"{', '.join(columns)}"
                + (f". Compute N with N={columns['C']}/6/{columns['D']}" if computed else "")
            )
        if not {"D", "C"} & set(columns):
            raise UsageError("a plan needs a column of D or of C: map D=tokens, or C=flops")
        n, loss = (table.numbers(columns[s], s) for s in ("N", "L"))
        mapped = {s: table.numbers(columns[s], s) for s in ("D", "C") if s in columns}
        with np.errstate(all="ignore"):
            d = mapped["D"] if "D" in mapped else cost.tokens(n, mapped["C"])
            compute = mapped["C"] if "C" in mapped else cost.compute(n, d)
        usable = np.ones(len(table), bool)
        for symbol, values in {"N": n, "D": d, "C": compute, "L": loss}.items():
            positive = np.isfinite(values) & (values > 0)
            if not positive.any():
                raise DataError(
                    f"no row has a positive {symbol}"
                    + (f" in column {columns[symbol]!r}" if symbol in columns else "")
                    + ": a plan needs positive N, D, C and L. Check the columns mapped"
                )
            usable &= positive
        if not usable.any():
            raise DataError("no row has a positive N, L, and D or C: check the columns mapped")
        labels = np.arange(len(table)) if run is None else table[run]
        kept = np.flatnonzero(usable)
        return cls(n[kept], d[kept], compute[kept], loss[kept], labels[kept], kept)

    def __len__(self) -> int:
        return len(self.n)

    def take(self, places: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Some of the rows, by position or mask; a position may be repeated."""
        return type(self)(
            self.n[places], self.d[places], self.compute[places], self.loss[places],
            self.run[places], self.rows[places],
        )  # fmt: skip
