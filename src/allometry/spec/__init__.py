"""What to train, as frozen values, and the names computed from their content."""

from allometry.spec.changes import Changes as Changes
from allometry.spec.changes import is_variant as is_variant
from allometry.spec.changes import of_code as of_code
from allometry.spec.changes import replace as replace
from allometry.spec.changes import variant as variant
from allometry.spec.run_spec import RUN_SCHEMA as RUN_SCHEMA
from allometry.spec.run_spec import Experiment as Experiment
from allometry.spec.run_spec import RunSpec as RunSpec
from allometry.spec.run_spec import check_same as check_same
from allometry.spec.run_spec import differences as differences
from allometry.spec.run_spec import run_ids as run_ids
from allometry.spec.sizes import SIZES as SIZES
from allometry.spec.text import texts as texts
from allometry.spec.train_spec import TrainSpec as TrainSpec
from allometry.spec.value import Spec as Spec

__all__ = [
    "RUN_SCHEMA", "SIZES", "Changes", "Experiment", "RunSpec", "Spec", "TrainSpec", "check_same",
    "differences", "is_variant", "of_code", "replace", "run_ids", "texts", "variant",
]  # fmt: skip
