"""Where a module comes from: this package, Python, an installed package, or a user's files."""

import hashlib
import os
import sys
import sysconfig
from functools import lru_cache
from importlib import metadata
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

from allometry.files.foreign import is_file, opened

__all__ = ["SHIPPED", "Origin", "find_module", "home_of", "origin_of", "version_of"]

PACKAGE = Path(__file__).resolve().parents[2]
SOURCE_SUFFIX = ".py"


class Origin(NamedTuple):
    """Where a module comes from.

    Attributes:
        kind: ``shipped`` with Allometry, of the ``standard`` library, ``installed``, or
            ``person`` for user code.
        name: of the module.
        file: of the module; None for a notebook and for modules without a file.
    """

    kind: Literal["shipped", "standard", "installed", "person"]
    name: str
    file: Path | None


SHIPPED = Origin("shipped", "allometry", None)


def origin_of(name: str, file: str | None) -> Origin:
    """The origin of a module by its name and file."""
    top = name.partition(".")[0]
    if top == "allometry":
        return SHIPPED
    if file is None:
        is_python = top in sys.stdlib_module_names or top in sys.builtin_module_names
        return Origin("standard" if is_python and top != "__main__" else "person", name, None)
    return Origin(_kind(file), name, Path(file))


@lru_cache(maxsize=4096)
def _kind(file: str) -> Literal["shipped", "standard", "installed", "person"]:
    path = Path(os.path.abspath(file))  # noqa: PTH100 - resolves no links: site-packages may be one
    if {"site-packages", "dist-packages"} & set(path.parts):
        return "installed"
    if path.resolve().is_relative_to(PACKAGE):
        return "shipped"
    folders = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    is_python = any(path.is_relative_to(folder) for folder in folders if folder)
    return "standard" if is_python else "person"


def home_of(file: Path) -> Path:
    """The folder whose modules belong to a file: its own, or that of its outermost package."""
    folder = home = file.resolve().parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        home, folder = folder, folder.parent
    return home


def find_module(name: str, namespace: dict[str, Any], level: int = 0) -> Origin | None:
    """The origin of a module that a namespace imports, whether or not it is loaded.

    Args:
        name: as the statement has it.
        namespace: of the module that imports it.
        level: number of leading dots.
    """
    importing = namespace.get("__file__")
    if level:
        folder = Path(importing).resolve().parents[level - 1] if importing else Path.cwd()
        return _in_folder(name, folder)
    top = name.partition(".")[0]
    if top == "allometry":
        return SHIPPED
    # Neighbouring files first: the code of a run must not depend on what is loaded.
    beside = _in_folder(name, Path(importing).resolve().parent) if importing else None
    if beside is not None:
        return beside
    loaded = sys.modules.get(name)
    if isinstance(loaded, ModuleType) and name != "__main__":
        return origin_of(name, getattr(loaded, "__file__", None))
    for finder in (BuiltinImporter, FrozenImporter):
        if finder.find_spec(top) is not None:
            return Origin("standard", name, None)
    spec = PathFinder.find_spec(top)  # imports nothing
    return None if spec is None else origin_of(name, spec.origin or _folder_of(spec))


def _folder_of(spec: Any) -> str | None:
    """The folder of a package without an ``__init__.py``; None for other modules."""
    return next(iter(spec.submodule_search_locations or ()), None)


def _in_folder(name: str, folder: Path) -> Origin | None:
    path = folder.joinpath(*name.split(".")) if name else folder
    for file in (path.with_name(path.name + SOURCE_SUFFIX), path / "__init__.py"):
        if file.is_file():
            return Origin("person", name or folder.name, file)
    return None


def version_of(origin: Origin) -> str:
    """Version of an installed package, or the hash of the files of one without a version."""
    top = origin.name.partition(".")[0]
    return _installed_version(top) or _files_sha256(origin)


@lru_cache(maxsize=1024)
def _installed_version(top: str) -> str:
    try:
        return metadata.version(top)
    except metadata.PackageNotFoundError:
        names = sorted(set(_distributions().get(top, ())))
        return ", ".join(f"{name} {metadata.version(name)}" for name in names)


@lru_cache(maxsize=1)
def _distributions() -> dict[str, list[str]]:
    return {top: list(names) for top, names in metadata.packages_distributions().items()}


def _files_sha256(origin: Origin) -> str:
    """SHA-256 of a module's file, and of all Python files and extensions of its package."""
    if origin.file is None:
        return ""
    home = home_of(origin.file)
    is_package = (home / "__init__.py").is_file()
    files = [origin.file]
    if is_package:
        paths = (path for ending in (".py", ".so", ".pyd") for path in home.rglob(f"*{ending}"))
        files = sorted(filter(is_file, paths))
    stats = [path.stat() for path in files]
    return _sha256_of(tuple(files), tuple((s.st_mtime_ns, s.st_size) for s in stats))


@lru_cache(maxsize=64)
def _sha256_of(files: tuple[Path, ...], state: tuple[tuple[int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0")
        with opened(path) as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()
