"""Which runs share a program."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeVar

from allometry.models.model import Model
from allometry.optimizers import Optimizer
from allometry.procedure import Pack
from allometry.spec import RunSpec, Spec

__all__ = ["make_packs", "model_of", "optimizer_of"]

T = TypeVar("T")


def make_packs(specs: Sequence[RunSpec]) -> list[Pack]:
    """Group runs that may share a program, in order of first sight.

    Members see the same batches: the first layer is then one matrix product for
    all of them, and what differs between sizes is not the luck of the order.
    """
    groups: dict[Any, list[RunSpec]] = defaultdict(list)
    for spec in specs:
        groups[_key(spec)].append(spec)
    return [Pack(tuple(members)) for members in groups.values()]


def model_of(spec: RunSpec) -> Model:
    return _of(spec.model, Model, "model")


def optimizer_of(spec: RunSpec) -> Optimizer:
    return _of(spec.train.optimizer, Optimizer, "train.optimizer")


def _of(value: Spec, kind: type[T], where: str) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"{where}: a {kind.__name__} expected, got {type(value).__name__}")
    return value


def _key(spec: RunSpec) -> Any:
    shared = optimizer_of(spec).model_copy(update={"learning_rate": 1.0})
    train = spec.train.model_copy(update={"optimizer": shared})
    # PyTorch's shuffles follow the draws of the model, which differ with its size.
    alone = spec if spec.train.batch_order == "torch" else None
    return model_of(spec).family(), spec.data, train, spec.seed, spec.measures, alone
