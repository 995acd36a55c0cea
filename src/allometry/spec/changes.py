"""Changed fields of a spec, and the name of a set of changes."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from allometry.errors import UsageError
from allometry.spec.run_spec import Experiment
from allometry.spec.value import Spec

__all__ = ["replace", "variant"]

E = TypeVar("E", bound=Experiment)


def replace(spec: E, field: str, text: str) -> E:
    """A copy with one field changed, as ``--set train.epochs=3`` asks.

    Args:
        field: dotted path from the run, such as ``train.optimizer.learning_rate``.
        text: the new value, JSON where it parses as JSON, a string otherwise.

    Raises:
        UsageError: naming the fields there are, or what the field expects.
    """
    if field == "measures":
        raise UsageError("measures are the study's own; write a study of yours to take others")
    return _replaced(spec, field.split("."), _value(text), field)  # type: ignore[return-value]


def _replaced(spec: Spec, path: list[str], value: Any, field: str) -> Spec:
    name, *rest = path
    names = list(type(spec).model_fields)
    if name not in names:
        raise UsageError(f"no field {field!r}: {type(spec).__name__} has {', '.join(names)}")
    if rest:
        inner = getattr(spec, name)
        if not isinstance(inner, Spec):
            raise UsageError(f"no field {field!r}: {name} is the value {inner!r}")
        value = _replaced(inner, rest, value, field)
    elif isinstance(getattr(spec, name), Spec):
        inner_names = ", ".join(f"{field}.{n}" for n in type(getattr(spec, name)).model_fields)
        raise UsageError(f"{field} is not one value; set {inner_names or 'nothing in it'}")
    try:
        # Validated anew: model_copy alone would take any value of any type.
        fields = {n: getattr(spec, n) for n in names}
        return type(spec).model_validate({**fields, name: value})
    except ValidationError as error:
        reason = "; ".join(e["msg"] for e in error.errors())
        raise UsageError(f"--set {field}={value!r} does not fit: {reason}") from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def variant(changes: Mapping[str, str]) -> str:
    """The name under which changed runs are declared: empty for the study as shipped."""
    return ",".join(f"{path}={changes[path]}" for path in sorted(changes))
