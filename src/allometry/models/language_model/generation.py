"""Tokens drawn one after another from a language model."""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.models.counting import Params
from allometry.models.language_model.model import LanguageModel
from allometry.models.precision import scope

__all__ = ["generated"]


def generated(
    model: LanguageModel,
    params: Params,
    prompt: Sequence[int],
    n: int,
    *,
    vocabulary: int,
    temperature: float,
    seed: int,
) -> NDArray[np.int64]:
    """Tokens ``(n,)`` that follow a prompt, each drawn by softmax of its logits over temperature.

    The model sees the last `context` tokens of the prompt and of what has been drawn, from
    position 0 on.

    Args:
        params: of the trained network.
        prompt: one token or more.
        vocabulary: tokens that may be drawn, the first ones of the model's.
        temperature: 0 takes the token of the largest logit.
        seed: of the draws; the same gives the same tokens.

    Raises:
        DataError: logits that are not finite.
    """
    random, tokens = np.random.default_rng(seed), list(prompt)
    with scope(np.result_type(*params.values()).name):
        arrays = jax.device_put(dict(params))
        for _ in range(n):
            seen = tokens[-model.context :]
            # Attention is causal: the padding after the last token does not affect its logits.
            window = np.zeros((1, model.context), np.int32)
            window[0, : len(seen)] = seen
            logits = np.asarray(_logits(model, arrays, jax.device_put(window), len(seen) - 1))
            if not np.isfinite(logits).all():
                raise DataError("finite logits expected, got others: the network has diverged")
            # The argmax of logits plus Gumbel noise is a draw from their softmax (Gumbel 1954).
            noise = random.gumbel(size=vocabulary)
            tokens.append(int(np.argmax(logits[:vocabulary] + temperature * noise)))
    return np.array(tokens[len(prompt) :], np.int64)


@partial(jax.jit, static_argnums=0)
def _logits(
    model: LanguageModel, params: Mapping[str, jax.Array], window: jax.Array, place: int
) -> jax.Array:
    """Logits ``(vocabulary,)`` after the token at a place of a window ``(1, context)``."""
    return model.apply(params, window)[0, place]
