"""The runs of a page: their counts, the values common to all, and a table of the rest."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from allometry.stats.digits import shown, shown_integer
from allometry.tables.cells import holds_numbers
from allometry.tables.table import Table

__all__ = ["counts_of_runs", "provenance_section", "runs_section"]

ROWS_BYTES = 350_000  # of a page, for the table of runs


class Cell(NamedTuple):
    """A cell as a page shows it: text, full value if the text is cut, key to sort by."""

    text: str
    full: str = ""
    key: str = ""


def counts_of_runs(table: Table, declared: int | None) -> dict[str, Any]:
    """Numbers of runs by status, seeds, reasons for exclusions, number of pending runs."""
    status = table["status"].tolist() if "status" in table else ["done"] * len(table)
    seeds = sorted(set(table["seed"].tolist())) if "seed" in table else []
    return {
        "runs": len(table),
        "done": status.count("done"),
        "diverged": status.count("diverged"),
        "excluded": status.count("excluded"),
        "reasons": _reasons(table),
        "seeds": seeds,
        "pending": max(0, (declared or 0) - len(table)),
    }


def _reasons(table: Table) -> list[tuple[str, int]]:
    """Each reason for exclusion, with the number of excluded runs."""
    if "excluded_because" not in table:
        return []
    return list(Counter(reason for reason in table["excluded_because"] if reason).items())


def runs_section(table: Table, room: int = ROWS_BYTES) -> dict[str, Any]:
    """The columns that differ between runs, with as many rows as fit into `room` bytes."""
    values = {name: table[name].tolist() for name in table.columns}
    numeric = {name: holds_numbers(table[name]) for name in table.columns}
    formats = {name: _format(name, numeric[name]) for name in values}
    same = {
        name: _trimmed(formats[name](column[0]).text)
        for name, column in values.items()
        if len(table) > 1 and _looks_the_same(column, formats[name])
    }
    names = [name for name in table.columns if name not in same]
    rows: list[list[Cell]] = []
    used = 0
    for i in range(len(table)):
        row = [formats[name](values[name][i]) for name in names]
        used += sum(len(cell.text) + len(cell.full) + 30 for cell in row)
        if used > room:
            break
        rows.append(row)
    return {
        "same": list(same.items()),
        "names": names,
        "numeric": {name: numeric[name] for name in names},
        "rows": rows,
        "total": len(table),
    }


def _format(name: str, numeric: bool) -> Callable[[Any], Cell]:
    """The function that formats the cells of a column."""
    if not numeric:
        return _words
    as_text = str if name == "seed" else _text
    return lambda value: Cell("") if value is None else Cell(as_text(value), key=repr(value))


def _words(value: Any) -> Cell:
    text = _text(value)
    return Cell(text[:10] + "…", full=text) if _is_hash(text) else Cell(text)


def _looks_the_same(values: Sequence[Any], shown_as: Callable[[Any], Cell]) -> bool:
    """Whether all values are shown as the same text; stops at the first that differs."""
    first = values[0]
    text = shown_as(first).text
    return all(
        (type(value) is type(first) and value == first) or shown_as(value).text == text
        for value in values
    )


def _trimmed(text: str) -> str:
    """A number without trailing zeros, which only serve to align a column."""
    return text.rstrip("0").rstrip(".") if re.fullmatch(r".?\d+\.\d+", text) else text


def _is_hash(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{32,}", text) is not None


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return shown(value, 4)
    if isinstance(value, int) and not isinstance(value, bool):
        return shown_integer(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(_text, value))
    return str(value)


def provenance_section(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Values that are equal in all documents once, the others as a table."""
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    cells = [{str(k): _text(v) for k, v in row.items()} for row in rows]
    same = [n for n in names if len({row.get(n, "") for row in cells}) == 1]
    varying = [n for n in names if n not in same]
    return {
        "same": [(n, cells[0][n]) for n in same],
        "names": varying,
        "rows": [[row.get(n, "") for n in varying] for row in cells] if varying else [],
    }
