"""Follows names from a few functions and classes to all user code that they reach."""

import ast
import functools
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

from allometry.spec.code.canonical import canonical
from allometry.spec.code.class_source import class_form, class_source, state_of
from allometry.spec.code.names import Names
from allometry.spec.code.objects import WRAPPERS, is_of_a_package, is_own, settings, wrapped
from allometry.spec.code.parts import Parts
from allometry.spec.code.source import Source
from allometry.spec.code.texts import (
    namespace_of,
    origin_of_class,
    origin_of_namespace,
    source_of_function,
)
from allometry.spec.code.values import Opaque, contents, is_plain
from allometry.spec.value import Spec

__all__ = ["Walk"]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Walk:
    """Describes values as JSON data, in which functions, classes and constants are parts."""

    def __init__(self, parts: Parts):
        self._parts = parts
        self._names = Names(parts, self.describe)
        self._open: set[int] = set()  # values being described

    def reach(self, value: object) -> object:
        """A root as JSON data, with all that it reaches among the parts.

        Raises:
            Opaque: its content cannot be read.
        """
        described = self.describe(value)
        self._parts.look()
        return described

    # ---- values ------------------------------------------------------------------------------

    def describe(self, value: Any) -> object:
        """A value as JSON data.

        Raises:
            Opaque: its content, or that of something in it, cannot be read.
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
        if is_of_a_package(value):
            return self._parts.of_a_package(value)
        if isinstance(getattr(value, "__wrapped__", None), FunctionType):
            return ["wrapped", self.describe(type(value)), self.describe(value.__wrapped__)]
        attributes, state = settings(value)
        self._names.reach_definitions(state)
        described = [[n, self.describe(v)] for n, v in attributes.items()]
        return ["instance", self.describe(type(value)), described]

    # ---- functions ---------------------------------------------------------------------------

    def _function(self, function: FunctionType) -> object:
        origin = origin_of_namespace(function.__globals__)
        if self._parts.is_followed(origin):
            label = self._parts.label(function.__globals__, function.__qualname__)
            return self._parts.add(label, function, lambda n: self._look_at_function(n, function))
        reference = self._parts.reference(origin, function.__qualname__)
        if is_of_a_package(function):
            return reference
        # Made by a call in the package, so it depends on the arguments of that call.
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
            "names": self._names.read(reads, function.__globals__, cells),
        }

    def _cells(self, function: FunctionType, changed: frozenset[str]) -> object:
        """The variables that a function closes over, without those that it changes itself."""
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
            return self._names.if_known([function.__defaults__, function.__kwdefaults__])
        arguments = nodes[0].args
        named = (function.__kwdefaults__ or {}).get
        pairs = [*zip(arguments.defaults, function.__defaults__ or (), strict=False)]
        keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        pairs += [(node, named(argument.arg)) for argument, node in keywords if node]
        return [self._names.if_known(value) for node, value in pairs if not _is_literal(node)]

    def _attributes(self, function: FunctionType, text: Source) -> object:
        """Attributes that were set on a function, unless functions change them."""
        if function.__name__ in text.changed_by_functions:
            return ""
        attributes = {n: v for n, v in vars(function).items() if n != "__wrapped__"}
        return self._names.if_known(attributes) if attributes else ""

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
                methods[attribute] = self._names.if_known(value)
            elif is_plain(value) and not attribute.startswith("_") and attribute not in state:
                values[attribute] = self._names.if_known(value)
        reached = {attribute for attribute, described in methods.items() if described != ""}
        rest = [class_form(kind, node, without=reached) for node in nodes]
        is_spec = issubclass(kind, Spec)
        self._parts.content[name] = {
            "form": canonical(*rest),
            "bases": [self.describe(base) for base in kind.__bases__],
            "methods": sorted(methods.items()),
            "values": sorted(values.items()),
            "names": self._names.read(text.reads(*rest), around, annotated=is_spec),
        }


def _is_literal(node: ast.expr) -> bool:
    """Whether an expression has the same value wherever it stands."""
    varying = (ast.Name, ast.Call, ast.Attribute, ast.Lambda)
    return not any(isinstance(inner, varying) for inner in ast.walk(node))
