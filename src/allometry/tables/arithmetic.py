"""Columns computed from others: `steps*batch*1024`, `1-accuracy`, `log(flops)`.

A text that is the name of a column is that column. Any other is parsed as arithmetic and
evaluated from its syntax tree, never as code: numbers, names of columns (in quotes where
they are not identifiers: `1-'val/acc'`), + - * / **, parentheses, and log, exp and sqrt.
"""

import ast
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError, did_you_mean
from allometry.tables.limits import listed
from allometry.tables.table import Table

__all__ = ["columns_needed", "with_computed"]

Values: TypeAlias = NDArray[np.float64]

OPERATIONS: Mapping[type[ast.operator], Callable[[Any, Any], Values]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
    # Not np.power, which takes the root for an exponent of 0.5: of -inf that is NaN, not inf.
    ast.Pow: np.float_power,
}  # fmt: skip
SIGNS: Mapping[type[ast.unaryop], Callable[[Any], Values]] = {
    ast.UAdd: np.positive, ast.USub: np.negative,
}  # fmt: skip
FUNCTIONS: Mapping[str, Callable[[Any], Values]] = {"log": np.log, "exp": np.exp, "sqrt": np.sqrt}
MARKS = frozenset("+-*/()^%'\"")  # a text without any of these is meant as a name
LONGEST = 500  # characters: the parser of Python is limited in depth
ALLOWED = "numbers, columns, + - * / **, parentheses, log, exp and sqrt"


def with_computed(table: Table, texts: Collection[str]) -> Table:
    """The table with a column for each text that is arithmetic of its columns.

    The column has the text as its name. A missing value makes the result missing. A text
    that is neither a column nor arithmetic is ignored here; reading its column fails later.

    Raises:
        UsageError: arithmetic that is not understood, or with names that are not columns.
        DataError: text in a column of the computation.
    """
    computed = {
        text: _computed(table, text)
        for text in dict.fromkeys(texts)
        if text not in table and not MARKS.isdisjoint(text)
    }
    return table.with_columns(**computed) if computed else table


def columns_needed(texts: Collection[str], names: Collection[str]) -> set[str]:
    """The columns that these texts are, or compute with.

    Args:
        names: of the columns of the table.
    """
    needed = {text for text in texts if text in names}
    for text in set(texts) - needed:
        tree = _parsed(text) if not MARKS.isdisjoint(text) else None
        if isinstance(tree, ast.expr):
            needed |= {name for name in _names(tree) if name in names}
    return needed


def _computed(table: Table, text: str) -> Values:
    tree = _parsed(text)
    if isinstance(tree, str):
        raise _refusal(table, text, tree)
    for name in _names(tree):
        if name not in table:
            reason = f"{name!r} is not a column{did_you_mean(name, table.columns)}"
            raise _refusal(table, text, reason)
    with np.errstate(all="ignore"):
        values = _value(table, text, tree)
    if np.ndim(values) == 0:
        raise _refusal(table, text, "it names no column")
    return np.asarray(values, float)


def _refusal(table: Table, text: str, reason: str) -> UsageError:
    advice = _with_quotes(table, text) or did_you_mean(text, table.columns)
    return UsageError(
        f"no column {text!r} in this table, and as arithmetic of columns: {reason}. The table has "
        f"{listed(table.columns)}{advice}"
    )


def _with_quotes(table: Table, text: str) -> str:
    """The advice to quote a name that is not an identifier, where the text has such a column."""
    names = [
        c for c in table.columns if c in text and not c.isidentifier() and f"'{c}'" not in text
    ]
    if not names:
        return ""
    longest = max(names, key=len)
    return f"; put such a name in quotes: {text.replace(longest, repr(longest))}"


def _parsed(text: str) -> ast.expr | str:
    """The syntax tree, or why there is none."""
    if len(text) > LONGEST:
        return f"it has {len(text)} characters, {LONGEST} at most are read"
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        return f"{error.msg}; write {ALLOWED}, and names with other characters in quotes"
    except (ValueError, MemoryError, RecursionError):
        return f"it is nested too deeply or has a character that is not text; write {ALLOWED}"


def _names(tree: ast.expr) -> Iterator[str]:
    """The names of columns in a tree, those of functions left out."""
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and id(node) not in functions:
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _value(table: Table, text: str, node: ast.expr) -> Values:
    match node:
        case ast.Constant(value=bool() | complex()):
            pass
        case ast.Constant(value=int() | float() as number):
            return np.asarray(_as_float(table, text, number))
        case ast.Constant(value=str() as name) | ast.Name(id=name):
            return table.numbers(name, f"in {text!r}")
        case ast.UnaryOp(op=sign, operand=inner) if type(sign) in SIGNS:
            return SIGNS[type(sign)](_value(table, text, inner))
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OPERATIONS:
            operands = _value(table, text, left), _value(table, text, right)
            return OPERATIONS[type(operator)](*operands)
        case ast.BinOp(op=ast.BitXor()):
            raise _refusal(table, text, "write ** for a power")
        case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](_value(table, text, inner))
    raise _refusal(table, text, f"{ast.unparse(node)!r} is not understood; write {ALLOWED}")


def _as_float(table: Table, text: str, number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        raise _refusal(table, text, "a number is larger than 1e308") from None
