"""Fit and compare from files: what the command line calls, one function a command."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from allometry import laws
from allometry.fitting.compare import compare, document
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.laws import Law
from allometry.tables.read import read_table

__all__ = ["compare_file", "fit_file", "save_fit"]


def fit_file(path: str | Path, law: str, columns: Mapping[str, str], **options: Any) -> Fit:
    """Read a table and fit a law; `.to_document()` of the result is the fit document.

    Args:
        law: a name, or the path of a Python file that defines `LAW` (it is run).
        options: of `allometry.fitting.fit.fit`.
    """
    beside = (options.get("weights"), options.get("noise"))
    needed = {*columns.values(), *(column for column in beside if column)}
    return fit(read_table(path, needed), _law(law), columns, **options)


def save_fit(made: Fit, path: str | Path) -> None:
    """Write the fit document."""
    Path(path).write_text(made.to_json(indent=1) + "\n", encoding="utf-8")


def compare_file(
    path: str | Path, columns: Mapping[str, str], names: Sequence[str], **options: Any
) -> dict[str, Any]:
    """Read a table and compare laws; returns the compare document.

    Args:
        names: laws or law files. options: of `allometry.fitting.compare.compare`.
    """
    table = read_table(path, set(columns.values()))
    return document(compare(table, columns, [_law(n) for n in names], **options))


def _law(name: str) -> Law:
    return laws.from_file(name) if name.endswith(".py") else laws.named(name)
