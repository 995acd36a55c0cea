"""What to train, as frozen values, and the name computed from their content."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field, SerializeAsAny

from allometry.errors import DataError
from allometry.spec.text import texts
from allometry.spec.value import Spec

__all__ = [
    "RUN_SCHEMA", "Experiment", "RunSpec", "TrainSpec", "check_same", "differences", "run_ids",
]  # fmt: skip

RUN_SCHEMA = "allometry/run/1"


class TrainSpec(Spec):
    """How to train.

    Attributes:
        optimizer: update rule with its own hyperparameters (`allometry.spec.optimizers`).
        epochs: passes over the training set; the last batch of a pass may be smaller.
        batch_size: examples an update.
        batch_order: ``shared`` draws one order for a seed, so that runs of all sizes see
            the same batches and share a program; ``torch`` repeats the shuffles of a
            PyTorch DataLoader made after the model, so that a run follows a notebook's
            batch for batch. Such runs train one by one.
        measure_every: epochs between points of the trajectory (0: no trajectory).
        loss: mean over examples of the cross-entropy (nats), or mean over examples and
            outputs of the squared distance to the one-hot label (``nn.MSELoss``).
        layer_rates: ``equal``, or ``fan_in``: the learning rate of each layer is divided by
            the square root of its fan-in.
        precision: of training. ``float32``: everything. ``float64``: everything; start values
            and examples are the float32 ones, and a frozen encoder works in float32. ``bfloat16``:
            mixed precision, as the policy ``params=float32,compute=bfloat16,output=float32`` of
            DeepMind's jmp: weights, summed gradients, optimiser state and losses are float32;
            for each forward and backward pass weights and examples are cast to bfloat16, and
            all products and activations are bfloat16; the outputs are cast to float32 before
            the loss. The losses measured are those of the float32 weights, in float32.
    """

    optimizer: SerializeAsAny[Spec]
    epochs: int = Field(ge=1)
    batch_size: int = Field(default=128, ge=1)
    batch_order: Literal["shared", "torch"] = "shared"
    measure_every: int = Field(default=0, ge=0)
    loss: Literal["cross_entropy", "squared_error"] = "cross_entropy"
    layer_rates: Literal["equal", "fan_in"] = "equal"
    precision: Literal["float32", "bfloat16", "float64"] = "float32"


class Experiment(Spec):
    """What one run does, with a name computed from its content.

    Subclasses add fields: `RunSpec` is a network trained on a data set; a study with a
    procedure of its own has a subclass of its own.

    Attributes:
        seed: of every random draw of the run.
        measures: names of the measures taken; `Study` fills them in.
        code: SHA-256 (64 hex digits) of the user's code that makes the run (`allometry.spec.code`);
            `Study` fills it in. Empty where all of it is shipped.
    """

    seed: int = Field(ge=0, lt=2**32)
    measures: tuple[str, ...] = ()
    code: str = ""

    schema_name: ClassVar[str] = RUN_SCHEMA

    @property
    def run_id(self) -> str:
        """SHA-256 (64 hex digits) of the schema and of every field that is not at its default."""
        return run_ids([self])[0]


class RunSpec(Experiment):
    """One network to train.

    Attributes:
        model: the network (`allometry.models`).
        data: the data set and the part of it trained on (`allometry.datasets`).
        train: optimiser, batch size and length.
        seed: of every random draw of the run: subset, start, batch order, sampled nodes.
    """

    model: SerializeAsAny[Spec]
    data: SerializeAsAny[Spec]
    train: TrainSpec


def run_ids(specs: Sequence[Experiment]) -> list[str]:
    """The name of each run; a million of them in seconds."""
    contents = zip(specs, texts(specs, defaults=False), strict=True)
    return [
        hashlib.sha256(f'{{"schema":"{s.schema_name}","spec":{text}}}'.encode()).hexdigest()
        for s, text in contents
    ]


def differences(stored: object, present: object, path: str = "") -> Iterator[str]:
    """Sentences naming each field whose stored value differs from the present one.

    A field that the stored document lacks was added later. Its default stands for the old
    behaviour, so it makes no difference.
    """
    if isinstance(stored, dict) and isinstance(present, dict):
        for name, old in stored.items():
            where = f"{path}.{name}" if path else name
            if name not in present:
                yield f"{where} was {old!r} and is no longer a field"
            else:
                yield from differences(old, present[name], where)
    elif stored != present:
        yield f"{path} was {stored!r} and is {present!r} now"


def check_same(run_id: str, stored: Mapping[str, object], present: Mapping[str, object]) -> None:
    """Refuse a stored result whose full spec differs from the present spec of that name.

    Raises:
        DataError: naming every field that changed.
    """
    changed = list(differences(stored, present))
    if changed:
        raise DataError(
            f"run {run_id[:12]} is stored with another spec: {'; '.join(changed)}. A default of "
            "Allometry has changed since; use a new store (--store FILE), or the version of "
            "Allometry that the stored runs were made by"
        )
