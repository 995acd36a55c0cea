"""The identity of user code: one hash of the code that decides a result.

A run belongs to the code that made it. The hash covers the user code that the roots (measures,
``train``, models) reach by name, in a form that comments, formatting and the version of Python do
not change. It does not cover shipped code. Figures and analysis are not roots.
"""

import functools
import hashlib
import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

from allometry.spec.code.origins import home_of
from allometry.spec.code.parts import Parts
from allometry.spec.code.texts import Namespace, origin_of_class, origin_of_namespace
from allometry.spec.code.values import Opaque
from allometry.spec.code.walk import Walk
from allometry.spec.value import Spec

__all__ = [
    "NO_CODE", "UserCode", "changes", "is_known", "is_shipped", "short_name", "user_classes",
    "user_code",
]  # fmt: skip

_UNKNOWN = "unknown-"
SHOWN = 5  # names in a sentence


class UserCode(NamedTuple):
    """The user code that makes a run.

    Attributes:
        digest: SHA-256 (64 hex digits) of all parts; empty where all code is shipped. Where the
            source of a part is missing it is a random name, so that no result is reused.
        parts: name of each function, class, constant and package to a hash of it, or its version.
        unknown: names of the parts whose source is missing.
        training: the digest of the code that decides the training, without the measures.
    """

    digest: str
    parts: Mapping[str, str]
    unknown: tuple[str, ...] = ()
    training: str = ""


NO_CODE = UserCode("", {})


def user_code(
    roots: Mapping[str, object], classes: Collection[type], main: Callable[..., object]
) -> UserCode:
    """The code that these functions, objects and classes reach by name.

    Args:
        roots: functions and objects by what they are for.
        classes: of the values in a spec; shipped ones left out, as among the roots.
        main: a function of the study's own module.
    """
    if not roots and not classes:
        return NO_CODE
    around = _globals(main)
    parts = Parts(around, _homes([around, *map(_globals, [*roots.values(), *classes])]))
    walk = Walk(parts)
    ordered = sorted(classes, key=lambda kind: (kind.__qualname__, kind.__module__))
    reached: dict[str, object] = {}
    for name, root in [*sorted(roots.items()), ("classes", ordered)]:
        try:
            reached[name] = walk.reach(root)
        except Opaque as kind:
            parts.unknown.append(f"{name}, a {kind}")
    hashes = {name: _sha256(part)[:16] for name, part in parts.content.items()}
    hashes |= {f"package {name}": version for name, version in parts.packages.items()}
    if parts.unknown:
        unknown = tuple(dict.fromkeys(parts.unknown))
        return UserCode(_UNKNOWN + secrets.token_hex(28), hashes, unknown)
    return UserCode(_sha256([reached, parts.content, parts.packages]), hashes)


def is_known(digest: str) -> bool:
    """Whether this is the digest of code whose source could be read."""
    return not digest.startswith(_UNKNOWN)


def short_name(digest: str) -> str:
    """The name of a state of the code on the command line; it cannot be read as a number."""
    return f"c{digest.removeprefix(_UNKNOWN)[:11]}" if digest else "none"


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What has changed since before, in a few words; a package is given its earlier version."""
    changed = [name for name in now if name in before and before[name] != now[name]]
    words = [
        f"{n} was {before[n]}" if n.startswith("package ") else f"{n} changed" for n in changed
    ]
    words += [f"{name} is new" for name in now if name not in before]
    words += [f"{name} is gone" for name in before if name not in now]
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more


def is_shipped(value: object) -> bool:
    """Whether a function, a class or an object's class comes with Allometry.

    A partial function, or a closure, is shipped only where the functions it holds are shipped too.
    """
    contents: list[object] = []
    if isinstance(value, functools.partial):
        contents = [*value.args, *value.keywords.values()]
    elif isinstance(value, FunctionType):
        contents = [cell.cell_contents for cell in value.__closure__ or ()]
    shipped = origin_of_namespace(_globals(value)).kind == "shipped"
    return shipped and all(is_shipped(item) for item in contents if callable(item))


def user_classes(specs: Sequence[Spec]) -> list[frozenset[type[Spec]]]:
    """For each spec, the classes in it that do not come with Allometry."""
    own: dict[type, frozenset[type[Spec]] | None] = {}  # by class; None if it is not a spec
    known: dict[tuple[object, ...], frozenset[type[Spec]]] = {}

    def is_spec(kind: type) -> bool:
        if kind not in own:
            user_made = issubclass(kind, Spec) and origin_of_class(kind).kind != "shipped"
            own[kind] = frozenset((kind,) if user_made else ()) if issubclass(kind, Spec) else None
        return own[kind] is not None

    def of(value: Any) -> frozenset[type[Spec]]:
        kind = type(value)
        items = value.__dict__.values() if is_spec(kind) else value
        inner = [v for v in items if type(v) in (tuple, list) or is_spec(type(v))]
        if not inner:
            return own[kind] or frozenset()
        # By identity, which is safe while the specs keep their values alive.
        key = (kind, *map(id, inner))
        if key not in known:
            known[key] = (own[kind] or frozenset()).union(*map(of, inner))
        return known[key]

    return [of(spec) for spec in specs]


def _globals(value: object) -> Namespace:
    """The names around a function, a class, or an object's class."""
    if isinstance(value, functools.partial):
        return _globals(value.func)
    while hasattr(value, "__wrapped__"):
        value = value.__wrapped__
    if isinstance(value, FunctionType):
        return value.__globals__
    kind: Any = value if isinstance(value, type) else type(getattr(value, "__self__", value))
    origin = origin_of_class(kind)
    return {"__name__": origin.name, "__file__": str(origin.file) if origin.file else None}


def _homes(namespaces: Sequence[Namespace]) -> list[Path]:
    origins = map(origin_of_namespace, namespaces)
    return [home_of(o.file) for o in origins if o.kind == "person" and o.file is not None]


def _sha256(document: object) -> str:
    text = json.dumps(document, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
