"""What the names that user code reads stand for."""

import ast
import builtins
from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType

from allometry.spec.code.canonical import canonical
from allometry.spec.code.free_names import Chain, Reads
from allometry.spec.code.objects import definitions_in, is_of_a_package
from allometry.spec.code.parts import Parts
from allometry.spec.code.source import Source
from allometry.spec.code.texts import Namespace, origin_of_namespace, sources, statements_of
from allometry.spec.code.values import Opaque

__all__ = ["Names"]

# What these reach cannot be told from the source, so the whole file counts.
_BY_TEXT = frozenset(("exec", "eval", "globals", "__import__"))
# Where a module is and how it was loaded, which does not affect what its code does.
_OF_THE_FILE = frozenset(("__file__", "__name__", "__doc__", "__spec__", "__package__"))


class Names:
    """Looks names up, in the module of the code that reads them.

    Args:
        parts: collects the parts that are reached.
        describe: a value as JSON data; raises `Opaque` where the content cannot be read.
    """

    def __init__(self, parts: Parts, describe: Callable[[object], object]):
        self._parts = parts
        self._describe = describe

    def read(
        self,
        reads: Reads,
        around: Namespace,
        own: frozenset[str] = frozenset(),
        annotated: bool = False,
    ) -> list[list[object]]:
        """What each name that is read stands for.

        Args:
            reads: the names that a piece of source reads.
            around: the names of its module.
            own: names that are not looked up in the module.
            annotated: whether types in annotations decide what it does, as in a spec.
        """
        chains = {chain for chain in reads.names if chain[0] not in own}
        # A name for type checkers alone may be missing at run time; the type of a field is not.
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

    def if_known(self, value: object) -> object:
        """A value as JSON data; "" where it cannot be read: its expression is in the source."""
        try:
            return self._describe(value)
        except Opaque:
            return ""

    def reach_definitions(self, state: object) -> None:
        """Reach what functions have put into a dict, list or object, such as a registry.

        Only functions and classes of the top level of a module count. Other contents, such as
        results of training, are not code.
        """
        for value in definitions_in(state):
            self.if_known(value)

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
        """What a name at the top level of a user's module stands for."""
        value = around[name]
        if isinstance(value, type) or self._is_followed(value):
            return self._describe(value)
        if is_of_a_package(value):
            return self._parts.of_a_package(value)
        label, key = self._parts.label(around, name), (id(around), name)
        return self._parts.add(label, key, lambda part: self._look_at(part, around, name))

    def _is_followed(self, value: object) -> bool:
        if not isinstance(value, FunctionType):
            return False
        return self._parts.is_followed(origin_of_namespace(value.__globals__))

    def _look_at(self, part: str, around: Namespace, name: str) -> None:
        """A constant by its value; one that functions change, or not data, by its statements."""
        value, statements = around[name], statements_of(around, name)
        is_state = any(name in text.changed_by_functions for text in sources(around))
        # A path that is computed from `__file__` differs between machines.
        is_place = any(("__file__",) in text.reads(*nodes).names for text, nodes in statements)
        described: object = "" if is_state or is_place else self.if_known(value)
        if is_state:
            self.reach_definitions(value)
        if described == "" or hasattr(value, "__wrapped__"):
            described = [described, *self._by_statements(around, name, statements)]
        self._parts.content[part] = described

    def _by_statements(
        self, around: Namespace, name: str, statements: list[tuple[Source, list[ast.stmt]]]
    ) -> Iterable[object]:
        if not statements:
            yield self._parts.whole(around)  # a star import, or assigned out of sight
        for text, nodes in statements:
            yield [canonical(*nodes), self.read(text.reads(*nodes), around, frozenset((name,)))]
