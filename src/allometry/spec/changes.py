"""Changed fields of a spec, and the name of a set of changes."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any, TypeVar

from pydantic import ValidationError

from allometry.errors import DataError, UsageError, did_you_mean, quoted
from allometry.files.strict_json import check_depth
from allometry.spec.run_spec import Experiment
from allometry.spec.value import Spec

__all__ = ["Changes", "is_variant", "of_code", "replace", "variant"]

E = TypeVar("E", bound=Experiment)

Changes = Mapping[str, object]
"""Dotted field to new value: a number, a string, a list or None, or any of these as text."""

EXACT = 2**53  # from here on a float does not tell neighbouring integers apart


def replace(spec: E, field: str, value: object) -> E:
    """A copy with one field changed, as ``--set train.epochs=3`` asks.

    Args:
        field: dotted path from the run, such as ``train.optimizer.learning_rate``.
        value: the new value; text is read as JSON where it is JSON.

    Raises:
        UsageError: naming the fields there are, or what the field expects.
    """
    if field in ("measures", "code"):
        raise UsageError(f"{field}: the study's own; write a study of yours to have others")
    changed = _replaced(spec, field.split("."), _read(value), field, spec)
    return changed  # type: ignore[return-value]


def variant(changes: Changes) -> str:
    """The name under which changed runs are declared: empty for the study as shipped.

    Equal values have one name: ``3``, ``3.0``, ``"3"`` and ``"3.0"`` are all ``3``.
    """
    return ",".join(f"{path}={_text(_read(changes[path]))}" for path in _sorted(changes))


def is_variant(name: str, changes: Changes) -> bool:
    """Whether a name stands for these changes, however its values are spelt.

    Stores written by earlier code kept the text as it was typed, ``1e-3`` for ``0.001`` say.
    """
    pattern = ",".join(f"{re.escape(path)}=(.*)" for path in _sorted(changes))
    match = re.fullmatch(pattern, name, re.DOTALL)
    return match is not None and all(
        _text(_read(text)) == _text(_read(changes[path]))
        for text, path in zip(match.groups(), _sorted(changes), strict=True)
    )


def of_code(variant: str, code: str) -> str:
    """The name under which runs of a variant stay declared once the study has other code."""
    return f"code={code},{variant}" if variant else f"code={code}"


def _sorted(changes: Changes) -> list[str]:
    """The fields in the order of a variant's name: `of_code` puts the code first."""
    return sorted(changes, key=lambda path: (path != "code", path))


def _fields(spec: Spec) -> Iterator[str]:
    """Dotted paths of all fields, those of fields that are specs too."""
    for name in type(spec).model_fields:
        yield name
        if isinstance(inner := getattr(spec, name), Spec):
            yield from (f"{name}.{field}" for field in _fields(inner))


def _replaced(spec: Spec, path: list[str], value: Any, field: str, whole: Spec) -> Spec:
    name, *rest = path
    names = list(type(spec).model_fields)
    if name not in names:
        there = ", ".join(names) or "none"
        last = field.rpartition(".")[2]  # `train.lr` is not like `train.loss`
        like = [f for f in _fields(whole) if did_you_mean(last, [f.rpartition(".")[2]])]
        hint = did_you_mean(field, like)
        raise UsageError(f"no field {quoted(field)}: {type(spec).__name__} has {there}{hint}")
    if rest:
        inner = getattr(spec, name)
        if not isinstance(inner, Spec):
            raise UsageError(f"no field {quoted(field)}: {name} is the value {quoted(inner)}")
        value = _replaced(inner, rest, value, field, whole)
    elif isinstance(getattr(spec, name), Spec) and not _is_name(spec, name, value):
        raise UsageError(_stays(field, type(getattr(spec, name))))
    try:
        # Validated again: model_copy alone would take any value of any type.
        fields = {n: getattr(spec, n) for n in names}
        if name in type(spec).alternatives:
            fields |= dict.fromkeys(type(spec).alternatives)
        changed = type(spec).model_validate({**fields, name: value})
    except ValidationError as error:
        reason = "; ".join(e["msg"].removeprefix("Value error, ") for e in error.errors())
        raise UsageError(f"--set {field}={quoted(value)} does not fit: {reason}") from error
    if len(_truths(value)) > len(_truths(getattr(changed, name))):  # Pydantic takes it for 1
        raise UsageError(f"--set {field}={json.dumps(value)} does not fit: true is no number")
    return changed


def _is_name(spec: Spec, name: str, value: object) -> bool:
    """Whether text may stand for another value of this field: losses, say, have names."""
    return name in type(spec).named and isinstance(value, str)


def _stays(field: str, kind: type[Spec]) -> str:
    inner = ", ".join(f"{field}.{name}" for name in kind.model_fields)
    fields = f"set {inner}" if inner else "which has no fields"
    return f"{field} is {kind.__name__}: {fields}; another in its place is for the study to say"


def _truths(value: object) -> list[bool]:
    """The truth values in a value, in order."""
    if isinstance(value, list | tuple):
        return [truth for item in value for truth in _truths(item)]
    return [value] if isinstance(value, bool) else []


def _read(value: object) -> object:
    """A value as plain Python data; text is read as JSON where it is JSON."""
    if isinstance(value, str):
        try:
            check_depth(value)
            return json.loads(value)
        except json.JSONDecodeError:
            return value
        except (DataError, ValueError) as error:  # of thousands of digits, too
            raise UsageError(
                f"new value: a number, text or list expected, got {quoted(value)}: {error}"
            ) from error
    # NumPy's numbers are none to pydantic and json.
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else value


def _text(value: object) -> str:
    """The one text of a value that `_read` turns back into it."""
    if isinstance(value, float) and math.isfinite(value):
        if value.is_integer() and abs(value) < EXACT:
            return str(int(value))
        return re.sub(r"e([+-])0*", lambda e: "e-" if e[1] == "-" else "e", repr(value))
    if isinstance(value, str) and _read(value) == value:
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
