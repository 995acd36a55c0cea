"""The name of a set of changes, under which changed runs are declared."""

import json
import math
import re
from collections.abc import Mapping
from numbers import Integral, Real

from allometry.errors import DataError, UsageError, quoted
from allometry.files.strict_json import check_depth

__all__ = ["Changes", "is_variant", "of_code", "plain_value", "variant"]

Changes = Mapping[str, object]
"""Dotted field to new value: a number, a string, a list or None, or any of these as text."""

EXACT = 2**53  # from here on a float does not tell neighbouring integers apart


def variant(changes: Changes) -> str:
    """The name under which changed runs are declared: empty for the study as shipped.

    Equal values have one name: ``3``, ``3.0``, ``"3"`` and ``"3.0"`` are all ``3``.
    """
    return ",".join(f"{path}={_text(plain_value(changes[path]))}" for path in _sorted(changes))


def is_variant(name: str, changes: Changes) -> bool:
    """Whether a name stands for these changes, however its values are spelt.

    Stores written by earlier code kept the text as it was typed, ``1e-3`` for ``0.001`` say.
    """
    pattern = ",".join(f"{re.escape(path)}=(.*)" for path in _sorted(changes))
    match = re.fullmatch(pattern, name, re.DOTALL)
    return match is not None and all(
        _text(plain_value(text)) == _text(plain_value(changes[path]))
        for text, path in zip(match.groups(), _sorted(changes), strict=True)
    )


def of_code(variant: str, code: str) -> str:
    """The name under which runs of a variant stay declared once the study has other code."""
    return f"code={code},{variant}" if variant else f"code={code}"


def plain_value(value: object) -> object:
    """A value as plain Python data; text is read as JSON where it is JSON."""
    if isinstance(value, str):
        try:
            check_depth(value)
            return json.loads(value)
        except json.JSONDecodeError:
            return value
        except (DataError, ValueError) as error:  # ValueError: an integer of thousands of digits
            raise UsageError(
                f"new value: a number, text or list expected, got {quoted(value)}: {error}"
            ) from error
    # Neither pydantic nor json accepts NumPy's numbers.
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else value


def _sorted(changes: Changes) -> list[str]:
    """The fields in the order of a variant's name: `of_code` puts the code first."""
    return sorted(changes, key=lambda path: (path != "code", path))


def _text(value: object) -> str:
    """The canonical text of a value, which `plain_value` turns back into it."""
    if isinstance(value, float) and math.isfinite(value):
        if value.is_integer() and abs(value) < EXACT:
            return str(int(value))
        return re.sub(r"e([+-])0*", lambda e: "e-" if e[1] == "-" else "e", repr(value))
    if isinstance(value, str) and plain_value(value) == value:
        return value
    if isinstance(value, list | tuple):
        items = (json.dumps(i) if isinstance(i, str) else _text(i) for i in value)
        return f"[{','.join(items)}]"
    try:
        return json.dumps(value, sort_keys=True)
    except TypeError as error:
        raise UsageError(
            f"new value: a number, text or list expected, got {quoted(value)}"
        ) from error
