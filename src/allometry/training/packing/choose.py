"""Which runs share a program."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeVar

from allometry.datasets.batches import epoch_batches
from allometry.datasets.splits import Data
from allometry.models.model import Model
from allometry.spec import RunSpec, Spec
from allometry.spec.optimizers import Optimizer
from allometry.training.packing.calibration import Calibration, calibration
from allometry.training.packing.cost import Load, cheapest, slots
from allometry.training.procedure import Pack

__all__ = ["data_of", "load_of", "make_packs", "model_of", "optimizer_of"]

T = TypeVar("T")


def make_packs(specs: Sequence[RunSpec], costs: Calibration | None = None) -> list[Pack]:
    """Which runs share a program: groups that may, cut where that is cheapest.

    Groups come in order of first sight, their packs from narrow to wide. Members
    see the same batches: the first layer is then one matrix product for all of
    them, and what differs between sizes is not the luck of the order.

    Args:
        costs: what the choice goes by; None for what was measured on this machine.
    """
    packs = []
    for members in _groups(specs):
        if len(members) == 1:
            packs.append(Pack(tuple(members)))
            continue
        models = [model_of(spec) for spec in members]
        chosen = cheapest(models, load_of(members[0]), costs or calibration())
        packs += [Pack(tuple(members[k] for k in part)) for part in chosen]
    return packs


def load_of(spec: RunSpec) -> Load:
    """What a pack with this run has to do at every step, and how many there are."""
    model, n_data = model_of(spec), data_of(spec).n_data
    return Load(
        updates=spec.train.epochs * epoch_batches(n_data, spec.train.batch_size),
        batch=spec.train.batch_size,
        features=model.dense.widths[0] if model.dense else 0,
        n_data=n_data,
        slots=slots(optimizer_of(spec)),
        float_bytes=8 if spec.train.precision == "float64" else 4,
    )


def data_of(spec: RunSpec) -> Data:
    return _of(spec.data, Data, "data")


def model_of(spec: RunSpec) -> Model:
    return _of(spec.model, Model, "model")


def optimizer_of(spec: RunSpec) -> Optimizer:
    return _of(spec.train.optimizer, Optimizer, "train.optimizer")


def _of(value: Spec, kind: type[T], where: str) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"{where}: a {kind.__name__} expected, got {type(value).__name__}")
    return value


def _groups(specs: Sequence[RunSpec]) -> list[list[RunSpec]]:
    """Runs that may share a program, in order of first sight."""
    groups: dict[Any, list[RunSpec]] = defaultdict(list)
    # A million runs hold few different models and settings: each is looked at once.
    seen: dict[tuple[int, int, int], Any] = {}
    numbers: dict[Any, int] = {}
    for spec in specs:
        parts = id(spec.model), id(spec.data), id(spec.train)
        kind = seen.get(parts)
        if kind is None:
            kind = seen[parts] = numbers.setdefault(_kind(spec), len(numbers))
        groups[kind, spec.seed, spec.measures, _alone(spec)].append(spec)
    return list(groups.values())


def _kind(spec: RunSpec) -> Any:
    shared = optimizer_of(spec).model_copy(update={"learning_rate": 1.0})
    train = spec.train.model_copy(update={"optimizer": shared})
    return model_of(spec).family(), spec.data, train


def _alone(spec: RunSpec) -> int:
    """Different for every run that shares with none.

    PyTorch's shuffles follow the draws of the model, which differ with its size; a model that
    works in chunks keeps the machine busy by itself.
    """
    alone = spec.train.batch_order == "torch" or model_of(spec).chunk
    return id(spec) if alone else 0
