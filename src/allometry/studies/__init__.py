"""The shipped studies, one a file; adding a study is adding a file."""

import importlib
import importlib.util
import pkgutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from allometry.errors import UsageError
from allometry.study import Study

__all__ = ["names", "study"]


def names() -> list[str]:
    """Names of the shipped studies, without importing them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def study(name: str | Path) -> Study:
    """A shipped study by name, or a person's own by the path of its file.

    Args:
        name: such as ``mlp_parameter_scaling``, or ``./mine.py`` whose ``STUDY`` is a `Study`.

    Raises:
        UsageError: where there is no such study, with the names there are.
    """
    text = str(name)
    if text.endswith(".py"):
        found = _study_of(_module_at(Path(text)), text)
        return replace(found, origin=str(Path(text).resolve()))
    if text not in names():
        raise UsageError(
            f"no study {text!r}; there are {', '.join(names())}, and your own by the path of "
            "its file, ./mine.py"
        )
    return replace(_study_of(importlib.import_module(f"{__name__}.{text}"), text), origin=text)


def _module_at(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"no study file at {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    # Known by name while it runs, as dataclasses and pydantic models in it require.
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise UsageError(f"{path}, line {error.lineno}: not Python: {error.msg}") from error
    return module


def _study_of(module: ModuleType, where: str) -> Study:
    found = getattr(module, "STUDY", None)
    if not isinstance(found, Study):
        raise UsageError(f"{where}: a module-level STUDY = Study(...) expected, got {found!r}")
    return found
