"""Convolutional networks: what they compute, their sizes and their work."""

from typing import Any

import jax
import numpy as np
import pytest
from pydantic import ValidationError

from allometry.errors import UsageError
from allometry.models import CNN
from allometry.spec.torch_draws import TorchDraws

OPTIONS: list[dict[str, Any]] = [
    {},
    {"head": "flatten", "norm": "layer"},
    {"pool": "mean", "norm": "group", "norm_groups": 2},
    {"pool": "none", "norm": "rms", "head": "flatten"},
]


def convolution(x: Any, weight: Any, bias: Any) -> Any:
    """By its sum: x ``(B, H, W, in)``, weight ``(out, in, 3, 3)``, zeros around the image."""
    _, height, width, _ = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    out = sum(
        padded[:, i : i + height, j : j + width] @ weight[:, :, i, j].T
        for i in range(3)
        for j in range(3)
    )
    return out + bias


def normalised(x: Any, norm: str, groups: int) -> Any:
    """Over height, width and the channels of a group."""
    parts = x.reshape(*x.shape[:3], groups, -1)
    if norm != "rms":
        parts = parts - parts.mean(axis=(1, 2, 4), keepdims=True)
    return (parts / np.sqrt((parts**2).mean(axis=(1, 2, 4), keepdims=True) + 1e-5)).reshape(x.shape)


def by_definition(model: CNN, params: Any, x: Any) -> Any:
    for i in range(len(model.channels)):
        x = convolution(x, params[f"weight{i}"], params[f"bias{i}"])
        if model.norm != "none":
            x = normalised(x, model.norm, model.norm_groups) * params[f"scale{i}"]
            x = x + params.get(f"shift{i}", 0)
        x = np.maximum(x, 0)
        if model.pool != "none":
            height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
            corners = [x[:, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]
            x = np.max(corners, axis=0) if model.pool == "max" else np.mean(corners, axis=0)
    last = len(model.channels)
    # Channel by channel, as PyTorch flattens.
    seen = (
        x.mean(axis=(1, 2)) if model.head == "mean" else x.transpose(0, 3, 1, 2).reshape(len(x), -1)
    )
    return seen @ params[f"weight{last}"].reshape(model.outputs, -1).T + params[f"bias{last}"]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_network_computes_what_its_definition_says(options: dict[str, Any]) -> None:
    model = CNN(channels=(4, 6), image=(9, 8, 2), outputs=3, **options)
    random = np.random.default_rng(0)
    params = {
        name: (array + 0.1 * random.normal(size=array.shape)).astype(np.float32)
        for name, array in model.init(TorchDraws(0)).items()
    }
    x = random.normal(size=(5, 9, 8, 2)).astype(np.float32)
    got = jax.jit(model.apply)(params, x.reshape(5, -1))
    np.testing.assert_allclose(got, by_definition(model, params, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", OPTIONS)
def test_counts_are_the_sizes_and_the_work_of_the_program(options: dict[str, Any]) -> None:
    """Sizes exactly; forward work within 3% of what XLA counts."""
    model = CNN(channels=(16, 32), image=(12, 12, 3), **options)
    params, counts = model.init(TorchDraws(0)), model.counts()
    assert counts.n_params == sum(a.size for a in params.values())
    assert counts.n_params_no_biases == sum(w.size for w in model.weights(params))
    x = np.zeros((4, 432), np.float32)
    cost: Any = jax.jit(model.apply).lower(params, x).compile().cost_analysis()
    # XLA leaves out the products with the zeros around an image, and counts maxima.
    rows = (12, 12 if model.pool == "none" else 6)
    kernels = [9 * 3 * 16, 9 * 16 * 32]
    border = sum(
        2 * k * (n * n - ((3 * n - 2) / 3) ** 2) for k, n in zip(kernels, rows, strict=True)
    )
    maxima: float = sum(c * n * n for c, n in zip((16, 32), rows, strict=True))
    maxima *= {"max": 1.75, "mean": 1, "none": 1}[model.pool]
    assert cost["flops"] / 4 == pytest.approx(counts.forward_flop - border + maxima, rel=0.03)


def test_the_start_is_drawn_layer_by_layer_as_pytorch_does() -> None:
    model = CNN(channels=(3, 5), image=(8, 8, 1), outputs=4, head="flatten")
    params, draws = model.init(TorchDraws(7)), TorchDraws(7)
    for i, (fan_in, channels) in enumerate([(1, 3), (3, 5)]):
        for name, array in zip(("weight", "bias"), draws.conv2d(fan_in, channels, 3), strict=True):
            np.testing.assert_array_equal(params[f"{name}{i}"], array)
    weight, bias = draws.linear(5 * 2 * 2, 4)
    np.testing.assert_array_equal(params["weight2"].reshape(4, -1), weight)
    np.testing.assert_array_equal(params["bias2"], bias)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image": (2, 8, 1)}, "too small to be halved 2 times"),
        ({"norm": "group", "norm_groups": 4}, "divides channels"),
        ({"parametrisation": "mup", "base_channels": (4,)}, "one for each block"),
        ({"base_channels": (4, 6)}, "belong together"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        CNN(channels=(4, 6), **options)


def test_other_images_are_refused_in_words() -> None:
    with pytest.raises(UsageError, match="images of 28 x 28 x 1 in at most 10 classes"):
        CNN(channels=(3,)).check(100, 10)
    CNN(channels=(3,)).check(784, 7)
