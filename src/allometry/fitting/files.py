"""Fit and compare from files: the functions behind the commands of the command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

from allometry import laws
from allometry.errors import DataError
from allometry.files.durable import written
from allometry.files.foreign import read_bytes
from allometry.fitting.compare import compare, document
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.groups import GroupFits, fit_groups
from allometry.fitting.influence import influence_with_fit, most_moved
from allometry.fitting.mapping import law_of_columns
from allometry.fitting.multiverse import multiverse
from allometry.fitting.options import (
    FitOptions,
    ObjectiveChoice,
    ObjectiveName,
    OptionValues,
    Rule,
    SharedOptions,
)
from allometry.laws import Law
from allometry.tables.read import as_table

__all__ = [
    "CompareValues",
    "compare_file",
    "fit_file",
    "fit_groups_file",
    "influence_file",
    "law_of",
    "multiverse_file",
    "read_fit",
    "save_fit",
]

LARGEST_DOCUMENT = 128_000_000  # bytes; four million cells, the largest table, take 100 MB


class CompareValues(TypedDict, total=False):
    """The options of `allometry.fitting.compare.compare`, as keyword arguments."""

    fit_where: Sequence[str]
    by: Sequence[str]
    hold_out: int
    backtest: bool | None
    rule: Rule
    objective: ObjectiveChoice
    delta: float | None
    starts: int | None
    seed: int
    drop_largest: Mapping[str, int] | None
    weights: str | None
    noise: str | None
    where: Sequence[str]
    fixed: Mapping[str, float] | None


def fit_file(
    path: str | Path, law: str | Law, columns: Mapping[str, str], **options: Unpack[OptionValues]
) -> Fit:
    """Read a table and fit a law; `.to_document()` of the result is the fit document.

    Args:
        law: a law, or a name or path as for `law_of`.
        options: of `allometry.fitting.fit.fit`.
    """
    choices = FitOptions(**options)
    table = as_table(path, choices.numbers(columns.values()))
    return fit_with(table, law_of(law) if isinstance(law, str) else law, columns, choices)


def fit_groups_file(
    path: str | Path,
    law: str,
    columns: Mapping[str, str],
    *,
    by: Sequence[str],
    shared: Sequence[str],
    **options: Unpack[OptionValues],
) -> GroupFits:
    """Read a table and fit a law to each group; see `allometry.fitting.groups.fit_groups`."""
    return fit_groups(path, law_of(law), columns, by=by, shared=shared, **options)


def influence_file(
    path: str | Path,
    law: str,
    columns: Mapping[str, str],
    *,
    leave_out: str | None,
    **options: Unpack[OptionValues],
) -> tuple[Fit, dict[str, object]]:
    """Read a table and refit without each row or group.

    Args:
        options: of `allometry.fitting.influence.influence`.

    Returns:
        the fit to all rows, and the influence document.
    """
    table = as_table(path, FitOptions(**options).numbers(columns.values()))
    fit, without = influence_with_fit(table, law_of(law), columns, leave_out=leave_out, **options)
    rows: list[dict[str, object]] = [
        {**row, "moved": name} for row, name in zip(without, most_moved(fit, without), strict=True)
    ]
    if leave_out is None:
        places = [table.place(number - 1) for number in without["left_out"]]
        rows = [{"place": place, **row} for place, row in zip(places, rows, strict=True)]
    return fit, {
        "schema": "allometry/influence/1",
        "law": fit.law.name,
        "formula": fit.formula,
        "leave_out": leave_out,
        "all_rows": {
            name: estimate.value for name, estimate in {**fit.parameters, **fit.derived}.items()
        },
        "without": rows,
        "notes": list(fit.notes),
    }


def multiverse_file(
    path: str | Path,
    law: str,
    mappings: Mapping[str, Mapping[str, str]],
    *,
    objectives: Sequence[tuple[ObjectiveName, float]],
    drop_largest: Sequence[Mapping[str, int]],
    where: Sequence[Sequence[str]],
    **options: Unpack[SharedOptions],
) -> dict[str, object]:
    """Read a table and fit every combination of choices; returns the multiverse document.

    Args:
        mappings: name of each counting convention -> its columns by symbol.
        options: of `allometry.fitting.multiverse.multiverse`.
    """
    form = law_of_columns(law_of(law), next(iter(mappings.values())))
    fits = multiverse(
        path, form, mappings, objectives=objectives, drop_largest=drop_largest, where=where,
        **options,
    )  # fmt: skip
    return {
        "schema": "allometry/multiverse/1",
        "law": form.name,
        "formula": form.formula,
        "fits": [dict(row) for row in fits],
        "notes": list(fits.notes),
    }


def save_fit(fit: Fit | GroupFits, path: str | Path) -> None:
    """Write the document of a fit, or of fits by group."""
    text = fit.to_json(indent=1) + "\n"
    with written(Path(path)) as part:
        part.write_text(text, encoding="utf-8")


def read_fit(path: str | Path, law: Law | None = None) -> Fit:
    """The fit in a document that `save_fit` wrote.

    Args:
        law: the fitted law, needed if it is user-defined.

    Raises:
        UsageError: no such file, or no law of that name. DataError: as in `Fit.from_json`.
    """
    try:
        return Fit.from_json(read_bytes(path, LARGEST_DOCUMENT), law)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def compare_file(
    path: str | Path,
    columns: Mapping[str, str],
    names: Sequence[str],
    **options: Unpack[CompareValues],
) -> dict[str, object]:
    """Read a table and compare laws; returns the compare document.

    Args:
        names: names of laws, or paths of law files. options: of
            `allometry.fitting.compare.compare`.
    """
    # Names are passed on as names, so that the document lists an alias under that alias.
    requested: list[str | Law] = [law_of(name) if name.endswith(".py") else name for name in names]
    return document(compare(path, columns, requested, **options))


def law_of(name: str) -> Law:
    """A law by name, or from the path of a Python file that defines `LAW` (it is run)."""
    return laws.from_file(name) if name.endswith(".py") else laws.named(name)
