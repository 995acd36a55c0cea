"""What an object in memory says about itself: its own name, its attributes, who wrote it."""

import functools
import sys
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

from allometry.spec.code.class_source import state_of
from allometry.spec.code.origins import Origin
from allometry.spec.code.texts import origin_of_class, origin_of_namespace
from allometry.spec.code.values import Opaque
from allometry.spec.value import Spec

__all__ = [
    "WRAPPERS", "definitions_in", "is_of_a_package", "is_own", "origin_of_own_name", "settings",
    "wrapped",
]  # fmt: skip

WRAPPERS = (staticmethod, classmethod, property, functools.cached_property)
"""Types that a class wraps its functions in."""


def wrapped(value: object) -> list[Any]:
    """The functions in a value of one of `WRAPPERS`; None for each that is not set."""
    return [getattr(value, n, None) for n in ("__func__", "func", "fget", "fset", "fdel")]


def is_own(value: Any) -> bool:
    """Whether a function of a class is user code, and not put there by pydantic, say."""
    if isinstance(value, FunctionType):
        return origin_of_namespace(value.__globals__).kind == "person"
    return isinstance(value, WRAPPERS) and any(map(is_own, wrapped(value)))


def settings(value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attributes of an object: those that stay, and those that its methods change.

    Raises:
        Opaque: for an object of an installed package, which may have them elsewhere.
    """
    kind = type(value)
    if isinstance(value, Spec):
        names = list(kind.model_fields)
    elif origin_of_class(kind).kind in ("person", "shipped") or kind is SimpleNamespace:
        names = [*getattr(value, "__dict__", ()), *_slots(kind)]
    else:
        raise Opaque(kind.__name__)
    changing = state_of(kind)
    attributes = {name: getattr(value, name) for name in names if hasattr(value, name)}
    return (
        {name: v for name, v in attributes.items() if name not in changing},
        {name: v for name, v in attributes.items() if name in changing},
    )


def definitions_in(value: Any) -> Iterator[Any]:
    """Top-level functions and classes of modules in a container and in those nested in it."""
    waiting, seen = [value], set[int]()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Mapping):
            waiting += item.values()
        elif isinstance(item, list | tuple | set | frozenset):
            waiting += item
        elif (
            isinstance(item, type | FunctionType) or hasattr(item, "__wrapped__")
        ) and "<locals>" not in getattr(item, "__qualname__", "<locals>"):
            yield item


def _slots(kind: type) -> list[str]:
    declared = [vars(base).get("__slots__", ()) for base in kind.__mro__]
    names = [n for slots in declared for n in ((slots,) if isinstance(slots, str) else slots)]
    return [name for name in names if not name.startswith("__")]


def origin_of_own_name(value: Any) -> Origin | None:
    """The origin of a function or other object that its module has under its own name."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if not isinstance(name, str):
        return None
    for module_name in (getattr(value, "__module__", None), type(value).__module__):
        module: Any = sys.modules.get(module_name) if isinstance(module_name, str) else None
        if isinstance(module, ModuleType) and _attribute(module, name.split(".")) is value:
            return origin_of_namespace(vars(module))
    return None


def is_of_a_package(value: object) -> bool:
    """Whether this is a function, or another object, that a package has under its own name."""
    origin = origin_of_own_name(value)
    return origin is not None and origin.kind != "person"


def _attribute(owner: Any, names: list[str]) -> object:
    for name in names:
        owner = owner.get(name) if isinstance(owner, Mapping) else getattr(owner, name, None)
    return owner
