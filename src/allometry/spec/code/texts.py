"""The text that a function, a class or a module in memory was made from."""

import ast
import linecache
import sys
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

from allometry.spec.code.origins import Origin, origin_of
from allometry.spec.code.source import Source, source

__all__ = [
    "Namespace", "namespace_of", "origin_of_class", "origin_of_namespace", "read_source",
    "source_of_function", "sources", "statements_of",
]  # fmt: skip

Namespace = dict[str, Any]

# Module name to its `__spec__`, a new object each time it is loaded, and its text when first read.
# A file that is edited while its module stays loaded is not the code that runs.
_first_texts: dict[str, tuple[object, str]] = {}


def namespace_of(kind: type) -> Namespace:
    """The names around a class: those of its methods, or of its module."""
    for value in vars(kind).values():
        if isinstance(value, FunctionType):
            around = value.__globals__
            if around.get("__name__") == kind.__module__:
                return around
    module = sys.modules.get(kind.__module__)
    return {} if module is None else vars(module)


def origin_of_namespace(namespace: Namespace) -> Origin:
    """Where the module of these names comes from."""
    return origin_of(str(namespace.get("__name__", "")), namespace.get("__file__"))


def origin_of_class(kind: type) -> Origin:
    """Where a class comes from."""
    return origin_of_namespace(namespace_of(kind) or {"__name__": kind.__module__})


def source_of_function(function: FunctionType) -> tuple[Source, list[Any]] | None:
    """The source of a function and its definition there; None where no known text has it."""
    code = function.__code__
    cell = linecache.cache.get(code.co_filename)
    if cell is not None and len(cell) == 4 and cell[1] is None:  # no file that could be edited
        known: Iterator[Source] = _parsed("".join(cell[2]))
    else:
        known = sources(function.__globals__)
    loader = getattr(function.__globals__.get("__spec__"), "loader", None)
    for text in known:
        nodes = text.of_function(code, loader)
        if nodes:
            return text, nodes
    return None


def sources(namespace: Namespace) -> Iterator[Source]:
    """Texts that may define the names of a module, the most likely first.

    For a module with a file: its text when first read, then its text now. For a notebook: its
    cells, beginning with the last one that was run.
    """
    file = namespace.get("__file__")
    if file is None:
        for text in _cells(namespace):
            yield from _parsed(text)
        return
    path = Path(file)
    if path.suffix == ".py" and path.is_file():
        now = _read(path)
        yield from _parsed(_first_text(namespace, now))
        yield from _parsed(now)


def read_source(path: Path) -> Source | None:
    """The source of a file as it is now; None where it is not Python."""
    return next(_parsed(_read(path)), None) if path.suffix == ".py" else None


def _cells(namespace: Mapping[str, Any]) -> list[str]:
    """The cells of a notebook or an interactive Python, beginning with the last one run."""
    if namespace.get("__name__") != "__main__":
        return []
    run = namespace.get("In")  # IPython's, in the order they were run
    if isinstance(run, list):
        return [text for text in reversed(run) if isinstance(text, str)]
    entries = [(name, entry) for name, entry in linecache.cache.items() if name.startswith("<")]
    return ["".join(e[2]) for _, e in reversed(entries) if len(e) == 4 and e[1] is None]


def statements_of(around: Namespace, name: str) -> list[tuple[Source, list[ast.stmt]]]:
    """The statements that assign a name and, in a notebook, those of later cells that change it."""
    statements = []
    for text in sources(around):
        nodes = text.of_name(name)
        if nodes:
            statements.append((text, nodes))
        if text.binds(name):
            break
    return statements


def _first_text(namespace: Namespace, now: str) -> str:
    name, spec = str(namespace.get("__name__")), namespace.get("__spec__")
    if spec is None and name != "__main__":
        return now
    known = _first_texts.get(name)
    if known is None or known[0] is not spec:
        known = _first_texts[name] = (spec, now)
    return known[1]


def _read(path: Path) -> str:
    with tokenize.open(path) as file:  # in the encoding that the file itself declares
        return file.read()


def _parsed(text: str) -> Iterator[Source]:
    """The source of a text; nothing for a cell that is not Python."""
    try:
        yield source(text)
    except SyntaxError:
        return
