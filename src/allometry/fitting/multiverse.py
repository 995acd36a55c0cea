"""The same data under every reasonable choice, side by side."""

from collections.abc import Mapping, Sequence
from itertools import product

from allometry.fitting.fit import fit
from allometry.laws import Law
from allometry.tables.table import Table

__all__ = ["multiverse"]

OBJECTIVES: tuple[tuple[str, float], ...] = (
    ("huber_log", 1e-3),
    ("huber_log", 1e-2),
    ("squared_log", 0.0),
)


def multiverse(
    table: Table,
    law: str | Law,
    columns: Mapping[str, str] | Mapping[str, Mapping[str, str]],
    *,
    objectives: Sequence[tuple[str, float]] = OBJECTIVES,
    drop_largest: Sequence[Mapping[str, int]] = ({},),
    where: Sequence[Sequence[str]] = ((),),
    resamples: int = 200,
    seed: int = 0,
) -> Table:
    """Fit every combination of choices.

    Args:
        columns: law symbol -> column; or a name for each counting convention and
            its mapping, e.g. {"all parameters": {...}, "without embeddings": {...}}.
        objectives: pairs (name, delta). drop_largest, where: outlier rules to try.

    Returns:
        One row for each combination: `counting`, `objective`, `delta`, `dropped`,
        `rows`, each parameter and derived quantity with `_low` and `_high`, `status`.
    """
    ways: dict[str, Mapping[str, str]] = {}
    for name, value in columns.items():
        if isinstance(value, str):
            ways.setdefault("as mapped", {str(s): str(c) for s, c in columns.items()})
        else:
            ways[name] = value
    rows = []
    for (counting, mapping), (aim, delta), drop, conditions in product(
        ways.items(), objectives, drop_largest, where
    ):
        made = fit(
            table,
            law,
            mapping,
            objective=aim,
            delta=delta or 1e-3,
            drop_largest=drop,
            where=conditions,
            resamples=resamples,
            seed=seed,
        )
        rule = [f"{count} largest {symbol}" for symbol, count in drop.items()]
        row = {
            "counting": counting,
            "objective": aim,
            "delta": delta,
            "dropped": ", ".join([*rule, *(f"not {c}" for c in conditions)]) or "none",
            "rows": made.rows,
        }
        for name, e in {**made.parameters, **made.derived}.items():
            row |= {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
        rows.append({**row, "status": made.status.code})
    return Table.from_rows(rows)
