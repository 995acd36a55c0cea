"""A transformer of one layer that reads "a b =" and predicts a symbol."""

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from allometry.models.model import Counts, PairModel, Params
from allometry.spec.torch_draws import TorchDraws

__all__ = ["OneLayerTransformer"]

POSITIONS = 3  # a, b, =


class OneLayerTransformer(PairModel):
    """Decoder of one layer without layer norm, read at its last token.

    The network of Nanda et al. 2301.05217 (section 3, their published code): learned
    embeddings and positions, attention without biases, a ReLU layer with biases, all
    added to one residual stream. Weights start normal with standard deviation d_model^-1/2
    (p^-1/2 for the output layer), biases at zero. Only the prediction at "=" is used, so
    only that token attends, to all three tokens.

    Attributes:
        p: symbols, 0 to p - 1; "=" is one more token.
        d_model: width of the stream. n_heads: attention heads, which share it evenly.
        d_mlp: ReLU units. Members of a pack may differ in it: a unit of zeros stays zero.
    """

    d_model: int = Field(ge=8)
    n_heads: int = Field(default=4, ge=1)
    d_mlp: int = Field(ge=2)

    member_fields: ClassVar[tuple[str, ...]] = ("d_mlp",)

    @model_validator(mode="after")
    def _heads_fit(self) -> "OneLayerTransformer":
        if self.d_model % self.n_heads:
            raise ValueError(
                f"n_heads that divide d_model = {self.d_model} expected, got {self.n_heads}"
            )
        return self

    @property
    def hidden(self) -> tuple[int, ...]:
        return (self.d_model, self.d_mlp)

    def counts(self) -> Counts:
        """Counts of a plain computation of one example.

        `apply` does less: keys and values of a symbol do not depend on its position, so they
        are computed once for each symbol instead of once for each example.
        """
        p, d, m = self.p, self.d_model, self.d_mlp
        biases = m + d
        weights = (p + 1 + POSITIONS) * d + 4 * d * d + 2 * d * m + p * d
        attended = 2 * POSITIONS * d  # one product over positions: scores, or the mixed values
        products = 2 * (2 * POSITIONS + 2) * d * d + 2 * attended + 4 * d * m + 2 * p * d
        additions = POSITIONS * d + 2 * d + biases
        return Counts(weights + biases, weights, products + additions, 2 * products + additions)

    def init(self, draws: TorchDraws) -> Params:
        p, d, m = self.p, self.d_model, self.d_mlp
        shapes = {
            "embed": (p + 1, d), "position": (POSITIONS, d),
            "key": (d, d), "query": (d, d), "value": (d, d), "mix": (d, d),
            "inner": (m, d), "outer": (d, m),
        }  # fmt: skip
        scale = np.float32(1 / math.sqrt(d))
        params: dict[str, NDArray[np.float32]] = {
            name: draws.randn(shape) * scale for name, shape in shapes.items()
        }
        params["answer"] = draws.randn((p, d)) * np.float32(1 / math.sqrt(p))
        params["inner_bias"] = np.zeros(m, dtype=np.float32)
        params["outer_bias"] = np.zeros(d, dtype=np.float32)
        return params

    def apply(self, params: Any, x: jax.Array) -> jax.Array:
        """Outputs ``(B, p)`` for pairs of symbols ``(B, 2)``, whole numbers kept as floats."""
        return self.layer_outputs(params, x)[-1]

    def layer_outputs(self, params: Any, x: jax.Array) -> tuple[jax.Array, ...]:
        """The ReLU units ``(B, d_mlp)``, the stream after them ``(B, d_model)``, the outputs."""
        embed = params["embed"]
        chosen = jax.nn.one_hot(x.astype(jnp.int32), len(embed), dtype=embed.dtype)
        mixed = self._attention(params, chosen)
        stream = params["embed"][-1] + params["position"][-1] + mixed @ params["mix"].T
        units = jax.nn.relu(stream @ params["inner"].T + params["inner_bias"])
        stream = stream + units @ params["outer"].T + params["outer_bias"]
        return units, stream, stream @ params["answer"].T

    def _attention(self, params: Any, chosen: jax.Array) -> jax.Array:
        """Attention ``(B, d)`` of "=" to the symbols ``(B, 2, p + 1)``, one-hot, and to itself."""
        heads = (self.n_heads, self.d_model // self.n_heads)
        embed, position = params["embed"], params["position"]
        asked = ((embed[-1] + position[-1]) @ params["query"].T).reshape(heads)

        def keys_and_values(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
            keys = (rows @ params["key"].T).reshape(-1, *heads)
            scores = jnp.einsum("nhe,he->nh", keys, asked) / math.sqrt(heads[1])
            return scores, rows @ params["value"].T

        # By symbol and by position, which add up; by products, as the gradient of a gather is a
        # scatter.
        scores, values = keys_and_values(embed)
        more_scores, more_values = keys_and_values(position)
        score = jnp.einsum("bit,th->bih", chosen, scores) + more_scores[:2]
        value = jnp.einsum("bit,td->bid", chosen, values) + more_values[:2]
        own_score = jnp.broadcast_to(scores[-1] + more_scores[-1], (len(chosen), 1, heads[0]))
        weight = jax.nn.softmax(jnp.concatenate([score, own_score], axis=1), axis=1)
        own_value = (values[-1] + more_values[-1]).reshape(heads)
        gathered = jnp.einsum("bih,bihe->bhe", weight[:, :2], value.reshape(-1, 2, *heads))
        return (gathered + weight[:, 2, :, None] * own_value).reshape(len(chosen), self.d_model)

    def weights(self, params: Params) -> list[NDArray[np.float32]]:
        order = ("query", "key", "value", "mix", "inner", "outer", "answer")
        return [params["embed"].T, *(params[name] for name in order)]
