"""What to train, as frozen values, and the names computed from their content."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allometry.spec.changes import replace as replace
    from allometry.spec.comparison import check_same as check_same
    from allometry.spec.comparison import differences as differences
    from allometry.spec.run_spec import RUN_SCHEMA as RUN_SCHEMA
    from allometry.spec.run_spec import Experiment as Experiment
    from allometry.spec.run_spec import RunSpec as RunSpec
    from allometry.spec.run_spec import run_ids as run_ids
    from allometry.spec.sizes import SIZES as SIZES
    from allometry.spec.text import texts as texts
    from allometry.spec.train_spec import TrainSpec as TrainSpec
    from allometry.spec.value import Spec as Spec
    from allometry.spec.variants import Changes as Changes
    from allometry.spec.variants import is_variant as is_variant
    from allometry.spec.variants import of_code as of_code
    from allometry.spec.variants import variant as variant

# Loaded when first used: specs bring pydantic, which reading a store does not need.
_HOME = {
    "Changes": "variants",
    "Experiment": "run_spec",
    "RUN_SCHEMA": "run_spec",
    "RunSpec": "run_spec",
    "SIZES": "sizes",
    "Spec": "value",
    "TrainSpec": "train_spec",
    "check_same": "comparison",
    "differences": "comparison",
    "is_variant": "variants",
    "of_code": "variants",
    "replace": "changes",
    "run_ids": "run_spec",
    "texts": "text",
    "variant": "variants",
}

__all__ = [
    "RUN_SCHEMA", "SIZES", "Changes", "Experiment", "RunSpec", "Spec", "TrainSpec", "check_same",
    "differences", "is_variant", "of_code", "replace", "run_ids", "texts", "variant",
]  # fmt: skip


if not TYPE_CHECKING:  # with `__getattr__` a type checker would accept every name

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module 'allometry.spec' has no attribute {name!r}")
        return getattr(import_module(f"allometry.spec.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
