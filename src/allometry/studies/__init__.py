"""The shipped studies, each in a file or folder; a new file or folder adds a study.

A study is ``NAME.py`` or ``NAME/study.py`` with a module-level `STUDY`. A folder with several
studies names their modules in ``STUDIES``.
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
from allometry.files.foreign import expanded, is_file
from allometry.spec.sizes import SIZES
from allometry.spec.variants import Changes
from allometry.store import Store, results
from allometry.store.missing import NothingStored, contents
from allometry.store.status import StudyStatus
from allometry.tables.table import Table

if TYPE_CHECKING:
    # Importing a study imports nearly everything, and a table of stored runs does not need it.
    from allometry.study import Study

__all__ = ["known", "modules", "name_of", "names", "study", "table"]

LOADING = "loading"  # a module in this package that is not a study


def modules() -> dict[str, str]:
    """The module of each shipped study by the study's name, without importing any study."""
    by_name = {}
    for entry in pkgutil.iter_modules(__path__):
        module = f"{__name__}.{entry.name}"
        if entry.name == LOADING:
            continue
        if not entry.ispkg:
            by_name[entry.name] = module
            continue
        names_in_folder = getattr(importlib.import_module(module), "STUDIES", None)
        if names_in_folder is None:
            by_name[entry.name] = f"{module}.study"
        else:
            by_name |= {name: f"{module}.{name}" for name in names_in_folder}
    return dict(sorted(by_name.items()))


def names() -> list[str]:
    """Names of the shipped studies."""
    return list(modules())


def study(name: str | Path, *, store: str | Path | None = None) -> "Study":
    """A shipped study by name, or your own by the path of its file or folder.

    Args:
        name: such as ``mlp_parameter_scaling``, or ``./mine.py`` whose ``STUDY`` is a `Study`,
            or a folder with such a ``study.py``.
        store: the store whose studies an error message lists; None for none.

    Raises:
        UsageError: there is no such study (the message lists the known names), or the file's study
            has the name of a shipped one.
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
    """The path of a store and the status of its studies; (None, ()) if it cannot be read."""
    if store is None or not is_file(store):
        return None, ()
    try:
        with Store(Path(store)) as opened:
            return opened.path, opened.status()
    except AllometryError:
        # The unknown study is reported first; a command that reads the store reports this error.
        return None, ()


def _unknown(name: str, store: Path | None, status: Sequence[StudyStatus]) -> UsageError:
    """The error for a name that is no study of the package.

    Args:
        name: as given by the user.
        store: path of the store that was read; None without one.
        status: of the store's studies.
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
        f"of its file (./mine.py) or of a folder with a study.py{hint}"
    )


@contextmanager
def known() -> Iterator[None]:
    """Report an unknown study, instead of missing runs, while stored runs of a study are read.

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
    """The name of a study, and the study itself unless it is given by name.

    A study given by name is not loaded, so that its results can be read if its file is gone.

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

    Excluded runs have the status ``excluded``, and no fit uses them.

    Args:
        study: a study, its name, or the path of its file or folder.
        store: the SQLite file.
        size: one of the study's sizes; None for the largest one stored.
        changes: as given to `run` (``--set``).

    Raises:
        UsageError: no such runs are stored.
        DataError: a stored run is damaged.
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
    # A folder of figures beside a report may have the name of a study.
    return is_file(Path(text) / "study.py") and text not in names()


def _study_of(module: ModuleType, where: str) -> "Study":
    from allometry.study import Study

    loaded = getattr(module, "STUDY", None)
    if not isinstance(loaded, Study):
        raise UsageError(
            f"{where}: a module-level STUDY = Study(...) expected, got {quoted(loaded)}"
        )
    return loaded
