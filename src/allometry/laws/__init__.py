"""Laws: one functional form a file, found by walking this package.

Adding a law is adding a file with a module-level `LAW`.
"""

import importlib
import importlib.util
import pkgutil
from pathlib import Path

from allometry.errors import UsageError
from allometry.laws.law import Law, Parameter, Term

__all__ = ["Law", "Parameter", "Term", "available", "from_file", "named"]


def available() -> dict[str, Law]:
    """Every law of the package, by name."""
    laws: dict[str, Law] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
        for law in _laws_of(importlib.import_module(f"{__name__}.{module.name}")):
            laws[law.name] = law
    return laws


def named(name: str) -> Law:
    """The law of that name; UsageError lists the names there are."""
    if importlib.util.find_spec(f"{__name__}.{name}") if name.isidentifier() else None:
        for law in _laws_of(importlib.import_module(f"{__name__}.{name}")):
            if law.name == name:
                return law
    laws = available()
    if name not in laws:
        raise UsageError(f"no law {name!r}; there are {', '.join(laws)} (or a file: mylaw.py)")
    return laws[name]


def from_file(path: str | Path) -> Law:
    """The `LAW` of a Python file the user names. The file is run, as any script is.

    Raises:
        UsageError: no such file, it cannot be run, or it defines no `LAW`.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"no law file {path}")
    spec = importlib.util.spec_from_file_location(f"user_law_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: a Python file (.py) was expected")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{path} could not be run: {type(error).__name__}: {error}") from error
    law = getattr(module, "LAW", None)
    if not isinstance(law, Law):
        raise UsageError(f"{path}: define LAW = allometry.laws.Law(...) in it")
    return law


def _laws_of(module: object) -> tuple[Law, ...]:
    """A module's `LAW`, or its `LAWS` where one formula has several numbers of breaks."""
    law = getattr(module, "LAW", None)
    return (*((law,) if law is not None else ()), *getattr(module, "LAWS", ()))
