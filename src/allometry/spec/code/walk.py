"""From a few functions and classes to all of a person's code that they reach by name."""

import ast
import builtins
import functools
from collections.abc import Iterable
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

from allometry.spec.code.canonical import canonical
from allometry.spec.code.class_source import class_form, class_source, state_of
from allometry.spec.code.free_names import Chain, Reads
from allometry.spec.code.objects import WRAPPERS, importable, is_own, settings, wrapped
from allometry.spec.code.parts import Parts
from allometry.spec.code.source import Source
from allometry.spec.code.texts import (
    Namespace,
    namespace_of,
    origin_of_class,
    origin_of_namespace,
    source_of_function,
    sources,
    statements_of,
)
from allometry.spec.code.values import Opaque, contents, is_plain
from allometry.spec.value import Spec

__all__ = ["Walk"]

# What these reach, no reader of the source can tell: then the whole file counts.
_BY_TEXT = frozenset(("exec", "eval", "globals", "__import__"))
# Where a module is and how it was loaded, which is no part of what its code does.
_OF_THE_FILE = frozenset(("__file__", "__name__", "__doc__", "__spec__", "__package__"))
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Walk:
    """Describes values as JSON data, in which functions, classes and constants are parts."""

    def __init__(self, parts: Parts):
        self._parts = parts
        self._open: set[int] = set()  # values being described

    def reach(self, value: object) -> object:
        """A root as JSON data, with all that it reaches among the parts.

        Raises:
            Opaque: when it is of a kind that says nothing of its content.
        """
        described = self.describe(value)
        self._parts.look()
        return described

    # ---- values ------------------------------------------------------------------------------

    def describe(self, value: Any) -> object:
        """A value as JSON data.

        Raises:
            Opaque: when it, or something in it, is of a kind that says nothing of its content.
        """
        if is_plain(value):
            return contents(value, self.describe)
        if isinstance(value, ModuleType):
            return self._parts.module(vars(value))
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, FunctionType):
            return self._function(value)
        if id(value) in self._open:
            raise Opaque("a value that contains itself")
        self._open.add(id(value))
        try:
            return self._composed(value)
        finally:
            self._open.remove(id(value))

    def _composed(self, value: Any) -> object:
        described = contents(value, self.describe)
        if described is not None:
            return described
        if isinstance(value, MethodType):
            return ["method", self.describe(value.__func__), self.describe(value.__self__)]
        if isinstance(value, functools.partial):
            arguments = (list(value.args), value.keywords)
            return ["partial", self.describe(value.func), *map(self.describe, arguments)]
        if isinstance(value, WRAPPERS):
            return [type(value).__name__, *map(self.describe, wrapped(value))]
        origin = importable(value)
        if origin is not None and origin.kind != "person":
            return self._parts.reference(origin, value.__name__)
        if isinstance(getattr(value, "__wrapped__", None), FunctionType):
            return ["wrapped", self.describe(type(value)), self.describe(value.__wrapped__)]
        attributes = [[n, self.describe(v)] for n, v in settings(value).items()]
        return ["instance", self.describe(type(value)), attributes]

    def _if_known(self, value: object) -> object:
        """A value whose expression stands in the source already; "" where that has to do."""
        try:
            return self.describe(value)
        except Opaque:
            return ""

    # ---- functions ---------------------------------------------------------------------------

    def _function(self, function: FunctionType) -> object:
        origin = origin_of_namespace(function.__globals__)
        if self._parts.is_followed(origin):
            label = self._parts.label(function.__globals__, function.__qualname__)
            return self._parts.add(label, function, lambda n: self._look_at_function(n, function))
        reference = self._parts.reference(origin, function.__qualname__)
        if importable(function) is not None:
            return reference
        # Made by a call, so that what it does depends on what it was called with.
        return ["function", reference, self._cells(function, frozenset())]

    def _look_at_function(self, name: str, function: FunctionType) -> None:
        known = source_of_function(function)
        if known is None:
            self._parts.unknown.append(name)
            return
        text, nodes = known
        reads = text.reads(*nodes)
        cells = frozenset(function.__code__.co_freevars)
        self._parts.content[name] = {
            "form": canonical(*nodes),
            "cells": self._cells(function, frozenset(chain[0] for chain in reads.changed)),
            "defaults": self._defaults(function, nodes),
            "attributes": self._attributes(function, text),
            "names": self._names(reads, function.__globals__, cells),
        }

    def _cells(self, function: FunctionType, changed: frozenset[str]) -> object:
        """What a function closes over, those variables apart that it changes itself."""
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        skipped = changed | {"__class__"}
        return [[n, self._cell(function, cell)] for n, cell in cells if n not in skipped]

    def _cell(self, function: FunctionType, cell: CellType) -> object:
        try:
            value = cell.cell_contents
        except ValueError:
            return "empty"
        try:
            return self.describe(value)
        except Opaque as kind:
            if origin_of_namespace(function.__globals__).kind != "person":
                raise
            return ["a value of", str(kind), self._parts.whole(function.__globals__)]

    def _defaults(self, function: FunctionType, nodes: list[Any]) -> object:
        """Default values that are computed; the others are in the source."""
        if len(nodes) != 1:
            return self._if_known([function.__defaults__, function.__kwdefaults__])
        arguments = nodes[0].args
        named = (function.__kwdefaults__ or {}).get
        pairs = [*zip(arguments.defaults, function.__defaults__ or (), strict=False)]
        keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        pairs += [(node, named(argument.arg)) for argument, node in keywords if node]
        return [self._if_known(value) for node, value in pairs if not _is_literal(node)]

    def _attributes(self, function: FunctionType, text: Source) -> object:
        """Attributes that were set on a function, unless functions change them."""
        if function.__name__ in text.changed_by_functions:
            return ""
        own = {n: v for n, v in vars(function).items() if n != "__wrapped__"}
        return self._if_known(own) if own else ""

    # ---- classes -----------------------------------------------------------------------------

    def _class(self, kind: type) -> object:
        origin = origin_of_class(kind)
        if not self._parts.is_followed(origin):
            return self._parts.reference(origin, kind.__qualname__)
        label = self._parts.label(namespace_of(kind), kind.__qualname__)
        return self._parts.add(label, kind, lambda name: self._look_at_class(name, kind))

    def _look_at_class(self, name: str, kind: type) -> None:
        around = namespace_of(kind)
        known = class_source(kind, around)
        if known is None:
            self._parts.unknown.append(name)
            return
        text, nodes = known
        defined = {n.name for c in nodes for n in c.body if isinstance(n, _FUNCTIONS)}
        methods, values, state = {}, {}, state_of(kind)
        for attribute, value in vars(kind).items():
            if attribute in defined or (is_own(value) and not attribute.startswith("__")):
                methods[attribute] = self._if_known(value)
            elif is_plain(value) and not attribute.startswith("_") and attribute not in state:
                values[attribute] = self._if_known(value)
        reached = {attribute for attribute, described in methods.items() if described != ""}
        rest = [class_form(kind, node, without=reached) for node in nodes]
        is_spec = issubclass(kind, Spec)
        self._parts.content[name] = {
            "form": canonical(*rest),
            "bases": [self.describe(base) for base in kind.__bases__],
            "methods": sorted(methods.items()),
            "values": sorted(values.items()),
            "names": self._names(text.reads(*rest), around, frozenset(), annotated=is_spec),
        }

    # ---- names -------------------------------------------------------------------------------

    def _names(
        self, reads: Reads, around: Namespace, own: frozenset[str], annotated: bool = False
    ) -> list[list[object]]:
        """What each name that is read stands for, its own names apart."""
        chains = {chain for chain in reads.names if chain[0] not in own}
        # Names for type checkers alone need not be there; the type of a field is.
        chains |= {c for c in reads.annotations if annotated or c[0] in around}
        named = [[".".join(chain), self._named(chain, around)] for chain in sorted(chains)]
        for module, level in sorted(reads.imports):
            named.append([f"import {module}", self._parts.imported(module, around, level)])
        for chain in sorted(reads.by_string):
            owner = around.get(chain[0]) if chain else None
            is_module = isinstance(owner, ModuleType)
            if not (is_module and origin_of_namespace(vars(owner)).kind != "person"):
                named.append(["getattr", self._parts.whole(around)])
        return [pair for pair in named if pair[1] is not None]

    def _named(self, chain: Chain, around: Namespace) -> object:
        """What a name and the attributes asked of it stand for; None for a builtin."""
        name, *attributes = chain
        if name not in around:
            is_builtin = hasattr(builtins, name) and name not in _BY_TEXT
            return None if is_builtin or name in _OF_THE_FILE else self._parts.whole(around)
        value, place = around[name], around
        while isinstance(value, ModuleType) and attributes:
            inner = vars(value)
            if not self._parts.is_followed(origin_of_namespace(inner)):
                break
            name, place = attributes.pop(0), inner
            if name not in inner:
                return self._parts.whole(inner)
            value = inner[name]
        if not isinstance(value, ModuleType):
            return None if name in _OF_THE_FILE else self._of_module(place, name)
        if (value.__name__, *attributes[:1]) == ("sys", "modules"):
            return self._parts.whole(around)
        return self._parts.module(vars(value), around)

    def _of_module(self, around: Namespace, name: str) -> object:
        """What a name at the top level of a person's module stands for."""
        value = around[name]
        if isinstance(value, type | FunctionType):
            return self.describe(value)
        origin = importable(value)
        if origin is not None and origin.kind != "person":
            return self._parts.reference(origin, value.__name__)
        label, key = self._parts.label(around, name), (id(around), name)
        return self._parts.add(label, key, lambda part: self._look_at_name(part, around, name))

    def _look_at_name(self, part: str, around: Namespace, name: str) -> None:
        """A constant by its value; what functions change, or what is no data, by its statements."""
        value, statements = around[name], statements_of(around, name)
        is_state = any(name in text.changed_by_functions for text in sources(around))
        # A path that is made of where the file lies differs between machines.
        is_place = any(("__file__",) in text.reads(*nodes).names for text, nodes in statements)
        described: object = "" if is_state or is_place else self._if_known(value)
        if described == "" or hasattr(value, "__wrapped__"):
            described = [described, *self._by_statements(around, name, statements)]
        self._parts.content[part] = described

    def _by_statements(
        self, around: Namespace, name: str, statements: list[tuple[Source, list[ast.stmt]]]
    ) -> Iterable[object]:
        if not statements:
            yield self._parts.whole(around)  # a star import, or assigned where nothing sees it
        for text, nodes in statements:
            yield [canonical(*nodes), self._names(text.reads(*nodes), around, frozenset((name,)))]


def _is_literal(node: ast.expr) -> bool:
    """Whether an expression has the same value wherever it stands."""
    varying = (ast.Name, ast.Call, ast.Attribute, ast.Lambda)
    return not any(isinstance(inner, varying) for inner in ast.walk(node))
