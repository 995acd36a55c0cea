"""Fit and compare from files: what the command line calls, one function a command."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

from allometry import laws
from allometry.fitting.compare import compare, document
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions, ObjectiveName, OptionValues, Rule
from allometry.laws import Law
from allometry.tables.read import as_table

__all__ = ["CompareValues", "compare_file", "fit_file", "save_fit"]


class CompareValues(TypedDict, total=False):
    """The options of `allometry.fitting.compare.compare`, as keyword arguments."""

    fit_where: Sequence[str]
    by: Sequence[str]
    hold_out: int
    backtest: bool | None
    rule: Rule
    objective: ObjectiveName
    delta: float | None
    starts: int | None
    seed: int
    drop_largest: Mapping[str, int] | None
    weights: str | None
    noise: str | None
    where: Sequence[str]
    fixed: Mapping[str, float] | None


def fit_file(
    path: str | Path, law: str, columns: Mapping[str, str], **options: Unpack[OptionValues]
) -> Fit:
    """Read a table and fit a law; `.to_document()` of the result is the fit document.

    Args:
        law: a name, or the path of a Python file that defines `LAW` (it is run).
        options: of `allometry.fitting.fit.fit`.
    """
    choices = FitOptions(**options)
    table = as_table(path, choices.numbers(columns.values()))
    return fit_with(table, _law(law), columns, choices)


def save_fit(fit: Fit, path: str | Path) -> None:
    """Write the fit document."""
    Path(path).write_text(fit.to_json(indent=1) + "\n", encoding="utf-8")


def compare_file(
    path: str | Path,
    columns: Mapping[str, str],
    names: Sequence[str],
    **options: Unpack[CompareValues],
) -> dict[str, object]:
    """Read a table and compare laws; returns the compare document.

    Args:
        names: laws or law files. options: of `allometry.fitting.compare.compare`.
    """
    # Names stay names: a law stands in the document under the name it was asked for.
    given: list[str | Law] = [_law(name) if name.endswith(".py") else name for name in names]
    return document(compare(path, columns, given, **options))


def _law(name: str) -> Law:
    return laws.from_file(name) if name.endswith(".py") else laws.named(name)
