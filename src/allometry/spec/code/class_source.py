"""The source of a class, and the part of it that decides a result."""

import ast
from collections.abc import Collection
from types import FunctionType
from typing import Any

from allometry.spec.code.source import Source
from allometry.spec.code.texts import Namespace, origin_of_class, source_of_function, sources
from allometry.spec.value import Spec

__all__ = ["class_form", "class_source", "state_of"]

_MAKING = frozenset(("__init__", "__new__", "__post_init__", "model_post_init", "__set_name__"))


def class_source(kind: type, around: Namespace) -> tuple[Source, list[ast.ClassDef]] | None:
    """The text of a class and its definition there; None where no known text has it."""
    if not _is_current(kind, around):
        return None
    for text in sources(around):
        nodes = text.of_class(kind.__qualname__)
        if nodes and _fits(kind, text, nodes):
            return text, nodes
    return None


def class_form(kind: type, node: ast.ClassDef, without: Collection[str]) -> ast.ClassDef:
    """A class without the methods named, and a spec without the defaults of its fields.

    A default does not affect a result: the value of the field does, and it is in the spec.
    """
    body = [n for n in node.body if getattr(n, "name", None) not in without]
    if issubclass(kind, Spec):
        body = [_without_default(n) if _is_field(kind, n) else n for n in body]
    fields = {name: getattr(node, name) for name in node._fields}
    return ast.ClassDef(**{**fields, "body": body})


def state_of(kind: type) -> frozenset[str]:
    """Attributes that methods change after the object is made, so that they are not settings."""
    changed = set[str]()
    for base in kind.__mro__:
        if origin_of_class(base).kind != "person":
            continue
        for name, value in vars(base).items():
            if isinstance(value, FunctionType) and name not in _MAKING:
                changed |= _assigned_to_self(value)
    return frozenset(changed)


def _assigned_to_self(method: FunctionType) -> set[str]:
    known, code = source_of_function(method), method.__code__
    if known is None or not code.co_argcount:
        return set()
    text, nodes = known
    changed = text.changed_inside(*nodes)
    return {c[1] for c in changed if len(c) > 1 and c[0] == code.co_varnames[0]}


def _is_field(kind: type[Spec], node: ast.stmt) -> bool:
    """Whether a statement declares a field; a `ClassVar` is not a field."""
    if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
        return False
    return node.target.id in kind.model_fields


def _without_default(node: ast.stmt) -> ast.stmt:
    assert isinstance(node, ast.AnnAssign), node
    value = node.value
    if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "Field":
        keywords = [k for k in value.keywords if k.arg not in ("default", "default_factory")]
        value = ast.Call(value.func, [], keywords) if keywords else None
    else:
        value = None
    return ast.AnnAssign(node.target, node.annotation, value, node.simple)


def _is_current(kind: type, around: Namespace) -> bool:
    """Whether the class is the one its module has under its name, or one just like it."""
    present: Any = around
    for name in kind.__qualname__.split("."):
        present = present.get(name) if isinstance(present, dict) else getattr(present, name, None)
    if "<locals>" in kind.__qualname__ or present is kind:
        return True
    return isinstance(present, type) and _shape(present) == _shape(kind)


def _shape(kind: type) -> object:
    fields = kind.model_fields if issubclass(kind, Spec) else {}
    typed = [(name, repr(f.annotation), repr(f.metadata)) for name, f in fields.items()]
    return [typed, sorted(n for n in vars(kind) if not n.startswith("_"))]


def _fits(kind: type, text: Source, nodes: list[ast.ClassDef]) -> bool:
    """Whether a text has the methods of the class in memory and names its fields."""
    defined = {n.name for node in nodes for n in node.body if isinstance(n, ast.FunctionDef)}
    methods = [v for n, v in vars(kind).items() if isinstance(v, FunctionType) and n in defined]
    texts = [source_of_function(method) for method in methods]
    if any(known is not None and known[0] is not text for known in texts):
        return False  # another text has the methods of this class
    if not issubclass(kind, Spec):
        return True
    named = {
        n.target.id
        for node in nodes for n in node.body
        if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
    }  # fmt: skip
    return set(kind.model_fields) <= named | {
        name for base in kind.__mro__[1:] for name in getattr(base, "model_fields", ())
    }
