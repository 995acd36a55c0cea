"""The shipped studies: a file or a folder each; adding a study is adding one.

A study is ``NAME.py`` or ``NAME/study.py`` with a module-level `STUDY`. A folder that holds
several studies names their modules in ``STUDIES``.
"""

import importlib
import os
import pkgutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from allometry.errors import AllometryError, UsageError, did_you_mean, quoted
from allometry.files.foreign import expanded, is_file, is_folder
from allometry.spec.sizes import SIZES
from allometry.spec.variants import Changes
from allometry.store import Store, results
from allometry.store.missing import NothingStored, contents
from allometry.store.status import StudyStatus
from allometry.tables.table import Table

if TYPE_CHECKING:
    # A study brings nearly everything, which a table of stored runs does not need.
    from allometry.study import Study

__all__ = ["known", "modules", "name_of", "names", "study", "table"]

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


def study(name: str | Path, *, store: str | Path | None = None) -> "Study":
    """A shipped study by name, or a person's own by the path of its file or folder.

    Args:
        name: such as ``mlp_parameter_scaling``, or ``./mine.py`` whose ``STUDY`` is a `Study`,
            or a folder with such a ``study.py``.
        store: whose studies are named where there is no such study.

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
    raise _unknown(str(name), *_stored(store))


def _stored(store: str | Path | None) -> tuple[Path | None, Sequence[StudyStatus]]:
    """A store and what it has, where one can be read."""
    if store is None or not is_file(store):
        return None, ()
    try:
        with Store(Path(store)) as opened:
            return opened.path, opened.status()
    except AllometryError:  # the study comes first: a command that reads the store tells of it
        return None, ()


def _unknown(name: str, store: Path | None, status: Sequence[StudyStatus]) -> UsageError:
    """What to raise for a name of which neither the package nor the store has a study.

    Args:
        store, status: of the store that was asked, None where there is none.
    """
    of_store = f" store {store} has runs of {contents(status)};" if store else ""
    stored = {entry.study for entry in status}
    file = f"{expanded(name)}.py"
    if is_file(file):
        hint = f"; did you mean ./{file}?"
    elif name in stored:
        hint = f"; {name} is a study of yours: give the path of its file"
    else:
        hint = did_you_mean(name, [*stored, *modules()])
    return UsageError(
        f"no study {name!r};{of_store} there are {', '.join(modules())}, and your own by the path "
        f"of its file, ./mine.py, or of a folder with a study.py{hint}"
    )


@contextmanager
def known() -> Iterator[None]:
    """While stored runs of a study are read: a name that is none of a study is told as such.

    Raises:
        UsageError: neither the store nor the package has a study of that name.
    """
    try:
        yield
    except NothingStored as error:
        if error.study in modules() or error.study in {entry.study for entry in error.status}:
            raise
        raise _unknown(error.study, error.path, error.status) from None


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
    with known():
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
