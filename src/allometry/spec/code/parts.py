"""The parts of user code under readable names, whole files and packages among them."""

import functools
import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

from allometry.spec.code.canonical import canonical
from allometry.spec.code.objects import origin_of_own_name
from allometry.spec.code.origins import Origin, find_module, version_of
from allometry.spec.code.texts import Namespace, origin_of_namespace, read_source

__all__ = ["Parts"]

# Modules whose purpose is to import others by a text.
_IMPORTING = frozenset(("importlib", "runpy", "pkgutil"))


class Parts:
    """The parts that a walk reaches; each is looked at once.

    Args:
        main: names of the study's module; parts of other modules have the module in their name.
        homes: folders whose modules are followed by name; others count by the hash of their files.

    Attributes:
        content: name of each part to what decides it: source in canonical form, values, names of
            other parts.
        packages: installed package to version.
        unknown: names of the parts whose source could not be read.
    """

    def __init__(self, main: Namespace, homes: Iterable[Path]):
        self.content: dict[str, object] = {}
        self.packages: dict[str, str] = {}
        self.unknown: list[str] = []
        self._main = origin_of_namespace(main).file
        self._homes = tuple(homes)
        self._names: dict[tuple[object, ...], str] = {}
        self._alive: list[object] = []  # so that no id in `_names` is used again
        self._waiting: deque[Callable[[], None]] = deque()

    def add(self, label: str, what: object, look: Callable[[str], None]) -> object:
        """A reference to a part, whose content `look` enters later, once.

        Args:
            label: its name, unless another part has it.
            what: the object; or a key of numbers and texts that stands for it.
            look: called with the name; enters the content under it.
        """
        key = what if isinstance(what, tuple) else (id(what),)
        name = self._names.get(key)
        if name is None:
            taken = set(self._names.values())
            same = (f"{label} ({i})" for i in range(2, len(taken) + 3))
            name = label if label not in taken else next(n for n in same if n not in taken)
            self._names[key] = name
            self._alive += [what, look]
            self._waiting.append(functools.partial(look, name))
        return ["part", name]

    def look(self) -> None:
        """Look at all waiting parts, and at those that they reach."""
        while self._waiting:
            self._waiting.popleft()()

    def label(self, around: Namespace, qualname: str) -> str:
        """The name of a definition, after that of its module unless it is the study's."""
        file = origin_of_namespace(around).file
        return qualname if file is None or file == self._main else f"{_stem(file)}.{qualname}"

    def is_followed(self, origin: Origin) -> bool:
        """Whether what a module defines is followed by name."""
        if origin.kind != "person" or origin.file is None:
            return origin.kind == "person"
        path = origin.file.resolve()
        return any(path.is_relative_to(home) for home in self._homes)

    def reference(self, origin: Origin, name: str) -> object:
        """A reference into a module that is not followed; for a package its version counts."""
        if origin.kind == "shipped":
            return ["allometry", name]
        if origin.kind == "standard":
            return ["python", origin.name, name]
        top = origin.name.partition(".")[0]
        if top not in self.packages:
            self.packages[top] = version_of(origin)
        return ["package", top, name]

    def of_a_package(self, value: Any) -> object:
        """A function, or another object, that a package has under its own name."""
        origin = origin_of_own_name(value)
        assert origin is not None, value
        return self.reference(origin, value.__name__)

    # ---- whole files -------------------------------------------------------------------------

    def module(self, names: Namespace, around: Namespace | None = None) -> object:
        """A module that is used as a whole, by code in the module `around`."""
        origin = origin_of_namespace(names)
        if self.is_followed(origin):
            return self.whole(names)
        if around is not None and _imports_by_text(origin):
            return self.whole(around)
        return self.reference(origin, origin.name)

    def imported(self, name: str, around: Namespace, level: int) -> object:
        """A module that an import inside a function or a file names."""
        origin = find_module(name, around, level)
        if origin is None:
            return "not there"
        if _imports_by_text(origin):
            return self.whole(around)
        return self._file(origin) if self.is_followed(origin) else self.reference(origin, name)

    def whole(self, names: Namespace) -> object:
        """A whole file and its neighbours that it imports, where a name cannot be followed."""
        origin = origin_of_namespace(names)
        if origin.file is None:
            self.unknown.append("a name that is looked up by text, in a notebook")
            return "unknown"
        return self._file(origin)

    def _file(self, origin: Origin) -> object:
        assert origin.file is not None, origin
        path = origin.file.resolve()
        is_main = self._main is not None and path == self._main.resolve()
        label = "all of the file" if is_main else f"all of {_stem(path)}"
        return self.add(label, ("file", path), lambda name: self._look_at(name, origin, path))

    def _look_at(self, name: str, origin: Origin, path: Path) -> None:
        if path.name.endswith(tuple(EXTENSION_SUFFIXES)):
            self.content[name] = hashlib.sha256(path.read_bytes()).hexdigest()
            return
        text = read_source(path)
        if text is None:
            self.unknown.append(name)
            return
        around = {"__name__": origin.name, "__file__": str(path)}
        reached = [[module, self.imported(module, around, n)] for module, n in text.imports]
        self.content[name] = [canonical(text.tree), reached]


def _imports_by_text(origin: Origin) -> bool:
    return origin.kind == "standard" and origin.name.partition(".")[0] in _IMPORTING


def _stem(file: Path) -> str:
    return file.parent.name if file.stem == "__init__" else file.stem
