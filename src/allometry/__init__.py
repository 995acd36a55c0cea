"""Allometry: a workbench for neural scaling laws.

Declare what to train, train it fast, keep every result, fit laws and show the findings::

    import allometry as al

    outcome = al.run("mlp_parameter_scaling", size="quick")
    outcome.table
    al.fit(outcome.table, "power", {"x": "n_params", "y": "htse"}).parameters["alpha"]
    al.plan("runs.csv", {"N": "params", "D": "tokens", "L": "loss"}, compute=1e24).first.n_opt

Names are loaded on first use, so importing the package is quick and loads no other library.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allometry import claims as claims
    from allometry import datasets as datasets
    from allometry import errors as errors
    from allometry import figures as figures
    from allometry import laws as laws
    from allometry import measures as measures
    from allometry import models as models
    from allometry import stats as stats
    from allometry import testing as testing
    from allometry.engines.explanation import Explanation as Explanation
    from allometry.engines.explanation import explain as explain
    from allometry.findings import Analysis as Analysis
    from allometry.findings import Finding as Finding
    from allometry.fitting.compare import Comparison as Comparison
    from allometry.fitting.compare import compare as compare
    from allometry.fitting.document import Fit as Fit
    from allometry.fitting.fit import fit as fit
    from allometry.fitting.groups import GroupFits as GroupFits
    from allometry.fitting.groups import fit_groups as fit_groups
    from allometry.fitting.influence import influence as influence
    from allometry.fitting.multiverse import multiverse as multiverse
    from allometry.laws.law import Law as Law
    from allometry.plan.beyond.beside import Machines as Machines
    from allometry.plan.beyond.hold_out import hold_out as hold_out
    from allometry.plan.beyond.money import Peak as Peak
    from allometry.plan.beyond.recipes import speedup as speedup
    from allometry.plan.design.next_result import NextRuns as NextRuns
    from allometry.plan.document import Plan as Plan
    from allometry.plan.frontier.conventions import Counting as Counting
    from allometry.plan.question import plan as plan
    from allometry.plan.questions import design as design
    from allometry.plan.questions import next_runs as next_runs
    from allometry.report.page import write_report as write_report
    from allometry.run import Outcome as Outcome
    from allometry.run import run as run
    from allometry.spec import Experiment as Experiment
    from allometry.spec import RunSpec as RunSpec
    from allometry.spec import Spec as Spec
    from allometry.spec import TrainSpec as TrainSpec
    from allometry.spec import losses as losses
    from allometry.spec import metrics as metrics
    from allometry.spec import optimizers as optimizers
    from allometry.spec import schedules as schedules
    from allometry.spec.train_spec import EarlyStop as EarlyStop
    from allometry.store import Store as Store
    from allometry.store.copies import merge as merge
    from allometry.store.export import export_runs as export_runs
    from allometry.store.networks import weights as weights
    from allometry.store.sample import sample as sample
    from allometry.studies import study as study
    from allometry.studies import table as table
    from allometry.study import Notebook as Notebook
    from allometry.study import Study as Study
    from allometry.study_runs import Stage as Stage
    from allometry.tables.read import read_table as read_table
    from allometry.tables.table import Table as Table
    from allometry.tables.trackers.source import import_runs as import_runs
    from allometry.training.function import Function as Function
    from allometry.training.procedure import Pack as Pack
    from allometry.training.procedure import Procedure as Procedure
    from allometry.training.result import RunResult as RunResult

    __version__: str

# Public name to the module that defines it.
_HOME = {
    "Analysis": "findings",
    "Comparison": "fitting.compare",
    "Counting": "plan.frontier.conventions",
    "EarlyStop": "spec.train_spec",
    "Experiment": "spec",
    "Explanation": "engines.explanation",
    "Finding": "findings",
    "Fit": "fitting.document",
    "GroupFits": "fitting.groups",
    "Function": "training.function",
    "Law": "laws.law",
    "Machines": "plan.beyond.beside",
    "NextRuns": "plan.design.next_result",
    "Notebook": "study",
    "Outcome": "run",
    "Pack": "training.procedure",
    "Peak": "plan.beyond.money",
    "Plan": "plan.document",
    "Procedure": "training.procedure",
    "RunResult": "training.result",
    "RunSpec": "spec",
    "Spec": "spec",
    "Stage": "study_runs",
    "Store": "store",
    "Study": "study",
    "Table": "tables.table",
    "TrainSpec": "spec",
    "compare": "fitting.compare",
    "design": "plan.questions",
    "explain": "engines.explanation",
    "export_runs": "store.export",
    "fit": "fitting.fit",
    "fit_groups": "fitting.groups",
    "hold_out": "plan.beyond.hold_out",
    "import_runs": "tables.trackers.source",
    "influence": "fitting.influence",
    "merge": "store.copies",
    "multiverse": "fitting.multiverse",
    "next_runs": "plan.questions",
    "plan": "plan.question",
    "read_table": "tables.read",
    "run": "run",
    "sample": "store.sample",
    "speedup": "plan.beyond.recipes",
    "study": "studies",
    "table": "studies",
    "weights": "store.networks",
    "write_report": "report.page",
}
# Public names that are modules themselves.
_MODULES = {
    "claims": "claims",
    "datasets": "datasets",
    "errors": "errors",
    "figures": "figures",
    "laws": "laws",
    "losses": "spec.losses",
    "measures": "measures",
    "metrics": "spec.metrics",
    "models": "models",
    "optimizers": "spec.optimizers",
    "schedules": "spec.schedules",
    "stats": "stats",
    "testing": "testing",
}

__all__ = [*sorted(_HOME), *sorted(_MODULES), "__version__"]


if not TYPE_CHECKING:  # with `__getattr__` a type checker would accept every name

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            return version("allometry")
        if name in _MODULES:
            return import_module(f"allometry.{_MODULES[name]}")
        if name not in _HOME:
            raise AttributeError(f"module 'allometry' has no attribute {name!r}")
        return getattr(import_module(f"allometry.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__


class _Names(ModuleType):
    """Keep importing a submodule from replacing the public function of the same name.

    So `al.run` and `al.plan` stay functions although `allometry.run` and `allometry.plan` are
    modules. Import from these by their full names: `from allometry.plan.budget import Budget`.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Names
