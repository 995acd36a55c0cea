"""The shipped studies: a file or a folder each; adding a study is adding one.

A study is ``NAME.py`` or ``NAME/study.py`` with a module-level `STUDY`. A folder that holds
several studies names their modules in ``STUDIES``.
"""

import importlib
import os
import pkgutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from allometry.errors import UsageError, did_you_mean, quoted
from allometry.files.foreign import expanded, is_file, is_folder
from allometry.spec.sizes import SIZES
from allometry.spec.variants import Changes
from allometry.store import results
from allometry.tables.table import Table

if TYPE_CHECKING:
    # A study brings nearly everything, which a table of stored runs does not need.
    from allometry.study import Study

__all__ = ["modules", "name_of", "names", "study", "table"]

LOADING = "loading"  # the module beside the studies that is none


def modules() -> dict[str, str]:
    """Name of each shipped study to the module it stands in, no study imported."""
    by_name = {}
    for entry in pkgutil.iter_modules(__path__):
        module = f"{__name__}.{entry.name}"
        if entry.name == LOADING:
            continue
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


def study(name: str | Path) -> "Study":
    """A shipped study by name, or a person's own by the path of its file or folder.

    Args:
        name: such as ``mlp_parameter_scaling``, or ``./mine.py`` whose ``STUDY`` is a `Study`,
            or a folder with such a ``study.py``.

    Raises:
        UsageError: where there is no such study, with the names there are.
    """
    from allometry.studies.loading import origin_of, study_module

    path = expanded(name)
    if isinstance(name, str) and path.name == name and path.suffix != ".py":
        shipped = modules()
        if name in shipped:
            return replace(_study_of(importlib.import_module(shipped[name]), name), origin=name)
    if is_file(path / "study.py"):
        path = path / "study.py"
    if path.suffix == ".py":
        loaded = _study_of(study_module(path), str(path))
        is_shipped = path.resolve().is_relative_to(Path(__file__).parent)
        if loaded.name in modules() and not is_shipped:
            raise UsageError(
                f"{path}: {loaded.name!r} is the name of a shipped study, whose results are stored "
                "under it: give yours another (name=...)"
            )
        return replace(loaded, origin=origin_of(path))
    file = f"{path}.py"
    known = did_you_mean(str(name), modules())
    hint = f"; did you mean ./{file}?" if is_file(file) else known
    raise UsageError(
        f"no study {str(name)!r}; there are {', '.join(modules())}, and your own by the path of "
        f"its file, ./mine.py, or of a folder with a study.py{hint}"
    )


def name_of(given: "Study | str | Path") -> tuple[str, "Study | None"]:
    """The name of a study, and the study where it is at hand or asked for by its path.

    A study given by name is not loaded, so that results can be read of which the file is gone.

    Args:
        given: a study, its name, or the path of its file or folder.

    Raises:
        UsageError: there is no study at that path.
    """
    if isinstance(given, str) and not _is_path(given):
        return given, None
    loaded = study(given) if isinstance(given, str | Path) else given
    return loaded.name, loaded


def table(
    study: "Study | str | Path",
    *,
    store: str | Path = "allometry.db",
    size: str | None = None,
    changes: Changes | None = None,
) -> Table:
    """The finished runs of a study, with their trajectories.

    A run that is excluded has status ``excluded``, and no fit uses it.

    Args:
        study: a study, its name, or the path of its file or folder.
        store: the SQLite file.
        size: one of the study's sizes; None for the largest one stored.
        changes: as given to `run` (``--set``).

    Raises:
        UsageError: when no such runs are stored.
        DataError: when a stored run is damaged.
    """
    name, loaded = name_of(study)
    return results.table(
        name,
        store=store,
        size=size,
        changes=changes,
        sizes=loaded.sizes if loaded else SIZES,
        specs=loaded.specs if loaded else None,
    )


def _is_path(text: str) -> bool:
    if text.endswith(".py") or os.sep in text:
        return True
    return is_folder(text) and text not in names()


def _study_of(module: ModuleType, where: str) -> "Study":
    from allometry.study import Study

    loaded = getattr(module, "STUDY", None)
    if not isinstance(loaded, Study):
        raise UsageError(
            f"{where}: a module-level STUDY = Study(...) expected, got {quoted(loaded)}"
        )
    return loaded
