"""The choices made on the page, read from the texts of a request and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

from allometry import laws
from allometry.errors import UsageError, did_you_mean
from allometry.fitting.options import FitOptions, ObjectiveChoice
from allometry.laws import Law
from allometry.plan.frontier.conventions import NAMES, Counting
from allometry.serve.table_page.recognise import columns_of_law, is_planned, likely_law
from allometry.tables.limits import listed
from allometry.tables.table import Table

__all__ = [
    "LAWS",
    "MAP",
    "MOST_REFITTED",
    "OF_FIT",
    "PLANNED_LAWS",
    "RESAMPLES",
    "Choices",
    "Rectangle",
    "choices_of",
]

OBJECTIVES: tuple[ObjectiveChoice, ...] = get_args(ObjectiveChoice)
RESAMPLES = (1000, 200, 0)
FEWER = 200  # default resamples of a law without closed forms, whose refits take seconds
MOST_REFITTED = 1_000_000  # rows times resamples: a minute on one core
MOST_CONDITIONS = 60
WORDS = (
    "law", "other_law", "objective", "delta", "resamples", "run", "where", "flops", "vocabulary",
    "sequence", "aspect_ratio", "other_n", "compute", "figure", "brush", "leave_row",
)  # fmt: skip
OF_FIT = "fit"  # the figure of a fit, available for every plan
FIGURES = ("waste", "sizes", "isoflop", "disagreement", OF_FIT)
MAP = "map_"  # prefix of the key for a symbol's column

# All laws of the page by name, and those of N, D and a loss, which can plan runs.
LAWS = {law.name: law for law in laws.available().values()}
PLANNED_LAWS = {name: law for name, law in LAWS.items() if is_planned(law)}


@dataclass(frozen=True)
class Rectangle:
    """A rectangle that was drawn on the chart of runs.

    Attributes:
        keeps: whether to keep only the runs in it; otherwise they are left out.
        x, y: (low, high) on the axes of the chart.
    """

    keeps: bool
    x: tuple[float, float]
    y: tuple[float, float]


@dataclass(frozen=True)
class Choices:
    """Everything except the table that determines an answer.

    Attributes:
        law: the law to fit. other_law: a second law of the plan; None for none.
        columns: symbol -> column, for the symbols that have one.
        run: column that has the same value in all rows of a run.
        where: conditions that rows must meet.
        compute: FLOP to plan; None for ten times the largest run.
        figure: name of one more figure to draw; empty for none.
        rectangle: a rectangle to turn into conditions; None for none.
        leave_row: the number, from 1, of a row to turn into conditions; None for none.
    """

    law: Law
    other_law: Law | None
    columns: dict[str, str]
    objective: ObjectiveChoice
    delta: float | None
    resamples: int
    run: str | None
    where: tuple[str, ...]
    counting: Counting
    other_n: str | None
    compute: float | None
    figure: str
    rectangle: Rectangle | None
    leave_row: int | None

    def fit_options(self, *, clusters: bool = True) -> FitOptions:
        """Options of the fits; with `clusters`, all rows of a run are resampled together."""
        return FitOptions(
            objective=self.objective, delta=self.delta, resamples=self.resamples,
            cluster=self.run if clusters and self.run else None, where=self.where,
        )  # fmt: skip

    def columns_of_fit(self) -> dict[str, str]:
        """The columns for a fit: without C if D is mapped."""
        return {s: c for s, c in self.columns.items() if s != "C" or "D" not in self.columns}

    def with_conditions(self, conditions: tuple[str, ...]) -> "Choices":
        """A copy with these conditions, and without rectangle or row to convert."""
        _check_count(conditions)
        return replace(self, where=conditions, rectangle=None, leave_row=None)


def choices_of(words: Mapping[str, str], table: Table) -> Choices:
    """The choices of a request; those not made follow from what the table seems to hold.

    Args:
        words: key -> text. Keys are `WORDS`, and `map_SYMBOL` for the column of a symbol, whose
            text is empty for no column.

    Raises:
        UsageError: an unknown key, or a text that is not one of the key's choices.
    """
    for key in words:
        if key not in WORDS and not key.startswith(MAP):
            raise UsageError(
                f"no choice {key!r}; there are {', '.join(WORDS)} and {MAP}SYMBOL"
                f"{did_you_mean(key, WORDS)}"
            )
    law = _law(words.get("law") or likely_law(table))
    closed = law.allocation is not None or len(law.sizes) == 1
    flops = _one_of("flops", words.get("flops") or NAMES[0], NAMES)
    return Choices(
        law=law,
        other_law=_other_law(law, words.get("other_law", "")),
        columns=_columns(words, law, table),
        objective=_objective(words.get("objective") or OBJECTIVES[0]),
        delta=_number(words, "delta"),
        resamples=_resamples(words, len(table), closed=closed),
        run=_column("run", words.get("run", ""), table),
        where=_conditions(words.get("where", "")),
        counting=Counting(
            flops, vocabulary=_whole(words, "vocabulary"), sequence=_whole(words, "sequence"),
            aspect_ratio=_number(words, "aspect_ratio"),
        ),
        other_n=_column("other_n", words.get("other_n", ""), table),
        compute=_number(words, "compute"),
        figure=_one_of("figure", words.get("figure", ""), ("", *FIGURES)),
        rectangle=_rectangle(words.get("brush", "")),
        leave_row=_whole(words, "leave_row"),
    )  # fmt: skip


def _resamples(words: Mapping[str, str], rows: int, *, closed: bool) -> int:
    """The chosen number; by default as many as take a second or two.

    Raises:
        UsageError: more than the page takes for this number of rows.
    """
    default = RESAMPLES[0] if closed and rows * RESAMPLES[0] <= MOST_REFITTED else FEWER
    count = _whole(words, "resamples", default, RESAMPLES[0]) or 0
    if count * rows > MOST_REFITTED:
        raise UsageError(
            f"the page takes at most {MOST_REFITTED // rows} resamples of {rows:,} rows, got "
            f"{count}; take fewer, or fit on the command line"
        )
    return count


def _law(name: str) -> Law:
    if name not in LAWS:  # files are not accepted: the page runs no user code
        raise UsageError(f"no law {name!r}; there are {', '.join(LAWS)}{did_you_mean(name, LAWS)}")
    return LAWS[name]


def _other_law(law: Law, name: str) -> Law | None:
    """The second law to plan by; None if the first plans no runs or is the same law."""
    if not name:
        return None
    if name not in PLANNED_LAWS:
        raise UsageError(
            f"no law {name!r} of N, D and L; there are {', '.join(PLANNED_LAWS)}"
            f"{did_you_mean(name, PLANNED_LAWS)}"
        )
    return PLANNED_LAWS[name] if is_planned(law) and name != law.name else None


def _columns(words: Mapping[str, str], law: Law, table: Table) -> dict[str, str]:
    """Symbol -> column: as chosen, or by the column's name for a symbol without a choice."""
    symbols = (*law.sizes, *(["C"] if "D" in law.sizes else []), law.response)
    columns = columns_of_law(law, table)
    for symbol in symbols:
        if (chosen := words.get(MAP + symbol)) is None:
            continue
        columns.pop(symbol, None)
        if (column := _column(symbol, chosen, table)) is not None:
            columns[symbol] = column
    if law.of_sizes is None:
        return columns
    return {s: c for s, c in columns.items() if s in symbols}


