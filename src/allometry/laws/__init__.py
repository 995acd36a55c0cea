"""Laws: one functional form per file, each exported under its name.

``laws.chinchilla`` is the law itself, a frozen value; ``laws.named("chinchilla")`` is the same
object. To add a law, add a file with a module-level `LAW` and its import below. The imports are
written out, not done in a loop over the files, so that type checkers know the names. They also
ensure that each name refers to the law, not to the module of the same name, whichever code
imports that module first.
"""

import importlib.util
import sys
from contextlib import redirect_stdout
from pathlib import Path

from allometry.errors import UsageError, did_you_mean, in_one_line
from allometry.files.foreign import check_regular
from allometry.laws.bnsl import LAWS as _BNSL
from allometry.laws.chinchilla import LAW as chinchilla
from allometry.laws.chinchilla_tied import LAW as chinchilla_tied
from allometry.laws.data_constrained import LAW as data_constrained
from allometry.laws.downstream import LAW as downstream
from allometry.laws.exponential import LAW as exponential
from allometry.laws.exponential_ceiling import LAW as exponential_ceiling
from allometry.laws.farseer import LAW as farseer
from allometry.laws.kaplan import LAW as kaplan
from allometry.laws.law import Allocation, Array, Coordinates, Law, Parameter, Term
from allometry.laws.log import LAW as log
from allometry.laws.lr_batch import LAW as lr_batch
from allometry.laws.m3 import LAW as m3
from allometry.laws.m4 import LAW as m4
from allometry.laws.moe_krajewski import LAW as moe_krajewski
from allometry.laws.multi_power import LAW as multi_power
from allometry.laws.overtraining import LAW as overtraining
from allometry.laws.power import LAW as power
from allometry.laws.power_ceiling import LAW as power_ceiling
from allometry.laws.power_floor import LAW as power_floor
from allometry.laws.power_offset import LAW as power_offset
from allometry.laws.power_product import LAW as power_product
from allometry.laws.precision import LAW as precision
from allometry.laws.quanta import LAW as quanta
from allometry.laws.sigmoid import LAW as sigmoid
from allometry.laws.skaling import LAW as skaling
from allometry.laws.sparsity import LAW as sparsity
from allometry.laws.vocabulary import LAW as vocabulary

bnsl1, bnsl2, bnsl3 = _BNSL

# An alias is the same law under another name. M1 and M2 are names of Alabdulmohsin et al.
# (2209.06640).
m1, m2 = power, power_floor

__all__ = [
    "Allocation",
    "Array",
    "Coordinates",
    "Law",
    "Parameter",
    "Term",
    "available",
    "bnsl1",
    "bnsl2",
    "bnsl3",
    "chinchilla",
    "chinchilla_tied",
    "data_constrained",
    "downstream",
    "exponential",
    "exponential_ceiling",
    "farseer",
    "from_file",
    "kaplan",
    "log",
    "lr_batch",
    "m1",
    "m2",
    "m3",
    "m4",
    "moe_krajewski",
    "multi_power",
    "named",
    "overtraining",
    "power",
    "power_ceiling",
    "power_floor",
    "power_offset",
    "power_product",
    "precision",
    "quanta",
    "sigmoid",
    "skaling",
    "sparsity",
    "vocabulary",
]


def available() -> dict[str, Law]:
    """Every name, aliases included, with its law; `Law.name` is the name without alias."""
    return {name: law for name in __all__ if isinstance(law := globals()[name], Law)}


def named(name: str) -> Law:
    """The law of that name or alias.

    Raises:
        UsageError: no such law; the message lists the names.
    """
    laws = available()
    if name not in laws:
        raise UsageError(
            f"no law {name!r}; there are {', '.join(laws)} (or a file: mylaw.py)"
            f"{did_you_mean(name, laws)}"
        )
    return laws[name]


def from_file(path: str | Path) -> Law:
    """The `LAW` of a Python file. The file is run; its prints go to stderr.

    Raises:
        UsageError: the file does not exist, cannot be run or defines no `LAW`.
    """
    path = Path(path)
    check_regular(path)
    spec = importlib.util.spec_from_file_location(f"user_law_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: a Python file (.py) was expected")
    module = importlib.util.module_from_spec(spec)
    try:
        with redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{path} could not be run: {in_one_line(error)}") from error
    law = getattr(module, "LAW", None)
    if not isinstance(law, Law):
        raise UsageError(f"{path}: define LAW = allometry.laws.Law(...) in it")
    return law
