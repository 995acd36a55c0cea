"""What a model is to the rest of the package."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from allometry.errors import UsageError
from allometry.models.activations import ACTIVATIONS
from allometry.spec import Spec
from allometry.spec.torch_draws import TorchDraws

__all__ = ["ACTIVATIONS", "Counts", "Dense", "Model", "PairModel", "Params"]

# A layer's name to its arrays; weights are (fan_out, fan_in) on the host, as in PyTorch. They
# start as float32 and are float64 where they train so.
Params = Mapping[str, NDArray[Any]]


class Counts(NamedTuple):
    """Sizes of one network.

    Attributes:
        n_params: trained numbers, weights and biases.
        n_params_no_biases: trained weights alone.
        forward_flop: of one example through the trained part, a multiply-add as two.
        backward_flop: of one example: gradients of all weights, and of all inputs but
            the first layer's, which nothing needs.
    """

    n_params: int
    n_params_no_biases: int
    forward_flop: int
    backward_flop: int


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

    A subclass gives the methods for ONE network; packing many is the
    library's work (`allometry.training.packing.choose`).

    Attributes:
        member_fields: fields in which members of one packed program may differ. They show in the
            parameters alone, or `apply` uses them as numbers: there they are traced, a member's
            own, while the parameters are padded with zeros. Zero padding must stay zero.
        chunk: examples worked on at once, so that what lies between the layers stays in
            the cache; gradients are added up over the chunks of a batch. Such a model
            trains alone. 0: the whole batch at once, packed.
        symbols: features are whole numbers that name something, kept as floats; such are
            never rounded.
    """

    chunk: ClassVar[int] = 0
    symbols: ClassVar[bool] = False
    member_fields: ClassVar[tuple[str, ...]] = ()

    @property
    def stochastic(self) -> bool:
        """Whether `apply_training` draws from its key."""
        return type(self).apply_training is not Model.apply_training

    @property
    def dense(self) -> Dense | None:
        """The layers of the trained part, if dense layers are all it has.

        The first layers of such networks share one matrix product in a pack.
        """
        return None

    @property
    def hidden_sizes(self) -> tuple[int, ...] | None:
        """True widths between input and output, for the column ``hidden_sizes``; None for none."""
        return None

    def family(self) -> tuple[Any, ...]:
        """Networks with equal families may be trained in one program."""
        values = dict(self)
        sizes = [values.pop(name) for name in self.member_fields]
        depths = [len(size) for size in sizes if isinstance(size, tuple)]
        widths = getattr(self, "widths", (0,))
        return type(self).__name__, *values.items(), *depths, widths[0], widths[-1]

    def rate_factors(self, kind: Literal["sgd", "adam"]) -> Mapping[str, float]:
        """Parameter name to the factor on its learning rate; 1 for names that are not there.

        Args:
            kind: "sgd" for updates in proportion to the gradient, "adam" for updates that do not
                depend on its size.
        """
        return {}

    def counts(self) -> Counts:
        raise NotImplementedError

    def init(self, draws: TorchDraws) -> Params:
        """Start values, drawn in the order PyTorch would."""
        raise NotImplementedError

    def features(self, draws: TorchDraws, inputs: list[NDArray[np.float32]]) -> list[NDArray[Any]]:
        """What the trained part sees of each array of inputs ``(n, ...)``.

        A model with a frozen part draws it here, before `init`, and runs it once.
        """
        return [x.reshape(len(x), -1) for x in inputs]

    def check(self, n_in: int, n_classes: int) -> None:
        """Refuse examples of `n_in` features in `n_classes` classes that do not fit.

        Raises:
            UsageError: saying what was expected.
        """
        raise NotImplementedError

    def apply(self, params: Mapping[str, jax.Array], x: jax.Array) -> jax.Array:
        """Outputs ``(B, n_out)`` of one network for features ``(B, n_in)``."""
        raise NotImplementedError

    def apply_training(
        self, params: Mapping[str, jax.Array], x: jax.Array, key: jax.Array
    ) -> jax.Array:
        """The same while training, where a model with dropout draws from `key`."""
        return self.apply(params, x)

    def fan_in(self, name: str) -> int:
        """Inputs of a unit of the layer that a parameter belongs to."""
        raise UsageError(f"{type(self).__name__} does not say the fan-in of {name}")

    def weights(self, params: Params) -> list[NDArray[np.float32]]:
        """The trained weight matrices ``(fan_out, fan_in)`` from input to output."""
        raise NotImplementedError


class PairModel(Model):
    """A network that answers a symbol for two.

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
