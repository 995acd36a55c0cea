"""A network that adds the embeddings of two symbols and decodes the sum by a perceptron."""

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from allometry.models.activations import ACTIVATIONS
from allometry.models.model import Counts, PairModel, Params
from allometry.spec.torch_draws import TorchDraws

__all__ = ["EmbeddingDecoder"]


class EmbeddingDecoder(PairModel):
    """Each symbol's vector from a trained table, their sum through a perceptron.

    The kind of network that Liu et al. study in 2205.10343: embeddings and decoder are
    trained together, and the geometry of the embeddings shows what is learned. All start as
    in PyTorch: normal vectors as `nn.Embedding`, layers as `nn.Linear`.

    Attributes:
        p: symbols, 0 to p - 1, and as many outputs.
        d_embed: dimension of the embedding. hidden: units of the decoder's hidden layers.
            Members of a pack may differ in both: padding with zeros stays zero.
        activation: between the decoder's layers, none after the last.
    """

    d_embed: int = Field(ge=1)
    hidden: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    activation: Literal["relu", "tanh"] = "relu"

    member_fields: ClassVar[tuple[str, ...]] = ("d_embed", "hidden")

    @model_validator(mode="after")
    def _enough_to_draw(self) -> "EmbeddingDecoder":
        if self.p * self.d_embed < 16:
            raise ValueError(
                f"a table of 16 numbers or more expected (PyTorch draws fewer otherwise), got "
                f"{self.p} x {self.d_embed}"
            )
        return self

    @property
    def _widths(self) -> tuple[int, ...]:
        return (self.d_embed, *self.hidden, self.p)

    @property
    def hidden_sizes(self) -> tuple[int, ...]:
        return self.hidden

    def counts(self) -> Counts:
        """Two vectors looked up and added, forward; their gradients added up, backward.

        `apply` does the lookup as a matrix product, which costs more but packs.
        """
        layers = sum(a * b for a, b in pairwise(self._widths))
        biases, d = sum(self._widths[1:]), self.d_embed
        return Counts(
            n_params=self.p * d + layers + biases,
            n_params_no_biases=self.p * d + layers,
            forward_flop=d + 2 * layers + biases,
            backward_flop=2 * d + 4 * layers + biases,
        )

    def init(self, draws: TorchDraws) -> Params:
        params: dict[str, NDArray[np.float32]] = {"embed": draws.randn((self.p, self.d_embed))}
        for i, (fan_in, fan_out) in enumerate(pairwise(self._widths)):
            params[f"weight{i}"], params[f"bias{i}"] = draws.linear(fan_in, fan_out)
        return params

    def apply(self, params: Any, x: jax.Array) -> jax.Array:
        """Outputs ``(B, p)`` for pairs of symbols ``(B, 2)``, whole numbers kept as floats."""
        return self.layer_outputs(params, x)[-1]

    def layer_outputs(self, params: Any, x: jax.Array) -> tuple[jax.Array, ...]:
        # A product, as the gradient of a gather is a scatter; 2 where a symbol is paired with
        # itself.
        embed = params["embed"]
        chosen = jax.nn.one_hot(x.astype(jnp.int32), len(embed), dtype=embed.dtype).sum(axis=1)
        x, layers = chosen @ embed, []
        for i in range(len(self.hidden) + 1):
            x = x @ params[f"weight{i}"].T + params[f"bias{i}"]
            x = ACTIVATIONS[self.activation](x) if i < len(self.hidden) else x
            layers.append(x)
        return tuple(layers)

    def weights(self, params: Params) -> list[NDArray[np.float32]]:
        return [params["embed"].T, *(params[f"weight{i}"] for i in range(len(self.hidden) + 1))]
