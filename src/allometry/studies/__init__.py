"""The shipped studies: a file or a folder each; adding a study is adding one.

A study is ``NAME.py`` or ``NAME/study.py`` with a module-level `STUDY`. A folder that holds
several studies names their modules in ``STUDIES``.
"""

import ast
import importlib
import importlib.util
import pkgutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from allometry.errors import UsageError, did_you_mean
from allometry.study import Study

__all__ = ["modules", "names", "study"]


def modules() -> dict[str, str]:
    """Name of each shipped study to the module it stands in, no study imported."""
    by_name = {}
    for entry in pkgutil.iter_modules(__path__):
        module = f"{__name__}.{entry.name}"
        if not entry.ispkg:
            by_name[entry.name] = module
            continue
        several = getattr(importlib.import_module(module), "STUDIES", None)
        if several is None:
            by_name[entry.name] = f"{module}.study"
        else:
            by_name |= {name: f"{module}.{name}" for name in several}
    return dict(sorted(by_name.items()))


def names() -> list[str]:
    """Names of the shipped studies."""
    return list(modules())


def study(name: str | Path) -> Study:
    """A shipped study by name, or a person's own by the path of its file.

    Args:
        name: such as ``mlp_parameter_scaling``, or ``./mine.py`` whose ``STUDY`` is a `Study`.

    Raises:
        UsageError: where there is no such study, with the names there are.
    """
    text = str(name)
    if text.endswith(".py"):
        loaded = _study_of(_module_at(Path(text)), text)
        is_shipped = Path(text).resolve().is_relative_to(Path(__file__).parent)
        if loaded.name in modules() and not is_shipped:
            raise UsageError(
                f"{text}: {loaded.name!r} is the name of a shipped study, whose results are stored "
                "under it: give yours another (name=...)"
            )
        return replace(loaded, origin=str(Path(text).resolve()))
    shipped = modules()
    if text not in shipped:
        raise UsageError(
            f"no study {text!r}; there are {', '.join(shipped)}, and your own by the path of "
            f"its file, ./mine.py{did_you_mean(text, shipped)}"
        )
    return replace(_study_of(importlib.import_module(shipped[text]), text), origin=text)


def _module_at(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"no study file at {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None, path
    _check_syntax(path)
    module = importlib.util.module_from_spec(spec)
    # Known by name while it runs, as dataclasses and pydantic models in it require.
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _check_syntax(path: Path) -> None:
    """Refuse a file that Python cannot compile; what it does when it runs is its own matter."""
    try:
        ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        line = "" if error.lineno is None else f", line {error.lineno}"
        raise UsageError(f"{path}{line}: not Python: {error.msg}") from error
    except ValueError as error:  # a null byte, before Python 3.11.4
        raise UsageError(f"{path}: not Python: {error}") from error
    except (RecursionError, MemoryError) as error:  # from the parser: expressions in expressions
        raise UsageError(f"{path}: nested too deeply for Python to read") from error


def _study_of(module: ModuleType, where: str) -> Study:
    loaded = getattr(module, "STUDY", None)
    if not isinstance(loaded, Study):
        raise UsageError(f"{where}: a module-level STUDY = Study(...) expected, got {loaded!r}")
    return loaded
