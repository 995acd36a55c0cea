"""Multiverse analysis: the same data fitted under every combination of reasonable choices."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Unpack

from allometry import laws
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions, ObjectiveName, SharedOptions
from allometry.laws import Law
from allometry.tables.read import TableLike, as_table
from allometry.tables.table import Table

__all__ = ["OBJECTIVES", "RESAMPLES", "multiverse"]

RESAMPLES = 200
OBJECTIVES: tuple[tuple[ObjectiveName, float], ...] = (
    ("huber_log", 1e-3),
    ("huber_log", 1e-2),
    ("squared_log", 0.0),
)


def multiverse(
    table: TableLike,
    law: str | Law,
    columns: Mapping[str, str] | Mapping[str, Mapping[str, str]],
    *,
    objectives: Sequence[tuple[ObjectiveName, float]] = OBJECTIVES,
    drop_largest: Sequence[Mapping[str, int]] = ({},),
    where: Sequence[Sequence[str]] = ((),),
    **options: Unpack[SharedOptions],
) -> Table:
    """Fit every combination of choices.

    Args:
        columns: law symbol -> column; or name of each counting convention -> such a mapping,
            e.g. {"all parameters": {...}, "without embeddings": {...}}.
        objectives: pairs (name, delta). drop_largest, where: rules for leaving out rows.
        options: the same in every fit, as for `allometry.fitting.fit.fit`; `resamples` is
            200 by default.

    Returns:
        One row for each combination: `counting`, `objective`, `delta`, `dropped`,
        `rows`, each parameter and derived quantity with `_low` and `_high`, `status`. The
        table's notes are those of the table and of the fits.
    """
    law = laws.named(law) if isinstance(law, str) else law
    shared: SharedOptions = {"resamples": RESAMPLES, **options}
    mappings = list(_mappings(columns))
    mapped = [column for _, mapping in mappings for column in mapping.values()]
    runs = as_table(table, FitOptions(**shared).numbers(mapped))
    rows, notes = [], list(runs.notes)
    for (counting, mapping), (objective, delta), largest, conditions in product(
        mappings, objectives, drop_largest, where
    ):
        choices = FitOptions(
            objective=objective,
            delta=delta or 1e-3,
            drop_largest=largest,
            where=conditions,
            **shared,
        )
        row = {
            "counting": counting,
            "objective": objective,
            "delta": delta,
            "dropped": _in_words(largest, conditions),
        }
        fit = fit_with(runs, law, mapping, choices)
        rows.append({**row, **_results(fit)})
        notes += fit.notes
    fits = Table.from_rows(rows)
    return Table({name: fits[name] for name in fits.columns}, notes=list(dict.fromkeys(notes)))


def _mappings(
    columns: Mapping[str, str] | Mapping[str, Mapping[str, str]],
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Pairs of a counting convention and its columns; one pair for a plain mapping."""
    plain = {str(s): c for s, c in columns.items() if isinstance(c, str)}
    if plain:
        yield "as mapped", plain
    for name, mapping in columns.items():
        if not isinstance(mapping, str):
            yield name, mapping


def _in_words(largest: Mapping[str, int], conditions: Sequence[str]) -> str:
    """The rows that a combination leaves out, in words."""
    rules = [f"{count} largest {symbol}" for symbol, count in largest.items()]
    return ", ".join([*rules, *(f"all but {c}" for c in conditions)]) or "none"


def _results(fit: Fit) -> dict[str, float | str]:
    """The columns that the fit of one combination adds to its row."""
    results: dict[str, float | str] = {"rows": fit.rows}
    for name, e in {**fit.parameters, **fit.derived}.items():
        results |= {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
    return {**results, "status": fit.status.code}
