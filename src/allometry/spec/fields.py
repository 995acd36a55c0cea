"""What `help` shows for a class of specs: its docstring, its fields, its own methods."""

import inspect
import typing
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BaseModel
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

__all__ = ["SpecType"]

# How pydantic names a bound of a value, and how it is shown.
BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "min_length": "length >=",
          "max_length": "length <=", "multiple_of": "a multiple of"}  # fmt: skip


class SpecType(ModelMetaclass):
    """The type of spec classes. It shortens their `help` from pydantic's ten pages to one.

    `help` begins with the docstring and lists what `dir` gives, so both are defined here.
    """

    if not TYPE_CHECKING:  # a type checker derives a better signature from the fields

        def __call__(cls, *values, **fields):
            """A value of this class, its fields given by name."""
            if values and cls.__init__ is BaseModel.__init__:
                names = ", ".join(cls.__pydantic_fields__) or "none"
                raise TypeError(
                    f"{cls.__name__} takes its fields by name, {cls.__name__}(field=...), and has "
                    f"{names}; got {len(values)} without a name"
                )
            return super().__call__(*values, **fields)

    def __dir__(cls) -> list[str]:
        """The names that this class adds to those of pydantic and of its parents."""
        parents = {name for parent in cls.__mro__[1:] for name in vars(parent)}
        return [n for n in vars(cls) if not n.startswith("_") and n not in parents]

    @property
    def __doc__(cls) -> str | None:  # type: ignore[override]
        docstring = inspect.cleandoc(vars(cls).get("__doc__") or "")
        fields = vars(cls).get("__pydantic_fields__", {})
        lines = [f"    {name}: {_described(field)}" for name, field in fields.items()]
        methods = [f"Methods: help({cls.__mro__[1].__name__})"] if fields else []
        parts = [docstring, "\n".join(["Fields:", *lines]) if lines else "", *methods]
        return "\n\n".join(filter(None, parts)) or None


def _described(field: FieldInfo) -> str:
    """Type, default and bounds of a field."""
    bounds = [
        f"{sign} {getattr(condition, name)!r}"
        for condition in field.metadata
        for name, sign in BOUNDS.items()
        if getattr(condition, name, None) is not None
    ]
    default = "" if field.is_required() else f" = {field.get_default(call_default_factory=True)!r}"
    limits = f"  ({', '.join(bounds)})" if bounds else ""
    return _type_name(field.annotation) + default + limits


def _type_name(annotation: Any) -> str:
    """A type as it is written in code, without its validators."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _type_name(inner[0])
    if origin is Literal:
        return " | ".join(map(repr, inner))
    if origin in (Union, UnionType):
        return " | ".join(map(_type_name, inner))
    if annotation is None or annotation is type(None):
        return "None"
    if origin is not None:
        parts = ("..." if part is ... else _type_name(part) for part in inner)
        return f"{_type_name(origin)}[{', '.join(parts)}]"
    return annotation.__name__ if inspect.isclass(annotation) else str(annotation)
