"""Allometry: a workbench for neural scaling laws.

Say what to train, train it fast, keep every result, fit laws honestly, show it::

    import allometry as al

    outcome = al.run("mlp_parameter_scaling", size="quick")
    outcome.table
    al.fit(outcome.table, "power", {"x": "n_params", "y": "htse"}).parameters["alpha"]

Names are loaded when first used, so that importing the package is quick and
touches nothing.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allometry.findings import Finding as Finding
    from allometry.fitting.fit import fit as fit
    from allometry.report.page import write_report as write_report
    from allometry.run import run as run
    from allometry.spec import RunSpec as RunSpec
    from allometry.spec import TrainSpec as TrainSpec
    from allometry.store import Store as Store
    from allometry.store.results import table as table
    from allometry.studies import study as study
    from allometry.study import Study as Study
    from allometry.tables.table import Table as Table

# Public name to the module that has it.
_HOME = {
    "Finding": "findings",
    "RunSpec": "spec",
    "Store": "store",
    "Study": "study",
    "Table": "tables.table",
    "TrainSpec": "spec",
    "fit": "fitting.fit",
    "run": "run",
    "study": "studies",
    "table": "store.results",
    "write_report": "report.page",
}

__all__ = [*sorted(_HOME), "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("allometry")
    if name not in _HOME:
        raise AttributeError(f"module 'allometry' has no attribute {name!r}")
    return getattr(import_module(f"allometry.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__


class _Names(ModuleType):
    """Importing `allometry.run` must not put that module in the place of the function `run`."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Names
