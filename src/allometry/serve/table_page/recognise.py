"""The likely meaning of each column of a table, by its name; the user may override it."""

import re
from collections.abc import Sequence

from allometry.fitting.mapping import named_as_logarithm
from allometry.laws import Law
from allometry.tables.cells import holds_numbers
from allometry.tables.table import Column, Table

__all__ = [
    "MEANINGS",
    "columns_of_law",
    "counts_of_parameters",
    "is_planned",
    "likely_law",
    "roles",
]

MEANINGS = {
    "N": "parameters",
    "N without embeddings": "parameters without embeddings",
    "D": "tokens or examples",
    "C": "FLOP of training",
    "L": "loss",
    "error": "error",
    "score": "score",
    "seed": "random seed",
    "run": "name of the run",
}
# Patterns of common column names, in lower case with single _ between words. The first role that
# matches is used. If several columns have a role, the one that matches an earlier pattern is used.
PATTERNS: dict[str, tuple[str, ...]] = {
    "seed": (r"(random_|train_)?seed(_\w+)?",),
    "run": (r"run(_(id|name))?|(model|run)_(name|id)|experiment(_name)?|name|id",),
    "C": (r"(train(ing)?_)?(flops?|compute)|compute_6nd|c_flops?"
          r"|(total_|train(ing)?_)(flops?|compute)(_\w+)?",),
    "N without embeddings": (r"(n_|num_)?(non|no|without)_?emb\w*(_param\w*)?"
                             r"|(n_|num_)?(model_)?param\w*_(no|non|without|body|ex)_?\w*"
                             r"|n_(body|non_?emb\w*)",),
    "N": (r"n_params|params|(n|num)_param(eter)?s|parameters|num_params_n",
          r"(model_|total_|n_)?param(eter)?s?(_(count|total|all|n))?|model_size|n_total",),
    "D": (r"tokens|n_tokens|n_data",
          r"(train(ing)?_|num_|total_|n_)?(tokens|examples|samples)(_(seen|total|count))?"
          r"|(train(ing)?_)?data(set)?_size|d_tokens?|train(ing)?_size|n_(train|samples|examples)",),
    "L": (r"test_loss", r"(val|valid|validation|eval|dev|heldout|held_out)_loss",
          r"loss|final_loss",
          r"(\w+_)?(loss|nll|bpb|cross_entropy)(_\w+)?",),
    "error": (r"(\w+_)?err(or)?(_rate|_pct|_percent)?",),
    "score": (r"(\w+_)?(acc(uracy)?|score|elo)(_pct|_percent)?",),
}  # fmt: skip
LETTERS = {"N": "N", "n": "N", "D": "D", "C": "C", "L": "L"}
OF_RESPONSES = ("L", "error", "score")
OF_SIZES = ("N", "N without embeddings", "D", "C")


def _plain(name: str) -> str:
    """The name in lower case, with single _ between its words."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def _role_of(name: str, column: Column) -> tuple[str, int] | None:
    """The role of a column and the index of the pattern that it matches; None without a role.

    Sizes and losses must be numbers; texts count only if they are numbers with units.
    """
    if named_as_logarithm(name):
        return None
    if name in LETTERS:
        return (LETTERS[name], 0) if _may_be_size(column) else None
    plain = _plain(name)
    for role, patterns in PATTERNS.items():
        for place, pattern in enumerate(patterns):
            if re.fullmatch(pattern, plain) and (role in ("seed", "run") or _may_be_size(column)):
                return role, place
    return None


def _may_be_size(column: Column) -> bool:
    """Whether a column has numbers, or only texts that begin with a digit, such as `1.3B`."""
    if holds_numbers(column):
        return True
    cells = [cell for cell in column.tolist() if cell is not None]
    return bool(cells) and all(isinstance(c, str) and re.match(r"[+-]?[.]?\d", c) for c in cells)


def roles(table: Table) -> dict[str, str]:
    """Column -> its role, for the columns that have one."""
    by_column = {name: _role_of(name, table[name]) for name in table.columns}
    return {name: role[0] for name, role in by_column.items() if role is not None}


def _columns_with(table: Table, *wanted: str) -> list[str]:
    """The columns with these roles, the likeliest first."""
    ranked = []
    for place, name in enumerate(table.columns):
        role = _role_of(name, table[name])
        if role is not None and role[0] in wanted:
            ranked.append((wanted.index(role[0]), role[1], place, name))
    return [name for *_, name in sorted(ranked)]


def counts_of_parameters(table: Table) -> list[str]:
    """Columns with a number of parameters, with or without embeddings."""
    return _columns_with(table, "N", "N without embeddings")


def likely_law(table: Table) -> str:
    """The law to propose: chinchilla if the table has N, D or C, and L.

    Otherwise it is a power law with a floor or ceiling if the table has a size and a response, or
    only two columns of numbers, and else chinchilla.
    """
    present = set(roles(table).values())
    if "L" in present and {*OF_SIZES[:2]} & present and {"D", "C"} & present:
        return "chinchilla"
    if not present & set(OF_RESPONSES):
        return "chinchilla" if _two_columns(table) is None else "power_floor"
    if not present & set(OF_SIZES) and _two_columns(table) is None:
        return "chinchilla"
    return "power_floor" if present & {"L", "error"} else "power_ceiling"


def _two_columns(table: Table) -> tuple[str, str] | None:
    """The two columns of numbers other than seeds, if there are exactly two."""
    role = roles(table)
    names = [n for n in table.columns if holds_numbers(table[n]) and role.get(n) != "seed"]
    return (names[0], names[1]) if len(names) == 2 else None


def is_planned(law: Law) -> bool:
    """Whether a plan can be made from a law: it must be one of N and D with response L."""
    return set(law.sizes) == {"N", "D"} and law.response == "L"


def columns_of_law(law: Law, table: Table) -> dict[str, str]:
    """Symbol -> the likeliest column, for the symbols of a law that have one.

    Without a column of data, C is mapped instead of D.
    """
    columns: dict[str, str] = {}
    for symbol in (*law.sizes, law.response):
        likely = _columns_with(table, *_roles_of(symbol, law))
        likely = [name for name in likely if name not in columns.values()]
        named = [
            name for name in table.columns
            if name == symbol and _may_be_size(table[name])
        ]  # fmt: skip
        if likely or named:
            columns[symbol] = (named or likely)[0]
    two = _two_columns(table)
    if law.sizes == ("x",) and two is not None and len(columns) < 2:
        x, y = two
        backwards = columns.get("x") == y or (columns.get(law.response) == x and not _is_response(
            table, y))  # fmt: skip
        return {"x": y, law.response: x} if backwards else {"x": x, law.response: y}
    if "D" in law.sizes and "D" not in columns and (compute := _columns_with(table, "C")):
        columns["C"] = compute[0]
    return columns


def _is_response(table: Table, name: str) -> bool:
    role = _role_of(name, table[name])
    return role is not None and role[0] in OF_RESPONSES


def _roles_of(symbol: str, law: Law) -> Sequence[str]:
    if symbol == law.response:
        return {"L": ("L",), "y": OF_RESPONSES}.get(symbol, ())
    if symbol == "x":
        return OF_SIZES
    return {"N": OF_SIZES[:2], "D": ("D",)}.get(symbol, ())
