"""What a model is to the rest of the package."""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from allometry.errors import UsageError, lacking
from allometry.models.activations import ACTIVATIONS
from allometry.models.counting import (
    Counts,
    Params,
    check_fit,
    check_one_network,
    counts_of,
    n_inputs_of,
    weights_of,
)
from allometry.spec import Spec
from allometry.spec.torch_draws import TorchDraws

__all__ = ["ACTIVATIONS", "Counts", "Dense", "Model", "PairModel", "Params"]


class Dense(NamedTuple):
    """Dense layers with an activation between them, none after the last.

    Attributes:
        widths: units of every layer from input to output.
        activation: a name of `ACTIVATIONS` that maps zero to zero, so that padding stays zero.
    """

    widths: tuple[int, ...]
    activation: str


class Model(Spec):
    """A network as a frozen value: how it starts, what it computes, how big it is.

    A subclass gives the methods for ONE network; packing many is the library's work
    (`allometry.training.packing`).

    Attributes:
        chunk: examples processed at once, so that activations stay in the cache; gradients
            are summed over the chunks of a batch. A model with chunks trains alone. 0: the
            whole batch at once, packed.
        member_fields: fields that affect only the shapes or start values of the parameters, or
            that `apply` uses as numbers. Networks that differ in these fields alone may share a
            program, with their parameters padded with zeros: a unit of zeros must stay zero. In
            `apply` these fields are traced numbers, one for each member.
        symbols: whether features are symbols, whole numbers kept as floats. Symbols are never
            rounded to fewer bits.
    """

    chunk: ClassVar[int] = 0
    member_fields: ClassVar[tuple[str, ...]] = ()
    symbols: ClassVar[bool] = False

    @property
    def dense(self) -> Dense | None:
        """The layers of the trained part, if dense layers are all it has.

        The first layers of such networks share one matrix product in a pack.
        """
        return None

    @property
    def hidden_sizes(self) -> tuple[int, ...] | None:
        """Unpadded widths between input and output, for the column of this name; or None."""
        return None

    @property
    def n_inputs(self) -> int | None:
        """Features per example, where one of the `member_fields` decides how many; else None."""
        return None

    @property
    def n_outputs(self) -> int | None:
        """Outputs, where one of the `member_fields` decides how many; None elsewhere."""
        return None

    @property
    def tokens(self) -> int:
        """Predictions per example: T for networks with outputs at T positions, otherwise 1."""
        return 1

    @property
    def stochastic(self) -> bool:
        """Whether `apply_training` draws; by default, whether a subclass overrides it."""
        return type(self).apply_training is not Model.apply_training

    def counts(self) -> Counts:
        """Sizes and work; by default read from start values and `apply` (`counting.counts_of`).

        Raises:
            UsageError: no array has as many columns as `apply` takes features.
        """
        return _counted(self)

    def columns(self) -> Mapping[str, int | float | str]:
        """Columns of its runs besides those of all models (`allometry.training.loop.describe`)."""
        return {}

    def init(self, draws: TorchDraws) -> Params:
        """Start values, drawn in the order PyTorch would."""
        raise lacking(self, "init")

    def features(self, draws: TorchDraws, inputs: list[NDArray[np.float32]]) -> list[NDArray[Any]]:
        """The features on which the trained part works, for each array of inputs ``(n, ...)``.

        A model with a frozen part draws it here, before `init`, and runs it once.
        """
        return [x.reshape(len(x), -1) for x in inputs]

    def check(self, n_in: int, n_out: int) -> None:
        """Refuse examples of `n_in` features for which `n_out` outputs or more are needed.

        Raises:
            UsageError: saying what was expected.
        """
        _checked(self, n_in, n_out)

    def apply(self, params: Mapping[str, jax.Array], x: jax.Array) -> jax.Array:
        """Outputs ``(B, n_out)`` of one network for features ``(B, n_in)``.

        For a network with outputs at each of T positions ``(B, T, n_out)``.
        """
        raise lacking(self, "apply")

    def layer_outputs(self, params: Mapping[str, jax.Array], x: jax.Array) -> tuple[jax.Array, ...]:
        """Outputs ``(B, ...)`` of each layer for features ``(B, n_in)``.

        First those of the hidden layers from input to output, the last of them as the output layer
        sees it, then those of `apply`. Only measures of activations use this method.

        Raises:
            UsageError: the model does not define it.
        """
        raise UsageError(
            f"{type(self).__name__} does not define the outputs of its layers: write its "
            "`layer_outputs(params, x)`, a tuple of arrays (B, ...) from the first hidden layer "
            "to the outputs"
        )

    def apply_training(
        self, params: Mapping[str, jax.Array], x: jax.Array, key: jax.Array
    ) -> jax.Array:
        """`apply` as used in training, where a model with dropout draws from `key`."""
        return self.apply(params, x)

    def rate_factors(self, kind: Literal["sgd", "adam"]) -> Mapping[str, float]:
        """Factors on the learning rate by name of the parameter, where they are not 1.

        Args:
            kind: of the optimiser (`Elementwise.kind`).
        """
        return {}

    def fan_in(self, name: str) -> int:
        """Inputs of a unit of the layer that a parameter belongs to."""
        raise UsageError(
            f"{type(self).__name__} does not define the fan-in of {name}: write its `fan_in`"
        )

    def weights(self, params: Params) -> list[NDArray[np.float32]]:
        """The trained weight matrices ``(fan_out, fan_in)`` from input to output.

        By default all arrays with two axes or more, in the order of `init`.
        """
        return weights_of(params)


def _start(model: Model) -> Params:
    """Start values, from which sizes are read."""
    start = model.init(TorchDraws(0))
    if not isinstance(start, Mapping) or not all(hasattr(a, "shape") for a in start.values()):
        raise UsageError(
            f"{type(model).__name__}.init: a dictionary of NumPy arrays by name expected, "
            '{"weight0": ..., "bias0": ...}, with no dictionaries or lists in it'
        )
    return start


# A sweep has each of its models many times, with different seeds.
@cache
def _counted(model: Model) -> Counts:
    start = _start(model)
    n_in = 2 if isinstance(model, PairModel) else n_inputs_of(model.apply, start)
    if n_in is None:
        raise UsageError(
            f"{type(model).__name__}: an array with as many columns as `apply` takes features "
            "expected, but none fits; write its `counts` with "
            "`allometry.models.counting.counts_of` and the right number of features"
        )
    return counts_of(model.apply, start, n_in)


@cache
def _checked(model: Model, n_in: int, n_out: int) -> None:
    name, start = type(model).__name__, _start(model)
    check_fit(model.apply, start, n_in, n_out, name)
    if not (type(model).__module__.startswith("allometry.") or model.symbols):
        check_one_network(model.apply, start, model.init(TorchDraws(0)), n_in, name)


class PairModel(Model):
    """A network that maps a pair of symbols to a symbol.

    Attributes:
        p: symbols, 0 to p - 1, and as many outputs.
    """

    p: int = Field(ge=2)

    symbols: ClassVar[bool] = True

    def check(self, n_in: int, n_classes: int) -> None:
        if n_in != 2 or n_classes > self.p:
            raise UsageError(
                f"p = {self.p} does not fit the data: pairs of symbols below p with answers below "
                f"p expected, got {n_in} features and {n_classes} classes"
            )
