"""Which runs may share a program.

Members may differ in:

- seed and data; if these differ, each member has its own batches;
- the fields that a model declares (`Model.member_fields`);
- learning rate, the scalars of the shipped update rules, schedule, length of training, and the
  norm at which gradients are clipped.

A program is compiled for one value of everything else, so all other fields of specs must be equal.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from allometry.datasets.splits import Data
from allometry.models.model import Model
from allometry.spec import RunSpec, Spec, TrainSpec
from allometry.spec.optimizers import Elementwise, Optimizer, is_elementwise
from allometry.spec.schedules import Constant

__all__ = [
    "Parts", "batches_key", "data_of", "has_own_batches", "member_fields", "model_of",
    "needs_equal_shapes", "optimizer_of", "parts_of", "program_key",
]  # fmt: skip

T = TypeVar("T")


class Parts(NamedTuple):
    """The parts of the runs of a pack, and requirements of the whole pack.

    Attributes:
        models, data, optimizers: the parts of each run.
        own_batches: whether the runs see different batches.
        equal_shapes: why their arrays must have equal shapes; empty if they need not.
    """

    models: tuple[Model, ...]
    data: tuple[Data, ...]
    optimizers: tuple[Optimizer, ...]
    own_batches: bool
    equal_shapes: str


def parts_of(specs: Sequence[RunSpec]) -> Parts:
    """The parts of runs that may share a program."""
    return Parts(
        tuple(map(model_of, specs)),
        tuple(map(data_of, specs)),
        tuple(map(optimizer_of, specs)),
        has_own_batches(specs),
        needs_equal_shapes(specs[0]),
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


def member_fields(model: Model) -> tuple[str, ...]:
    """Fields of a model in which members of a program may differ.

    Empty for a class that overrides `apply` or `apply_training` without declaring its own
    `member_fields`, and for subclasses of such a class that declare none either.
    """
    for kind in type(model).__mro__:
        if "member_fields" in vars(kind):
            return model.member_fields
        if {"apply", "apply_training"} & vars(kind).keys():
            return ()
    return ()


def needs_equal_shapes(spec: RunSpec) -> str:
    """Why runs that share this run's program must have equal array shapes; else empty."""
    if not is_elementwise(optimizer_of(spec)):
        return f"{type(optimizer_of(spec)).__name__} sees a whole network"
    if model_of(spec).stochastic:
        return f"{type(model_of(spec)).__name__} draws numbers of its arrays' shapes"
    return ""


def batches_key(spec: RunSpec) -> Any:
    """A key that is equal for runs that see the same examples in the same batches."""
    train = spec.train
    return spec.seed, spec.data, train.batch_size, model_of(spec).n_inputs


def has_own_batches(specs: Sequence[RunSpec]) -> bool:
    """Whether the members of a pack see different batches."""
    first = batches_key(specs[0])
    return any(batches_key(spec) != first for spec in specs[1:])


def program_key(spec: RunSpec) -> Any:
    """A key that is equal for runs that may share a program, each with its own batches."""
    train = _train_key(spec.train, optimizer_of(spec))
    return spec.measures, _model_key(spec), _data_key(data_of(spec)), train


def _model_key(spec: RunSpec) -> Any:
    model = model_of(spec)
    fields = () if needs_equal_shapes(spec) else member_fields(model)
    rest = model.model_copy(update=dict.fromkeys(fields))
    # The class object, because two files may have classes of the same name.
    return type(model), rest, _forms(model, fields)


def _data_key(data: Data) -> Any:
    """A key that is equal for data of the same class, kinds and presence of a validation split."""
    return type(data), bool(data.validation), data.kinds


def _forms(model: Model, fields: tuple[str, ...]) -> Any:
    """The length of each of these fields, and the number of outputs."""
    values = (getattr(model, name) for name in fields)
    lengths = tuple(len(value) if isinstance(value, tuple) else 0 for value in values)
    return lengths, model.n_outputs


def _train_key(train: TrainSpec, optimizer: Optimizer) -> Any:
    shared: dict[str, Any] = {}
    if is_elementwise(optimizer):
        assert isinstance(optimizer, Elementwise)
        shared = dict.fromkeys(("learning_rate", *optimizer.scalars))
    return (
        type(optimizer),
        train.model_copy(
            update={
                "optimizer": optimizer.model_copy(update=shared),
                "schedule": Constant(),
                "clip_norm": train.clip_norm is not None,
                **dict.fromkeys(("epochs", "steps", "examples", "batch_size")),
            }
        ),
    )
