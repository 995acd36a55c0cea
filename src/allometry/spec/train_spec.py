"""How a network is trained, as a frozen value."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializeAsAny, ValidationInfo, field_validator, model_validator

from allometry.spec.losses import BinaryCrossEntropy, CrossEntropy, Huber, Loss, SquaredError
from allometry.spec.metrics import Metric
from allometry.spec.optimizers import SGD, Adam, AdamW, Lion
from allometry.spec.schedules import WSD, Constant, Cosine, InverseSqrt, Linear, Schedule, Step
from allometry.spec.value import Spec

__all__ = ["EarlyStop", "TrainSpec"]

# Parts that may be given by name, with all their fields at the defaults.
NAMES: dict[str, dict[str, Callable[[], Spec]]] = {
    "loss": {
        str(kind.short): kind for kind in (CrossEntropy, BinaryCrossEntropy, SquaredError, Huber)
    },
    "optimizer": {kind.__name__.lower(): kind for kind in (SGD, Adam, AdamW, Lion)},
    "schedule": {
        kind.__name__.lower(): kind for kind in (Constant, Linear, Cosine, WSD, InverseSqrt, Step)
    },
}


class EarlyStop(Spec):
    """Early stopping: training ends once the validation loss no longer improves.

    Attributes:
        patience: training ends after this many evaluations in a row without an improvement.
        every: epochs between two evaluations of the validation loss.
        least: an improvement is a loss lower than the best so far by more than this.
    """

    patience: int = Field(default=5, ge=1)
    every: int = Field(default=1, ge=1)
    least: float = Field(default=0.0, ge=0)


class TrainSpec(Spec):
    """How to train. The length is given as one of `epochs`, `steps` and `examples`.

    Attributes:
        optimizer: update rule with its own hyperparameters (`allometry.spec.optimizers`). Like
            the loss and the schedule, it may be given by the name of a shipped class: ``adamw``.
        epochs: passes over the training set; the last batch of a pass may be smaller.
        steps: optimiser updates, in as many passes over the training set as they need.
        examples: examples to see, rounded up to a whole batch, in as many passes as they need.
        batch_size: examples per update.
        batch_order: ``shared`` draws one order for a seed, so that runs of all sizes see
            the same batches and share a program; ``torch`` repeats the shuffles of a
            PyTorch DataLoader made after the model, so that a run follows a notebook's
            batch for batch. Such runs train one at a time.
        measure_every: epochs between points of the trajectory (0: no such points).
        measure_steps: number of points of the trajectory whose steps are evenly spaced in their
            logarithm, from the first update to the last (0: no such points).
        measure_examples: number of training examples, evenly spaced among those trained on, over
            which the training loss and metrics are averaged. None: all. 0: none, and there are no
            columns ``train_loss`` and the like.
        loss: its mean over examples is minimised (`allometry.spec.losses`); ``cross_entropy``,
            ``binary``, ``squared_error`` and ``huber`` stand for the shipped ones.
        metrics: measured beside the loss (`allometry.spec.metrics`); None: the loss's defaults.
        schedule: of the learning rate (`allometry.spec.schedules`).
        clip_norm: largest norm of the gradient of one network, over all its parameters; a larger
            gradient is scaled down to it (Pascanu et al., 1211.5063). None: no limit.
        layer_rates: ``equal``; ``fan_in``: the learning rate of each layer is divided by the
            square root of its fan-in; or factors by name of the parameter, a mapping. The
            model's own factors (muP) apply with ``equal`` and with a mapping.
        precision: of training. ``float32``: everything. ``float64``: everything; start values
            and examples are the float32 ones, and a frozen encoder works in float32. ``bfloat16``:
            mixed precision, as the policy ``params=float32,compute=bfloat16,output=float32`` of
            DeepMind's jmp: weights, summed gradients, optimiser state and losses are float32;
            for each forward and backward pass weights and examples are cast to bfloat16, and
            all products and activations are bfloat16; the outputs are cast to float32 before
            the loss. The losses measured are those of the float32 weights, in float32.
        stop: ends training early by the loss on the validation split of the data.
    """

    alternatives: ClassVar[tuple[str, ...]] = ("epochs", "steps", "examples")
    named: ClassVar[tuple[str, ...]] = tuple(NAMES)

    optimizer: SerializeAsAny[Spec]
    epochs: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    examples: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=128, ge=1)
    batch_order: Literal["shared", "torch"] = "shared"
    measure_every: int = Field(default=0, ge=0)
    measure_steps: int = Field(default=0, ge=0)
    measure_examples: int | None = Field(default=None, ge=0)
    loss: SerializeAsAny[Loss] = CrossEntropy()
    metrics: tuple[SerializeAsAny[Metric], ...] | None = None
    schedule: SerializeAsAny[Schedule] = Constant()
    clip_norm: float | None = Field(default=None, gt=0)
    layer_rates: Literal["equal", "fan_in"] | tuple[tuple[str, float], ...] = "equal"
    precision: Literal["float32", "bfloat16", "float64"] = "float32"
    stop: EarlyStop | None = None

    @field_validator(*NAMES, mode="before")
    @classmethod
    def _named(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str):
            return value
        kinds = NAMES[str(info.field_name)]
        kind = kinds.get(value.partition("/")[0].lower())
        if kind is None or ("/" in value and value != kind().short_text):
            raise ValueError(
                f"a value, or one of the names {', '.join(kinds)}, expected, got {value!r}"
            )
        return kind()

    @field_validator("layer_rates", mode="before")
    @classmethod
    def _sorted_pairs(cls, value: Any) -> Any:
        return tuple(sorted(value.items())) if isinstance(value, Mapping) else value

    @field_validator("metrics")
    @classmethod
    def _own_columns(cls, value: tuple[Metric, ...] | None) -> tuple[Metric, ...] | None:
        names = ["loss", *(metric.name for metric in value or ())]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"metrics with different columns expected, got train_{twice[0]} twice; "
                "the property `name` of a metric gives the name of its columns"
            )
        return value

    @model_validator(mode="after")
    def _one_length(self) -> "TrainSpec":
        given = [name for name in self.alternatives if getattr(self, name) is not None]
        if len(given) != 1:
            got = ", ".join(given) or "none of them"
            raise ValueError(f"one of epochs, steps and examples expected, got {got}")
        return self

    def epoch_updates(self, n_data: int) -> int:
        """Updates in one pass over `n_data` examples, the smaller last one included."""
        return -(-n_data // self.batch_size)

    def updates(self, n_data: int) -> int:
        """Optimiser updates of a run on `n_data` examples."""
        if self.steps is not None:
            return self.steps
        if self.epochs is not None:
            return self.epochs * self.epoch_updates(n_data)
        passes, rest = divmod(self.examples or 0, n_data)
        return passes * self.epoch_updates(n_data) + -(-rest // self.batch_size)

    def examples_after(self, step: int, n_data: int) -> int:
        """Examples seen in the first `step` updates; one seen twice counts twice."""
        passes, rest = divmod(step, self.epoch_updates(n_data))
        return passes * n_data + min(rest * self.batch_size, n_data)

    def points(self, n_data: int) -> NDArray[np.int64]:
        """Steps of the points of the trajectory after the start, ascending."""
        last = self.updates(n_data)
        every = self.measure_every * self.epoch_updates(n_data)
        by_epoch = np.arange(every, last + 1, every) if every else np.zeros(0)
        by_log = np.geomspace(1, last, self.measure_steps) if self.measure_steps else np.zeros(0)
        return np.unique(np.round(np.concatenate([by_epoch, by_log])).astype(np.int64))

    def looks(self, n_data: int) -> NDArray[np.int64]:
        """Steps at which early stopping evaluates the validation loss, ascending."""
        if self.stop is None:
            return np.zeros(0, dtype=np.int64)
        every = self.stop.every * self.epoch_updates(n_data)
        return np.arange(every, self.updates(n_data) + 1, every)
