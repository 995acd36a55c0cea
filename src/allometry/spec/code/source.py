"""A source text, and the parts of it that define its functions, classes and names."""

import ast
import builtins
from collections.abc import Iterator
from functools import cached_property, lru_cache
from importlib.abc import InspectLoader
from types import CodeType

from allometry.spec.code.free_names import Chain, Reads, reads

__all__ = ["Source", "source", "where_defined"]

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Source:
    """A file, or a cell of a notebook, as it was when it was read.

    Raises:
        SyntaxError: for text that this Python cannot read.
    """

    def __init__(self, text: str):
        self.tree = ast.parse(text)
        self._text = text

    def of_function(self, code: CodeType, loader: object = None) -> list[ast.AST]:
        """The definition this code was compiled from; empty where the text does not contain it.

        The text is compiled, and the compiled code is compared. So a file that was edited after
        the function was loaded is never taken for the function's source. Lambdas on one line
        cannot be told apart: all of them are returned.

        Args:
            code: the function's code object.
            loader: the loader of its module, which may compile in its own way (`importlib`).
        """
        compiled = _compiled(self._text, loader)
        lines = {
            other.co_firstlineno
            for other in compiled.get(code.co_qualname, ())
            if _same_code(code, other)
        }
        return [node for line in sorted(lines) for node in self._functions[code.co_name, line]]

    def of_class(self, qualname: str) -> list[ast.ClassDef]:
        """The definitions of classes of this name; each branch of an ``if`` may have one."""
        return [n for name, n in where_defined(self.tree) if name == qualname and _is_class(n)]  # type: ignore[misc]

    def of_name(self, name: str) -> list[ast.stmt]:
        """The statements at the top level that bind a name or change what it stands for."""
        return [stmt for stmt, (bound, changed) in self._statements if name in bound | changed]

    def binds(self, name: str) -> bool:
        """Whether a statement at the top level binds the name."""
        return any(name in bound for _, (bound, _) in self._statements)

    @cached_property
    def changed_by_functions(self) -> frozenset[str]:
        """Top-level names that functions change when they run, so that they are not constants."""
        defined = where_defined(self.tree)
        nodes = [n for name, n in defined if not _is_class(n) and "<locals>" not in name]
        return frozenset(chain[0] for node in nodes for chain in _reads(node).changed)

    @cached_property
    def imports(self) -> list[tuple[str, int]]:
        """(module, level) of every import in the text, inside functions too."""
        return sorted(_reads(self.tree).imports)

    def reads(self, *nodes: ast.AST) -> Reads:
        """What nodes of this text read: `free_names.reads` of them."""
        return _reads(*nodes)

    def changed_inside(self, *nodes: ast.AST) -> frozenset[Chain]:
        """What the bodies of these functions change in place, their arguments included."""
        bodies = [s for n in nodes if not isinstance(n, ast.Lambda) for s in getattr(n, "body", ())]
        return _reads(*bodies).changed

    @cached_property
    def _functions(self) -> dict[tuple[str, int], list[ast.AST]]:
        """(name, first line with decorators) -> the functions there."""
        functions: dict[tuple[str, int], list[ast.AST]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                line = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                functions.setdefault((node.name, line), []).append(node)
            elif isinstance(node, ast.Lambda):
                functions.setdefault(("<lambda>", node.lineno), []).append(node)
        return functions

    @cached_property
    def _statements(self) -> list[tuple[ast.stmt, tuple[frozenset[str], frozenset[str]]]]:
        """Statements of the top level with the names they bind and those they change in place."""
        return [(stmt, _binds(stmt)) for stmt in self.tree.body if not _is_main(stmt)]


@lru_cache(maxsize=64)
def source(text: str) -> Source:
    """The source of a text; each text is parsed once."""
    return Source(text)


@lru_cache(maxsize=64)
def _compiled(text: str, loader: object) -> dict[str, list[CodeType]]:
    """All code objects of a text by ``__qualname__``.

    Without a loader, each statement is also compiled alone, as IPython compiles a cell. The two
    can differ: Python compiles a call of ``time.sleep`` in another way where it sees the import
    of ``time`` as well.
    """
    to_code = getattr(loader, "source_to_code", None) or InspectLoader.source_to_code
    codes: dict[str, list[CodeType]] = {}
    waiting = [to_code(text, "<source>")]
    if loader is None:
        statements = (ast.Module([node], []) for node in ast.parse(text).body)
        waiting += [InspectLoader.source_to_code(one, "<source>") for one in statements]
    while waiting:
        code = waiting.pop()
        codes.setdefault(code.co_qualname, []).append(code)
        waiting += [c for c in code.co_consts if isinstance(c, CodeType)]
    return codes


@lru_cache(maxsize=4096)
def _reads(*nodes: ast.AST) -> Reads:
    return reads(*nodes)


def where_defined(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, Definition]]:
    """Each function and class of a tree with its ``__qualname__``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield inside + node.name, node
            locals_ = "." if isinstance(node, ast.ClassDef) else ".<locals>."
            yield from where_defined(node, f"{inside}{node.name}{locals_}")
        elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from where_defined(node, inside)


def _is_class(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef)


def _is_main(stmt: ast.stmt) -> bool:
    """Whether this is ``if __name__ == "__main__":``, which does not run on import."""
    return isinstance(stmt, ast.If) and ("__name__",) in _reads(stmt.test).names


def _binds(stmt: ast.stmt) -> tuple[frozenset[str], frozenset[str]]:
    """Names that a statement of the top level binds, and those it changes in place."""
    bound = {
        node.id
        for node in _outside_functions(stmt)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    for node in _outside_functions(stmt):
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(a.asname or a.name).partition(".")[0] for a in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
    calls = set()
    for node in _outside_functions(stmt):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            calls.add(node.value.func)  # f.defvjp(...) changes what f does
        calls.update(getattr(node, "decorator_list", ()))  # and so does @f.register
    owners = {chain[0] for call in calls for chain in _reads(call).names if len(chain) > 1}
    known = set(vars(builtins))
    return frozenset(bound), frozenset({c[0] for c in _reads(stmt).changed} | owners) - known


def _outside_functions(stmt: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement that are evaluated with it, not in a later call of a function."""
    waiting: list[ast.AST] = [stmt]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _same_code(one: CodeType, other: CodeType) -> bool:
    """Whether two functions have the same compiled code, whatever their line numbers."""
    names = ("co_name", "co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars",
             "co_argcount", "co_posonlyargcount", "co_kwonlyargcount")  # fmt: skip
    if any(getattr(one, name) != getattr(other, name) for name in names):
        return False
    if len(one.co_consts) != len(other.co_consts):
        return False
    return all(
        _same_code(a, b) if isinstance(a, CodeType) and isinstance(b, CodeType) else _same(a, b)
        for a, b in zip(one.co_consts, other.co_consts, strict=True)
    )


def _same(a: object, b: object) -> bool:
    """Equal constants of one type; the repr of a set may order its items in another way."""
    if isinstance(a, frozenset) and isinstance(b, frozenset):
        return sorted(map(repr, a)) == sorted(map(repr, b))
    return type(a) is type(b) and repr(a) == repr(b)
