"""Which names a piece of source reads from outside itself, and what it changes there."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Chain", "Reads", "reads"]

Chain = tuple[str, ...]
"""A name and the attributes asked of it: ``np.linalg.norm`` is ``("np", "linalg", "norm")``."""

# Methods that change a list, dict, set, deque or array in place.
_CHANGING = frozenset((
    "add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "fill", "insert",
    "pop", "popitem", "popleft", "put", "remove", "reverse", "setdefault", "sort", "update",
))  # fmt: skip


@dataclass(frozen=True)
class Reads:
    """What a piece of source has to do with the names around it.

    Attributes:
        names: read from outside, with the attributes asked of each.
        annotations: read by annotations alone, which may be names for type checkers.
        changed: changed in place, or assigned after ``global`` or ``nonlocal``.
        imports: (module, level) of each import in it; the level counts leading dots.
        by_string: names whose attributes are read by a computed string; () for an expression.
    """

    names: frozenset[Chain]
    annotations: frozenset[Chain]
    changed: frozenset[Chain]
    imports: frozenset[tuple[str, int]]
    by_string: frozenset[Chain]


def reads(*nodes: ast.AST) -> Reads:
    """The names that these nodes, taken as one scope, read from around them."""
    scope = _Scope("module")
    reader = _Reader()
    for node in nodes:
        reader.read(node, scope)
    names, annotations, changed = scope.free()
    return Reads(
        frozenset(names), frozenset(annotations - names), frozenset(changed),
        frozenset(reader.imports), frozenset(reader.by_string),
    )  # fmt: skip


@dataclass
class _Scope:
    """Names of one function, class or comprehension."""

    kind: str
    bound: set[str] = field(default_factory=set)
    elsewhere: set[str] = field(default_factory=set)  # declared global or nonlocal
    names: set[Chain] = field(default_factory=set)
    annotations: set[Chain] = field(default_factory=set)
    changed: set[Chain] = field(default_factory=set)
    inner: "list[_Scope]" = field(default_factory=list)
    binder: "_Scope | None" = None  # where := binds, of a comprehension

    def free(self) -> tuple[set[Chain], set[Chain], set[Chain]]:
        """Names read, read by annotations and changed that are not this scope's own."""
        names, annotations, changed = set(self.names), set(self.annotations), set(self.changed)
        changed |= {(name,) for name in self.bound & self.elsewhere}
        bound = self.bound - self.elsewhere
        if self.kind == "class":
            # A class body reads a name that it binds from outside as long as it is not bound yet;
            # so the outer name counts if it exists.
            annotations |= {chain for chain in names if chain[0] in bound}
        names, changed = _without(names, bound), _without(changed, bound)
        for scope in self.inner:
            hidden: set[str] = set() if self.kind == "class" else bound
            for mine, others in zip((names, annotations, changed), scope.free(), strict=True):
                mine |= _without(others, hidden)
        return names, annotations, changed


def _without(chains: set[Chain], bound: set[str]) -> set[Chain]:
    return {chain for chain in chains if chain[0] not in bound}


