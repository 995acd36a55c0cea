"""Source code as text that comments, formatting and the version of Python do not change."""

import ast
import json
from collections.abc import Sequence

__all__ = ["canonical"]

# Fields that do not affect what a program does. `ctx` follows from the place of a name.
_LEFT_OUT = frozenset(("ctx", "kind", "type_comment", "type_ignores"))


def canonical(*nodes: ast.AST) -> str:
    """Syntax trees as text: equal for equal programs on Python 3.11 to 3.14.

    Not `ast.dump`, whose form differs between versions of Python. Left out are positions,
    comments, docstrings and other statements that are a string alone, ``pass``, and fields
    that are empty.
    """
    out: list[str] = []
    # A stack instead of recursion: a long sum is as deep as it has terms.
    waiting: list[object] = [*reversed(nodes)]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Text):
            out.append(item)
        elif isinstance(item, ast.Constant):
            out.append(f"(Constant {_constant(item.value)})")
        elif isinstance(item, ast.AST):
            waiting.extend(reversed(_opened(item)))
        elif isinstance(item, list):
            waiting.extend(reversed([_Text("["), *item, _Text("]")]))
        else:  # a name, or a value of a pattern
            out.append(_constant(item))
    return " ".join(out)


class _Text(str):
    """Text of the form itself; any other string is a name in the program."""

    __slots__ = ()


def _opened(node: ast.AST) -> list[object]:
    """The parts of a node in the order they are written."""
    parts: list[object] = [_Text(f"({type(node).__name__}")]
    for name in sorted(node._fields):
        value = getattr(node, name, None)
        if name == "values" and isinstance(node, ast.JoinedStr):
            value = _joined(node.values)
        elif name == "format_spec" and isinstance(value, ast.JoinedStr):
            value = value if _joined(value.values) else None
        elif isinstance(value, list):
            value = [item for item in value if not _does_nothing(item)]
        if name not in _LEFT_OUT and value is not None and value != []:
            parts += [_Text(f"{name}="), value]
    return [*parts, _Text(")")]


def _does_nothing(item: object) -> bool:
    """Whether a statement is a docstring, another string alone, or ``pass``."""
    if isinstance(item, ast.Expr):
        return isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)
    return isinstance(item, ast.Pass)


def _joined(values: Sequence[ast.expr]) -> list[ast.expr]:
    """Parts of an f-string, with neighbouring texts joined, as versions of Python differ here."""
    parts: list[ast.expr] = []
    for value in values:
        before = parts[-1] if parts else None
        if not isinstance(value, ast.Constant):
            parts.append(value)
        elif isinstance(before, ast.Constant):
            parts[-1] = ast.Constant(str(before.value) + str(value.value))
        elif value.value:
            parts.append(value)
    return parts


def _constant(value: object) -> str:
    """A constant as text; 1, 1.0 and True are different."""
    if value is None or value is Ellipsis or isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return hex(value)  # Python refuses to write very long ones in decimals
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, bytes):
        return f"bytes:{value.hex()}"
    return f"{type(value).__name__}:{value!r}"  # float and complex, whose repr is exact
