"""The choices of the page as menus and inputs with their options, for its script to show."""

from collections.abc import Iterable, Sequence
from typing import Any

from allometry.fitting.options import OBJECTIVES
from allometry.plan.frontier.conventions import NAMES, NEEDED
from allometry.serve.table_page.choices import (
    LAWS,
    MAP,
    MOST_REFITTED,
    PLANNED_LAWS,
    RESAMPLES,
    Choices,
)
from allometry.serve.table_page.recognise import (
    MEANINGS,
    counts_of_parameters,
    is_planned,
    roles,
)
from allometry.tables.cells import holds_numbers
from allometry.tables.table import Table

__all__ = ["columns_as_read", "fields_of"]

NONE = "–"
SYMBOLS = {
    "N": "N, parameters", "D": "D, tokens", "C": "C, FLOP of training", "L": "L, loss",
    "x": "x, the size", "y": "y, the response",
}  # fmt: skip
OBJECTIVE_WORDS = {
    "auto": "auto: chosen by the residuals",
    "huber_log": "huber_log: robust, in logs",
    "squared_log": "squared_log: for relative errors",
    "squared": "squared: for constant errors",
    "absolute_log": "absolute_log: absolute, in logs",
    "asymmetric_absolute": "asymmetric_absolute: ten times above",
}
COUNTED = {
    "6nd_total": "6 N D, N all parameters",
    "6nd_body": "6 N D, N without embeddings",
    "6nd_body_plus_head": "6 (N + V d) D, with the head",
    "with_attention": "with attention and head",
    "deepseek": "as DeepSeek LLM, with attention",
    "measured": "as measured: column C",
}
SHAPE = {
    "vocabulary": "V, entries of the vocabulary",
    "sequence": "tokens of one sequence",
    "aspect_ratio": "width over layers",
}
FIGURE_WORDS = {
    "waste": "compute wasted off the best size",
    "sizes": "N* and D* against compute",
    "isoflop": "loss by size at each budget",
    "disagreement": "what another law would waste",
    "fit": "measured against predicted",
}
LONGEST = 60  # characters of a column's name in a menu

Option = tuple[str, str]


def columns_as_read(table: Table, choices: Choices) -> list[dict[str, Any]]:
    """Each column with its role, whether it has numbers, and the symbol it is mapped to."""
    role, symbols = roles(table), {c: s for s, c in choices.columns.items()}
    return [
        {
            "name": name,
            "role": role.get(name),
            "meaning": MEANINGS.get(role.get(name, ""), ""),
            "numbers": holds_numbers(table[name]),
            "symbol": symbols.get(name),
        }
        for name in table.columns
    ]


def fields_of(
    table: Table, choices: Choices, compute: float | None, figures: Sequence[str]
) -> list[dict[str, Any]]:
    """All fields in the order in which they are shown.

    Args:
        compute: the planned compute, shown in the field of the budget.
        figures: names of further figures that can be drawn.
    """
    law, plans = choices.law, is_planned(choices.law)
    fields = [_select("law", "Law", _laws(), law.name, "columns")]
    symbols = [*law.sizes, *(["C"] if "D" in law.sizes else []), law.response]
    fields += [
        _select(MAP + symbol, SYMBOLS.get(symbol, symbol), _columns(table),
                choices.columns.get(symbol, ""), "columns")
        for symbol in symbols
    ]  # fmt: skip
    fields += _of_fit(table, choices)
    if plans:
        fields += _of_plan(table, choices, compute, figures)
    return fields


def _of_fit(table: Table, choices: Choices) -> list[dict[str, Any]]:
    objectives = [(name, OBJECTIVE_WORDS[name]) for name in OBJECTIVES]
    counts = [k for k in RESAMPLES if k * len(table) <= MOST_REFITTED]
    counts = sorted({*counts, choices.resamples}, reverse=True)
    resamples = [(str(k), f"{k:,} resamples" if k else "no intervals") for k in counts]
    fields = [_select("objective", "Objective", objectives, choices.objective, "fit")]
    if choices.objective == "huber_log":
        fields.append(_input("delta", "Delta of huber_log", "number", choices.delta, "fit"))
    return [
        *fields,
        _select("resamples", "Intervals", resamples, str(choices.resamples), "fit"),
        _select("run", "Rows that share a run", _columns(table), choices.run or "", "fit"),
        _input("where", "Keep rows where", "lines", "\n".join(choices.where), "fit",
               "One condition on each line: params>=1e7"),
    ]  # fmt: skip


def _of_plan(
    table: Table, choices: Choices, compute: float | None, figures: Sequence[str]
) -> list[dict[str, Any]]:
    counted = [(name, COUNTED[name]) for name in NAMES]
    counting, laws = choices.counting, [("", NONE), *((n, n) for n in PLANNED_LAWS)]
    other = [("", NONE), *((name, name[:LONGEST]) for name in counts_of_parameters(table))]
    drawn = [("", NONE), *((name, FIGURE_WORDS.get(name, name)) for name in figures)]
    return [
        _select("flops", "Compute counted as", counted, counting.flops, "plan"),
        *(_input(part, SHAPE[part], "number", getattr(counting, part), "plan")
          for part in NEEDED[counting.flops] if part in SHAPE),
        _select("other_n", "Other count of N", other, choices.other_n or "", "plan"),
        _select("other_law", "Second law",
                [o for o in laws if o[0] != choices.law.name],
                choices.other_law.name if choices.other_law else "", "plan"),
        _select("figure", "One more figure", drawn,
                choices.figure if choices.figure in figures else "", "plan"),
        _input("compute", "Compute to plan, FLOP", "number", compute, "budget"),
    ]  # fmt: skip


def _laws() -> list[Option]:
    """All laws; first those that can plan runs."""
    others = [name for name in LAWS if name not in PLANNED_LAWS]
    return [
        *((name, f"{name}: of N and D") for name in PLANNED_LAWS),
        *((name, f"{name}: of {', '.join(LAWS[name].sizes)}") for name in others),
    ]


def _columns(table: Table) -> list[Option]:
    """The options of a menu of columns: none, recognised columns, other columns."""
    role = roles(table)
    names = sorted(table.columns, key=lambda name: name not in role)
    return [("", NONE), *((name, _label(name, role.get(name, ""))) for name in names)]


def _label(name: str, role: str) -> str:
    short = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    return f"{short} ({MEANINGS[role]})" if role in MEANINGS else short


def _select(
    key: str, label: str, options: Iterable[Option], value: str, group: str
) -> dict[str, Any]:
    choices = [{"value": v, "label": text} for v, text in options]
    return {"key": key, "label": label, "kind": "select", "value": value, "options": choices,
            "group": group, "help": ""}  # fmt: skip


def _input(
    key: str, label: str, kind: str, value: object, group: str, advice: str = ""
) -> dict[str, Any]:
    text = (
        ""
        if value is None
        else f"{value:g}"
        if isinstance(value, float) and float(f"{value:g}") == value
        else str(value)
    )
    return {"key": key, "label": label, "kind": kind, "value": text, "group": group, "help": advice}