def _column(what: str, name: str, table: Table) -> str | None:
    """The name of a column of the table; None for an empty text."""
    if name and name not in table:
        raise UsageError(
            f"{what}: no column {name!r} in this table; it has {listed(table.columns)}"
            f"{did_you_mean(name, table.columns)}"
        )
    return name or None


def _one_of(what: str, text: str, names: tuple[str, ...]) -> str:
    if text not in names:
        raise UsageError(
            f"{what} is one of {', '.join(names)}, got {text!r}{did_you_mean(text, names)}"
        )
    return text


def _objective(text: str) -> ObjectiveChoice:
    _one_of("objective", text, OBJECTIVES)
    return next(name for name in OBJECTIVES if name == text)


def _conditions(text: str) -> tuple[str, ...]:
    """The conditions in a text with one condition on each line."""
    conditions = tuple(line.strip() for line in text.splitlines() if line.strip())
    _check_count(conditions)
    return conditions


def _check_count(conditions: tuple[str, ...]) -> None:
    if len(conditions) > MOST_CONDITIONS:
        raise UsageError(
            f"{len(conditions)} conditions; the page takes {MOST_CONDITIONS} at most. Write one "
            "that leaves out several rows, or fit on the command line"
        )


def _number(words: Mapping[str, str], key: str) -> float | None:
    """A positive number; None for an empty text."""
    text = words.get(key, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise UsageError(f"{key.replace('_', ' ')}: a positive number expected, got {text!r}")
    return value


def _whole(
    words: Mapping[str, str], key: str, default: int | None = None, most: int | None = None
) -> int | None:
    """A whole number; the default for an empty text."""
    text = words.get(key, "").strip()
    if not text:
        return default
    value = int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else -1
    if value < 0 or (most is not None and value > most):
        end = "" if most is None else f" of at most {most}"
        raise UsageError(f"{key.replace('_', ' ')}: a whole number{end} expected, got {text!r}")
    return value


def _rectangle(text: str) -> Rectangle | None:
    """`keep X0 X1 Y0 Y1` or `leave X0 X1 Y0 Y1`."""
    if not text:
        return None
    what, *ends = text.split()
    try:
        x0, x1, y0, y1 = map(float, ends)
    except ValueError:
        what, (x0, x1, y0, y1) = "", (0.0,) * 4
    if what not in ("keep", "leave") or not (x0 <= x1 and y0 <= y1):
        raise UsageError(
            "brush: keep or leave and four numbers expected, from and to on each axis, got "
            f"{text!r}"
        )
    return Rectangle(what == "keep", (x0, x1), (y0, y1))
