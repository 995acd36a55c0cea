"""The decoder-only transformer as a frozen value."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from allometry.errors import UsageError
from allometry.models.activations import ACTIVATIONS
from allometry.models.counting import Counts, Params
from allometry.models.language_model.attention import attended, rotated
from allometry.models.language_model.products import gelu, kept, linear
from allometry.models.language_model.sizes import Convention, ParameterParts, Shape
from allometry.models.model import Model
from allometry.models.norms import rms_normalised
from allometry.spec.torch_draws import TorchDraws

__all__ = ["LanguageModel"]

# On a CPU, a network whose stream has ALONE numbers or more per window keeps a core busy by itself,
# and a pack of such networks is slower. The activations of TOKENS tokens stay in the cache.
ALONE, TOKENS = 2048, 512


class LanguageModel(Model):
    """A decoder-only transformer: at each position of a window, logits of the next token.

    Tokens are looked up in a table. Every layer adds causal attention and then an MLP to the
    residual stream; the input of both is the stream divided by its root mean square (pre-norm;
    Zhang & Sennrich, 1910.07467). The stream, normalised once more, goes through the head. There
    are no biases.

    Start values are normal with standard deviation ``sqrt(2 / (5 d_model))`` (Nguyen & Salazar,
    1910.05895, section 2.2), which is 0.02 at a width of 1,000; with 0.02 at all widths, narrow
    models would learn slowly at first. For matrices that write to the stream it is divided by
    ``sqrt(2 n_layers)`` (GPT-2; Radford et al. 2019). Scales start at 1. Values are drawn as
    PyTorch would, one matrix after another in the order of `init`.

    Attributes:
        vocabulary: tokens, 0 to V - 1. context: T, tokens of a window; an example is one window.
        d_model: width of the stream. Members of a pack may differ in it and in `d_mlp`.
        n_layers: layers.
        d_head: width of a head; there are ``d_model / d_head`` heads.
        d_mlp: units of an MLP.
        mlp: "gelu", by the error function; "swiglu" multiplies ``silu(gate)`` by as many linear
            units (Shazeer, 2002.05202) and has three matrices instead of two.
        positions: "rotary" rotates queries and keys (Su et al., 2104.09864); "learnt" adds a vector
            for each position to that of the token.
        tied: whether the head is the table of the tokens.
        parametrisation: "mup" is Table 8 of Yang et al., 2203.03466, which allows tied heads. The
            variance and Adam's learning rate of hidden matrices, and the logits, are divided by
            ``d_model / base_width``, and scores by `d_head` instead of its root. At `base_width`
            all but the scores is as in "standard".
        base_width: for "mup": the `d_model` at which the learning rate is as in "standard"; `d_mlp`
            is assumed to grow in proportion to `d_model`.
    """

    vocabulary: int = Field(ge=2)
    context: int = Field(ge=2)
    d_model: int = Field(ge=8)
    n_layers: int = Field(ge=1)
    d_head: int = Field(default=16, ge=2, multiple_of=2)
    d_mlp: int = Field(ge=2)
    mlp: Literal["gelu", "swiglu"] = "gelu"
    positions: Literal["rotary", "learnt"] = "rotary"
    tied: bool = False
    parametrisation: Literal["standard", "mup"] = "standard"
    base_width: int | None = Field(default=None, ge=1)

    member_fields: ClassVar[tuple[str, ...]] = ("d_model", "d_mlp")
    symbols: ClassVar[bool] = True

    @model_validator(mode="after")
    def _options_fit(self) -> "LanguageModel":
        if self.d_model % self.d_head:
            raise ValueError(
                f"a d_head that divides d_model = {self.d_model} expected, got {self.d_head}"
            )
        if (self.parametrisation == "mup") != (self.base_width is not None):
            raise ValueError(
                "base_width and parametrisation='mup' belong together: the d_model at which the "
                "learning rate is as in the standard parametrisation"
            )
        return self

    @property
    def chunk(self) -> int:  # type: ignore[override]
        if self.context * self.d_model < ALONE or jax.default_backend() != "cpu":
            return 0
        return max(1, TOKENS // self.context)

    @property
    def hidden_sizes(self) -> tuple[int, ...]:
        return (self.d_model, self.d_mlp) * self.n_layers

    @property
    def tokens(self) -> int:
        return self.context

    @property
    def _shape(self) -> Shape:
        return Shape(
            self.vocabulary, self.context, self.d_model, self.d_mlp, self.n_layers,
            mlp_matrices=3 if self.mlp == "swiglu" else 2, tied=self.tied,
            learnt=self.positions == "learnt",
        )  # fmt: skip

    def counts(self) -> Counts:
        """Counts of one example, a window of `context` tokens; see `Shape.counts`."""
        return self._shape.counts()

    def parts(self) -> ParameterParts:
        """Parameters of the embedding, the body and the head."""
        return self._shape.parts

    def flop_per_token(self, convention: Convention) -> int:
        """Training FLOP of a token by a convention; see `Shape.flop_per_token`."""
        return self._shape.flop_per_token(convention)

    def columns(self) -> Mapping[str, int]:
        parts = self.parts()
        return {
            "n_params_embedding": parts.embedding,
            "n_params_body": parts.body,
            "n_params_head": parts.head,
            "vocabulary": self.vocabulary,
            "context": self.context,
            "d_model": self.d_model,
            "n_layers": self.n_layers,
        }

    def check(self, n_in: int, n_classes: int) -> None:
        wrong = []
        if n_in != self.context:
            wrong.append(f"context={n_in}, the tokens of a window, expected, got {self.context}")
        if n_classes > self.vocabulary:
            wrong.append(f"vocabulary={n_classes} or more expected, got {self.vocabulary}")
        if wrong:
            raise UsageError(f"the model does not fit the data: {'; '.join(wrong)}")

    # ---- start and learning rates ------------------------------------------------------------

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all arrays in the order in which they are drawn; scales are not."""
        d, m = self.d_model, self.d_mlp
        shapes: dict[str, tuple[int, ...]] = {"embedding": (self.vocabulary, d)}
        if self.positions == "learnt":
            shapes["position"] = (self.context, d)
        for i in range(self.n_layers):
            shapes |= {
                f"attention_scale{i}": (d,), f"qkv{i}": (3, d, d), f"mix{i}": (d, d),
                f"mlp_scale{i}": (d,),
                f"inner{i}": (2, m, d) if self.mlp == "swiglu" else (m, d), f"outer{i}": (d, m),
            }  # fmt: skip
        shapes["final_scale"] = (d,)
        if not self.tied:
            shapes["head"] = (self.vocabulary, d)
        return shapes

    @property
    def _ratio(self) -> float:
        """Width over that of the base network."""
        return self.d_model / (self.base_width or self.d_model)

    def init(self, draws: TorchDraws) -> Params:
        params: dict[str, NDArray[np.float32]] = {}
        for name, shape in self._shapes().items():
            kind = _kind(name)
            if kind.endswith("scale"):
                params[name] = np.ones(shape, dtype=np.float32)
                continue
            deviation = math.sqrt(2 / (5 * (self.base_width or self.d_model)))
            if kind in _WRITING:
                deviation /= math.sqrt(2 * self.n_layers)
            if kind in _HIDDEN:
                deviation /= math.sqrt(self._ratio)
            params[name] = draws.randn(shape) * np.float32(deviation)
        return params

    def rate_factors(self, kind: Literal["sgd", "adam"]) -> Mapping[str, float]:
        if self.parametrisation == "standard":
            return {}
        names, ratio = self._shapes(), self._ratio
        if kind == "adam":
            return {name: 1 / ratio for name in names if _kind(name) in _HIDDEN}
        return {name: ratio for name in names if _kind(name) not in _HIDDEN}

    def fan_in(self, name: str) -> int:
        kind = _kind(name)
        widths = {"outer": self.d_mlp} | dict.fromkeys(
            ("qkv", "mix", "inner", "head"), self.d_model
        )
        return widths.get(kind, 1)

    def weights(self, params: Params) -> list[NDArray[np.float32]]:
        matrices = []
        for name, array in params.items():
            if name == "embedding":
                matrices.append(array.T)
            elif array.ndim == 3:
                matrices.append(array.reshape(-1, array.shape[-1]))
            elif array.ndim == 2 and name != "position":
                matrices.append(array)
        return matrices

    # ---- what it computes --------------------------------------------------------------------

    def apply(self, params: Any, x: jax.Array) -> jax.Array:
        """Logits ``(B, T, vocabulary)`` of next tokens, for tokens ``(B, T)`` kept as floats."""
        return self.layer_outputs(params, x)[-1]

    def layer_outputs(self, params: Any, x: jax.Array) -> tuple[jax.Array, ...]:
        """The stream ``(B, T, d_model)`` after each layer, the last one normalised; the logits."""
        return tuple(self._layers(params, x))

    def _layers(self, params: Any, x: jax.Array) -> Iterator[jax.Array]:
        embedding = params["embedding"]
        stream = kept(embedding[x.astype(jnp.int32)])
        if self.positions == "learnt":
            stream = stream + params["position"]
        for i in range(self.n_layers):
            normalised = self._normalised(params[f"attention_scale{i}"], stream)
            gathered = self._attention(params[f"qkv{i}"], normalised)
            stream = stream + linear(gathered, params[f"mix{i}"])
            normalised = self._normalised(params[f"mlp_scale{i}"], stream)
            units = self._units(params[f"inner{i}"], normalised)
            stream = stream + linear(units, params[f"outer{i}"])
            if i < self.n_layers - 1:
                yield stream
        stream = self._normalised(params["final_scale"], stream)
        yield stream
        if self.base_width is not None:
            # Scaled before the sum over d_model, a number that differs between members of a pack.
            stream = stream * jnp.asarray(self.base_width / self.d_model, stream.dtype)
        yield linear(stream, params["embedding" if self.tied else "head"])

    def _normalised(self, scale: jax.Array, stream: jax.Array) -> jax.Array:
        return rms_normalised(stream, self.d_model) * scale

    def _attention(self, matrices: jax.Array, x: jax.Array) -> jax.Array:
        """Outputs of the heads ``(B, T, d_model)``, concatenated."""
        b, t, d = x.shape
        merged = linear(x, matrices.reshape(3 * d, d))
        heads = jnp.moveaxis(merged.reshape(b, t, 3, d // self.d_head, self.d_head), (2, 3), (0, 2))
        query, key, value = heads  # (B, H, T, d_head)
        if self.positions == "rotary":
            query, key = rotated(query), rotated(key)
        scale = 1 / self.d_head if self.parametrisation == "mup" else 1 / math.sqrt(self.d_head)
        gathered = attended(query * jnp.asarray(scale, query.dtype), key, value)
        together: jax.Array = jnp.moveaxis(gathered, 1, 2).reshape(b, t, d)
        return together

    def _units(self, inner: jax.Array, x: jax.Array) -> jax.Array:
        """The units ``(B, T, d_mlp)`` of an MLP."""
        if self.mlp == "gelu":
            return gelu(linear(x, inner))
        gate, up = linear(x, inner[0]), linear(x, inner[1])
        return ACTIVATIONS["silu"](gate) * up


_HIDDEN = ("qkv", "mix", "inner", "outer")  # matrices between two widths that grow
_WRITING = ("mix", "outer")  # matrices that write to the stream


def _kind(name: str) -> str:
    """The name without its layer: ``qkv`` of ``qkv2``."""
    return name.rstrip("0123456789")