class _Reader:
    """Walks a syntax tree, noting in each scope what it binds, reads and changes."""

    def __init__(self) -> None:
        self.imports: set[tuple[str, int]] = set()
        self.by_string: set[Chain] = set()

    def read(self, root: ast.AST, scope: _Scope) -> None:
        waiting = [(root, scope)]
        while waiting:  # no recursion: expressions may be deep
            node, scope = waiting.pop()
            waiting += self._read(node, scope)

    def _read(self, node: ast.AST, scope: _Scope) -> Iterator[tuple[ast.AST, _Scope]]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from self._function(node, scope)
            case ast.ClassDef():
                scope.bound.add(node.name)
                inner = self._inside(scope, "class", node)
                for part in (*node.decorator_list, *node.bases, *node.keywords):
                    yield part, scope
                yield from ((part, inner) for part in node.body)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                inner = self._inside(scope, "comprehension", node)
                inner.binder = scope.binder or scope
                yield node.generators[0].iter, scope  # evaluated outside
                yield from ((part, inner) for part in ast.iter_child_nodes(node))
            case ast.NamedExpr():
                (scope.binder or scope).bound.add(node.target.id)
                yield node.value, scope
            case ast.Global() | ast.Nonlocal():
                scope.elsewhere.update(node.names)
            case ast.Import() | ast.ImportFrom():
                self._import(node, scope)
            case ast.AnnAssign():
                yield from self._annotation(node.annotation, scope)
                yield from ((part, scope) for part in (node.target, node.value) if part)
            case ast.Name():
                if isinstance(node.ctx, ast.Load):
                    scope.names.add((node.id,))
                else:
                    scope.bound.add(node.id)
            case ast.Attribute() | ast.Subscript():
                yield from self._part_of(node, scope)
            case ast.Call():
                yield from self._call(node, scope)
            case _:
                scope.bound.update(_bound_by(node))
                yield from ((part, scope) for part in ast.iter_child_nodes(node))

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: _Scope
    ) -> Iterator[tuple[ast.AST, _Scope]]:
        inner, arguments = self._inside(scope, "function", node), node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [a for a in (arguments.vararg, arguments.kwarg) if a]
        inner.bound.update(argument.arg for argument in every)
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                yield default, scope
        if isinstance(node, ast.Lambda):
            yield node.body, inner
            return
        scope.bound.add(node.name)
        for annotation in (*(argument.annotation for argument in every), node.returns):
            yield from self._annotation(annotation, inner if _has_types(node) else scope)
        yield from ((part, scope) for part in node.decorator_list)
        yield from ((part, inner) for part in node.body)

    def _inside(self, scope: _Scope, kind: str, node: ast.AST) -> _Scope:
        inner = _Scope(kind)
        inner.bound.update(parameter.name for parameter in getattr(node, "type_params", ()))
        scope.inner.append(inner)
        return inner

    def _annotation(
        self, annotation: ast.expr | None, scope: _Scope
    ) -> Iterator[tuple[ast.AST, _Scope]]:
        if annotation is not None:
            aside = _Scope("module")
            self.read(annotation, aside)
            scope.annotations |= aside.free()[0]
        yield from ()

    def _part_of(
        self, node: ast.Attribute | ast.Subscript, scope: _Scope
    ) -> Iterator[tuple[ast.AST, _Scope]]:
        chain = _chain(node)
        if not isinstance(node.ctx, ast.Load):
            self._changes(node, scope)
        if chain is not None:
            scope.names.add(chain)
            return
        yield from ((part, scope) for part in ast.iter_child_nodes(node))

    def _changes(self, node: ast.expr, scope: _Scope) -> None:
        """Note that what this expression stands for is changed in place."""
        while isinstance(node, ast.Subscript):
            node = node.value
        chain = _chain(node)
        if chain is not None:
            scope.changed.add(chain)

    def _call(self, node: ast.Call, scope: _Scope) -> Iterator[tuple[ast.AST, _Scope]]:
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr=method)) if method in _CHANGING:
                self._changes(owner, scope)
            case ast.Call(func=ast.Name(id="getattr"), args=[owner, name, *_]):
                chain = _chain(owner)
                if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
                    self.by_string.add(chain or ())
                elif chain is not None:
                    scope.names.add((*chain, name.value))
            case _:
                pass
        yield from ((part, scope) for part in ast.iter_child_nodes(node))

    def _import(self, node: ast.Import | ast.ImportFrom, scope: _Scope) -> None:
        if isinstance(node, ast.Import):
            self.imports |= {(alias.name, 0) for alias in node.names}
        else:
            self.imports.add((node.module or "", node.level))
        scope.bound.update((a.asname or a.name).partition(".")[0] for a in node.names)


def _bound_by(node: ast.AST) -> set[str]:
    """Names bound by a pattern or an ``except ... as``, which have no nodes of their own."""
    names = {getattr(node, name, None) for name in ("name", "rest")}
    return {name for name in names if isinstance(name, str)}


def _has_types(node: ast.AST) -> bool:
    """Whether a function has type parameters (``def f[T](x: T)``), which its annotations see."""
    return bool(getattr(node, "type_params", ()))


def _chain(node: ast.expr) -> Chain | None:
    """The name and attributes of ``a.b.c``; None for another expression."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, *reversed(attributes)) if isinstance(node, ast.Name) else None
