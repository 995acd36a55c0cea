"""A perceptron on the class output of a frozen random Vision Transformer."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from allometry.models.frozen import FrozenEncoder
from allometry.models.model import Params
from allometry.spec.torch_draws import TorchDraws

__all__ = ["FrozenViT"]

DIM, HEADS, FEED_FORWARD, PATCH, LAYERS = 64, 4, 128, 4, 2
Arrays = Mapping[str, jax.Array]
TOKENS = 50  # the class token and 7 x 7 patches


class FrozenViT(FrozenEncoder):
    """Head on the 64 class features of a random Transformer over 4 x 4 patches.

    `VIT_N_logic` of seed 000: a strided convolution to 49 tokens, a class token in
    front, positions added, two post-norm layers (4 heads, feed-forward 128, ReLU).
    ``nn.TransformerEncoder`` copies one drawn layer, so both layers start, and
    stay, the same.

    The encoder runs in evaluation mode. The original leaves its dropout of 0.1 on
    while the head trains (never while it is tested), so its head sees fresh noise
    on the features at each visit. What that changes is measured by
    ``benchmarks/vit_dropout.py`` and stated in the documentation.
    """

    n_features: ClassVar[int] = DIM

    def draw_encoder(self, draws: TorchDraws) -> Params:
        patch_weight, patch_bias = draws.conv2d(1, DIM, PATCH)
        positions = draws.randn((TOKENS, DIM))
        token = draws.randn((1, DIM))
        # The bias drawn with the output projection is set to zero afterwards.
        out_weight, _ = draws.linear(DIM, DIM)
        in_weight = draws.xavier_uniform(DIM, 3 * DIM)
        weight1, bias1 = draws.linear(DIM, FEED_FORWARD)
        weight2, bias2 = draws.linear(FEED_FORWARD, DIM)
        return {
            "patch_weight": patch_weight.reshape(DIM, PATCH * PATCH),
            "patch_bias": patch_bias,
            "positions": positions,
            "token": token,
            "in_weight": in_weight,
            "out_weight": out_weight,
            "weight1": weight1,
            "bias1": bias1,
            "weight2": weight2,
            "bias2": bias2,
        }

    @staticmethod
    def encode(encoder: Any, images: jax.Array) -> jax.Array:
        x = _tokens(encoder, images)
        for layer in range(LAYERS):
            # Only the class token of the last layer is used.
            first = x[:, :1] if layer == LAYERS - 1 else x
            first = _layer_norm(first + _attention(encoder, first, x))
            x = _layer_norm(first + _feed_forward(encoder, first))
        return x[:, 0]


def _tokens(encoder: Arrays, images: jax.Array) -> jax.Array:
    """Embedded tokens ``(B, 50, 64)`` of images ``(B, 28, 28)``."""
    n, side = len(images), images.shape[1] // PATCH
    patches = images.reshape(n, side, PATCH, side, PATCH).swapaxes(2, 3).reshape(n, side**2, -1)
    embedded = patches @ encoder["patch_weight"].T + encoder["patch_bias"]
    token = jnp.broadcast_to(encoder["token"], (n, 1, DIM))
    return jnp.concatenate([token, embedded], axis=1) + encoder["positions"]


def _attention(encoder: Arrays, asking: jax.Array, asked: jax.Array) -> jax.Array:
    """Attention with `HEADS` heads from tokens ``(B, n, 64)`` to all ``(B, 50, 64)``; no biases."""
    heads = (HEADS, DIM // HEADS)
    weights = encoder["in_weight"].reshape(3, DIM, DIM)
    query, key, value = (
        (x @ weight.T).reshape(*x.shape[:2], *heads)
        for x, weight in zip((asking, asked, asked), weights, strict=True)
    )
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(DIM // HEADS)
    mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), value)
    return mixed.reshape(asking.shape) @ encoder["out_weight"].T


def _feed_forward(encoder: Arrays, x: jax.Array) -> jax.Array:
    inner = jax.nn.relu(x @ encoder["weight1"].T + encoder["bias1"])
    return inner @ encoder["weight2"].T + encoder["bias2"]


def _layer_norm(x: jax.Array) -> jax.Array:
    """As ``nn.LayerNorm`` starts: unit scale, no shift, epsilon 1e-5."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / jnp.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(1e-5))
