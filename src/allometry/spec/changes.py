"""Changed fields of a spec."""

import json
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import ValidationError

from allometry.errors import UsageError, did_you_mean, quoted
from allometry.spec.run_spec import Experiment
from allometry.spec.value import Spec
from allometry.spec.variants import plain_value

__all__ = ["replace"]

E = TypeVar("E", bound=Experiment)


def replace(spec: E, field: str, value: object) -> E:
    """A copy with one field changed, as ``--set train.epochs=3`` asks.

    Args:
        field: dotted path from the run, such as ``train.optimizer.learning_rate``.
        value: the new value; text is read as JSON where it is JSON.

    Raises:
        UsageError: naming the fields of the spec, or what the field expects.
    """
    if field in ("measures", "code"):
        raise UsageError(f"{field} is set by the study; write your own study to change it")
    changed = _replaced(spec, field.split("."), plain_value(value), field, spec)
    return changed  # type: ignore[return-value]


def _fields(spec: Spec) -> Iterator[str]:
    """Dotted paths of all fields, including those of nested specs."""
    for name in type(spec).model_fields:
        yield name
        if isinstance(inner := getattr(spec, name), Spec):
            yield from (f"{name}.{field}" for field in _fields(inner))


def _replaced(spec: Spec, path: list[str], value: Any, field: str, whole: Spec) -> Spec:
    name, *rest = path
    names = list(type(spec).model_fields)
    if name not in names:
        known = ", ".join(names) or "none"
        last = field.rpartition(".")[2]  # `train.lr` is not like `train.loss`
        like = [f for f in _fields(whole) if did_you_mean(last, [f.rpartition(".")[2]])]
        hint = did_you_mean(field, like)
        raise UsageError(f"no field {quoted(field)}: {type(spec).__name__} has {known}{hint}")
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
    if len(_truths(value)) > len(_truths(getattr(changed, name))):  # Pydantic takes True for 1
        raise UsageError(f"--set {field}={json.dumps(value)} does not fit: true is not a number")
    return changed


def _is_name(spec: Spec, name: str, value: object) -> bool:
    """Whether text names another value of this field, as for a loss."""
    return name in type(spec).named and isinstance(value, str)


def _stays(field: str, kind: type[Spec]) -> str:
    inner = ", ".join(f"{field}.{name}" for name in kind.model_fields)
    fields = f"set {inner}" if inner else "which has no fields"
    return f"{field} is {kind.__name__}: {fields}; only a study can put another in its place"


def _truths(value: object) -> list[bool]:
    """The truth values in a value, in order."""
    if isinstance(value, list | tuple):
        return [truth for item in value for truth in _truths(item)]
    return [value] if isinstance(value, bool) else []
