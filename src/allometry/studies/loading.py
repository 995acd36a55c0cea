"""Load a user's study from its file.

The file becomes a module of a package created for it. So do its neighbours, the modules in its
folder that it imports: ``import widths`` with a ``widths.py`` in the folder is compiled as an
import from that package, and ``from .widths import WIDTHS`` works as it is. Therefore

- the modules of a study and its neighbours have unique names: a study in ``operator.py``, or two
  folders with a ``widths.py`` each, replace no other module;
- neighbours are found from any working directory, also by workers;
- loading a study again also loads the current versions of its neighbours.

A name is looked up in the standard library first, then among the neighbours, then among installed
packages. The study's own file and folders without an ``__init__.py`` come last. Other modules do
not see the folder: NumPy does not import a ``random.py`` in it. The folder's ``__init__.py`` is not
run.

While such a module runs, the global generators of Python, NumPy and PyTorch have a seed that
depends only on the module's name, so that it draws the same numbers in every process.
"""

import ast
import hashlib
import importlib
import random
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

import numpy as np

from allometry.errors import UsageError
from allometry.files.foreign import read_bytes
from allometry.training.function import pin_seeds

__all__ = ["origin_of", "study_module"]

LARGEST = 10_000_000  # most bytes of a study file
PREFIX = "allometry_study_"  # of the names of the packages created for studies
STUDY_SEED = 0  # of the study's file; the seed of a neighbour follows from its name
# PyTorch's default seed, so that it draws the same numbers whether or not it was imported before
# (c10::detail::default_rng_seed_val in c10/core/GeneratorImpl.h).
TORCH_SEED = 67280421310721
_LOADING = RLock()  # the threads of an executor may load a study at the same time


def origin_of(path: Path) -> str:
    """The absolute path of a study's file, for other processes and machines."""
    return str(path.absolute())


def study_module(path: Path) -> ModuleType:
    """The module of a study's file, loaded again with its neighbours.

    Raises:
        UsageError: there is no such file, or it is not Python.
        DataError: the file cannot be read.
    """
    file = Path(origin_of(path))
    _check_syntax(path, read_bytes(file, LARGEST))
    with _LOADING:
        return _Package(file).load()


def _check_syntax(path: Path, source: bytes) -> None:
    """Raise UsageError for a file that Python cannot parse; errors at run time are not caught."""
    try:
        ast.parse(source, str(path))
    except SyntaxError as error:
        line = "" if error.lineno is None else f", line {error.lineno}"
        raise UsageError(f"{path}{line}: not Python: {error.msg}") from error
    except ValueError as error:  # a null byte, before Python 3.11.4
        raise UsageError(f"{path}: not Python: {error}") from error
    except (RecursionError, MemoryError) as error:  # the parser raises these for deep nesting
        raise UsageError(f"{path}: nested too deeply for Python to read") from error


class _Package(MetaPathFinder):
    """The package of one study; a finder for the modules in its folder.

    Attributes:
        name: derived from the path only, so that workers have the same name.
        file: path of the study's file.
    """

    def __init__(self, file: Path):
        self.name = PREFIX + hashlib.sha256(str(file).encode()).hexdigest()[:12]
        self.file = file
        self._real_file = file.resolve()
        self._folder = [str(self._real_file.parent)]  # as `python FILE` has it on its path
        self.is_neighbour = cache(self._is_neighbour)

    def load(self) -> ModuleType:
        """Run the study's file, after unloading earlier versions of it and its neighbours."""
        sys.meta_path[:] = [f for f in sys.meta_path if getattr(f, "name", "") != self.name]
        for name in [name for name in sys.modules if name.partition(".")[0] == self.name]:
            del sys.modules[name]
        importlib.invalidate_caches()
        sys.meta_path.insert(0, self)
        package = ModuleSpec(self.name, None, is_package=True)
        package.submodule_search_locations = self._folder
        sys.modules[self.name] = module_from_spec(package)
        name = f"{self.name}.{self.file.stem.replace('.', '_')}"
        spec = spec_from_file_location(name, self.file, loader=_Loader(name, self.file, self))
        assert spec is not None, self.file
        module = module_from_spec(spec)
        # Registered while it runs, because dataclasses and pydantic models look it up by name.
        sys.modules[name] = module
        spec.loader.exec_module(module)  # type: ignore[union-attr]
        return module

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] != self.name:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, Path(spec.loader.path), self)
        return spec

    def _is_neighbour(self, name: str) -> bool:
        """Whether a name without dots is a module in the folder, for imports in the folder."""
        if name in sys.stdlib_module_names or name in ("__main__", "allometry"):
            return False
        spec = PathFinder.find_spec(name, self._folder)
        if spec is None:
            return False
        comes_last = spec.origin is None or Path(spec.origin) == self._real_file
        return not (comes_last and find_spec(name))


class _Loader(SourceFileLoader):
    """Compiles imports of neighbours as imports from their package.

    The bytecode is not cached on disk, because it differs from what Python compiles from the file.
    """

    def __init__(self, name: str, path: Path, package: _Package):
        super().__init__(name, str(path))
        self._package = package

    def exec_module(self, module: ModuleType) -> None:
        own_name = module.__name__.partition(".")[2]
        is_study = Path(self.get_filename(module.__name__)) == self._package.file
        with _seeded(STUDY_SEED if is_study else zlib.crc32(own_name.encode())):
            super().exec_module(module)

    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def source_to_code(  # type: ignore[override]
        self, data: Any, path: Any = "<source>", **options: Any
    ) -> Any:
        renaming = _Renaming(self._package)
        tree = renaming.visit(ast.parse(data, path))
        return super().source_to_code(tree if renaming.found else data, path, **options)


class _Renaming(ast.NodeTransformer):
    """``import widths`` becomes ``import PACKAGE.widths as widths``, and so on.

    Attributes:
        found: whether an import of a neighbour was found.
    """

    def __init__(self, package: _Package):
        self.found = False
        self._package = package

    def generic_visit(self, node: ast.AST) -> ast.AST:
        # Expressions contain no imports, and a long sum is nested deeper than Python can recurse.
        return node if isinstance(node, ast.expr) else super().generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        if not node.level and node.module and self._renames(node.module):
            node.module = f"{self._package.name}.{node.module}"
        return node

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        aliases = [renamed for alias in node.names for renamed in self._aliases(alias)]
        return [ast.copy_location(ast.Import([alias]), node) for alias in aliases]

    def _aliases(self, alias: ast.alias) -> list[ast.alias]:
        if not self._renames(alias.name):
            return [alias]
        head, _, rest = alias.name.partition(".")
        whole = f"{self._package.name}.{alias.name}"
        if alias.asname or not rest:
            renamed = [ast.alias(whole, alias.asname or head)]
        else:  # `import a.b` loads a.b and binds a
            loaded = ast.alias(whole, f"_{alias.name.replace('.', '_')}")
            renamed = [loaded, ast.alias(f"{self._package.name}.{head}", head)]
        return [ast.copy_location(new, alias) for new in renamed]

    def _renames(self, name: str) -> bool:
        renames = self._package.is_neighbour(name.partition(".")[0])
        self.found = self.found or renames
        return renames


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Set the global generators to a seed for the block, and restore their states after it."""
    torch = sys.modules.get("torch")
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one
    pytorch = None if torch is None else torch.get_rng_state()
    pin_seeds(seed)
    if torch is not None:
        torch.manual_seed(TORCH_SEED)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        if torch is not None:
            torch.set_rng_state(pytorch)
