"""The runs of a store as a table."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from allometry.store.record import Record, decode_arrays, decoded
from allometry.tables.plans import CommittedPlan
from allometry.tables.table import Table
from allometry.training.result import Cell

__all__ = ["Rows"]

STORED = ("run_id", "seed", "status", "excluded_because", "seconds")  # all but the measures


class Rows:
    """Rows collected as columns; a dict for each row would take several times the memory."""

    def __init__(self) -> None:
        self._count = 0
        self._stored: dict[str, list[Any]] = {name: [] for name in STORED}
        self._measured: dict[str, list[Cell | None]] = {}
        self._arrays: dict[str, dict[str, NDArray[Any]]] = {}

    def add(self, stored: Record, reason: str | None = None) -> None:
        """Append a stored run; columns that a run lacks are None in its row.

        Args:
            reason: why the run is excluded; None if it is not.

        Raises:
            DataError: a value is not as allometry writes it.
        """
        seed, row = decoded(stored)
        status = stored.status if reason is None else "excluded"
        cells = (stored.run_id, seed, status, reason, stored.seconds)
        for column, value in zip(self._stored.values(), cells, strict=True):
            column.append(value)
        if row.keys() != self._measured.keys():
            for name in row:
                self._measured.setdefault(name, [None] * self._count)
        for name, column in self._measured.items():
            column.append(row.get(name))
        if stored.trajectories is not None:
            self._arrays[stored.run_id] = decode_arrays(stored.trajectories)
        self._count += 1

    def table(self, study: str, plans: Sequence[CommittedPlan] = ()) -> Table:
        """The added runs as the table of a study."""
        stored = self._stored
        reasons = stored["excluded_because"]
        columns = {
            "run_id": stored["run_id"],
            "study": [study] * self._count,
            "seed": stored["seed"],
            **self._measured,
            "status": stored["status"],
            **({"excluded_because": reasons} if any(reasons) else {}),
            "seconds": stored["seconds"],
        }
        return Table(columns, self._arrays, plans=plans)
