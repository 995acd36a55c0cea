"""Numbers shared by the findings and figures of the study, computed once."""

from collections.abc import Mapping
from dataclasses import dataclass

from allometry.stats.interval import Interval
from allometry.studies.cnn_size_by_data.analysis import (
    Drop,
    Means,
    Parts,
    Printed,
    drop_at_the_top,
    means_by,
    parts,
    slopes,
)
from allometry.studies.cnn_size_by_data.frontier import Frontier, with_dropout
from allometry.tables.table import Table

__all__ = ["Numbers"]


@dataclass(frozen=True)
class Numbers:
    """All numbers of the study; None or NaN for a part without runs.

    Attributes:
        parts: the runs by purpose.
        printed: the comparison of the grid with the notebook's table.
        drop: the two largest widths: of the repeated runs, or of the grid if there are no repeats.
        slopes: dependence of the grid's test loss on width, data and compute; see `slopes`.
        test_loss: means of the grid's test loss, by width (`model_size`) and by share
            (`dataset_fraction`).
        test_accuracy: means of the test accuracy by width, for `grid`, `repeats` and `trained`.
        trained, dropout: the frontier of real training, without and with dropout.
        dropout_effect: `ratio` and `change`; see `with_dropout`.
    """

    parts: Parts
    printed: Printed
    drop: Drop
    slopes: Mapping[str, Interval]
    test_loss: Mapping[str, Means]
    test_accuracy: Mapping[str, Means]
    trained: Frontier | None
    dropout: Frontier | None
    dropout_effect: Mapping[str, Interval]

    @classmethod
    def of(cls, table: Table) -> "Numbers":
        """The numbers of the finished runs of a table."""
        part = parts(table)
        return cls(
            parts=part,
            printed=Printed.of(part.grid),
            drop=drop_at_the_top(part.repeats if len(part.repeats) else part.grid),
            slopes=slopes(part.grid),
            test_loss={
                name: means_by(part.grid, name, "test_loss")
                for name in ("model_size", "dataset_fraction")
            },
            test_accuracy={
                name: means_by(rows, "model_size", "test_accuracy")
                for name, rows in (
                    ("grid", part.grid),
                    ("repeats", part.repeats),
                    ("trained", part.trained),
                )
            },
            trained=Frontier.of(part.trained) if len(part.trained) else None,
            dropout=Frontier.of(part.dropout) if len(part.dropout) else None,
            dropout_effect=with_dropout(part.trained, part.dropout),
        )
