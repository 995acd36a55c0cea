"""PyTorch's draws made by NumPy, held to values that PyTorch itself drew."""

import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allometry.spec.torch_draws import TorchDraws
from tests import ASSETS

GOLDEN: dict[str, Any] = json.loads((ASSETS / "torch_draws.json").read_text())["seeds"]
SEEDS = sorted(GOLDEN)
HEADS = ("5,2", "43,22")


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def after_subset(seed: str) -> TorchDraws:
    """The stream of a notebook's run once its subset is drawn."""
    draws = TorchDraws(int(seed))
    draws.randperm(60_000)
    return draws


def same(drawn: np.ndarray, golden: dict[str, Any]) -> None:
    """Equal to the last bit, or, where values pass through log, sin and cos, to 2.4e-7."""
    assert drawn.dtype == np.float32
    assert list(drawn.shape) == golden["shape"]
    if "sha256" in golden:
        assert sha256(drawn) == golden["sha256"]
    else:
        assert np.abs(drawn.ravel()[:5] - np.float32(golden["first"])).max() <= 2.4e-7
        total = math.fsum(drawn.ravel().astype(float))
        assert total == pytest.approx(golden["sum"], abs=2.4e-7 * drawn.size)


def head_layers(head: str, n_in: int) -> Iterator[tuple[str, int, int]]:
    h1, h2 = map(int, head.split(","))
    for i, (fan_in, fan_out) in enumerate([(n_in, h1), (h1, h2), (h2, 10)], start=1):
        yield f"linear{i}", fan_in, fan_out


def same_head(draws: TorchDraws, head: str, n_in: int, golden: dict[str, Any]) -> None:
    for name, fan_in, fan_out in head_layers(head, n_in):
        weight, bias = draws.linear(fan_in, fan_out)
        same(weight, golden[f"{name}.weight"])
        same(bias, golden[f"{name}.bias"])


def test_the_golden_values_cover_three_seeds_and_two_heads() -> None:
    assert SEEDS == ["42", "43", "7"]
    assert all(tuple(GOLDEN[seed]["mlp"]) == HEADS for seed in SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_subset_is_the_notebooks(seed: str) -> None:
    order, golden = TorchDraws(int(seed)).randperm(60_000), GOLDEN[seed]["randperm_60000"]
    assert order[:20].tolist() == golden["first"]
    assert order[-5:].tolist() == golden["last"]
    assert sha256(order) == golden["sha256"]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("seed", SEEDS)
def test_linear_layers_are_bit_exact(seed: str, head: str) -> None:
    same_head(after_subset(seed), head, 784, GOLDEN[seed]["mlp"][head])


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("seed", SEEDS)
def test_convolutions_and_the_head_behind_them_are_bit_exact(seed: str, head: str) -> None:
    draws, golden = after_subset(seed), GOLDEN[seed]["cnn"]
    for name, channels_in, channels_out in (("conv1", 1, 16), ("conv2", 16, 32)):
        weight, bias = draws.conv2d(channels_in, channels_out, 3)
        same(weight, golden[f"{name}.weight"])
        same(bias, golden[f"{name}.bias"])
    same_head(draws, head, 1568, golden[head])


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("seed", SEEDS)
def test_transformer_draws_keep_the_stream_in_step(seed: str, head: str) -> None:
    draws, golden = after_subset(seed), GOLDEN[seed]["vit"]
    weight, bias = draws.conv2d(1, 64, 4)
    same(weight, golden["patch.weight"])
    same(bias, golden["patch.bias"])
    same(draws.randn((1, 50, 64)), golden["pos_embed"])
    same(draws.randn((1, 1, 64)), golden["cls_token"])
    same(draws.linear(64, 64)[0], golden["encoder.self_attn.out_proj.weight"])
    same(draws.xavier_uniform(64, 192), golden["encoder.self_attn.in_proj_weight"])
    for name, fan_in, fan_out in (("linear1", 64, 128), ("linear2", 128, 64)):
        weight, bias = draws.linear(fan_in, fan_out)
        same(weight, golden[f"encoder.{name}.weight"])
        same(bias, golden[f"encoder.{name}.bias"])
    same_head(draws, head, 64, golden[head])


@pytest.mark.parametrize("n", [16, 50, 64, 3200])
@pytest.mark.parametrize("seed", SEEDS)
def test_normal_draws_agree_to_their_last_bit_or_two(seed: str, n: int) -> None:
    values, golden = TorchDraws(int(seed)).randn((n,)), GOLDEN[seed]["randn"][str(n)]
    assert np.abs(values[:5] - np.float32(golden["first"])).max() <= 2.4e-7
    assert np.abs(values[-5:] - np.float32(golden["last"])).max() <= 2.4e-7
    assert math.fsum(values.astype(float)) == pytest.approx(golden["sum"], abs=2.4e-7 * n)


@given(n=st.integers(1, 15))
def test_fewer_than_sixteen_normals_are_refused(n: int) -> None:
    # PyTorch draws these by another route, which nothing here needs.
    with pytest.raises(ValueError, match=f"16 elements or more.*got {n}"):
        TorchDraws(0).randn((n,))


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 300))
def test_randperm_is_a_permutation(seed: int, n: int) -> None:
    assert sorted(TorchDraws(seed).randperm(n)) == list(range(n))


def test_every_order_of_three_comes_up_equally_often() -> None:
    draws, n = TorchDraws(1), 6_000
    orders = [tuple(draws.randperm(3).tolist()) for _ in range(n)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    # 5 standard deviations of a binomial count.
    assert np.abs(np.array(counts) - n / 6).max() < 5 * math.sqrt(n * 5 / 36)


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    bound=st.floats(1e-3, 10),
)
def test_uniform_draws_stay_within_their_bounds(
    seed: int, shape: tuple[int, int], bound: float
) -> None:
    values = TorchDraws(seed).uniform(shape, -bound, bound)
    assert values.shape == shape
    assert np.abs(values).max() <= np.float32(bound)


@given(seed=st.integers(0, 2**32 - 1), before=st.integers(0, 700), n=st.integers(2, 50))
def test_a_copy_goes_on_alike_and_leaves_its_original_alone(seed: int, before: int, n: int) -> None:
    draws = TorchDraws(seed)
    draws.uniform((before,), 0, 1)
    twin, third = draws.copy(), draws.copy()
    first = twin.randperm(n), twin.linear(n, 3)[0], twin.randn((16,))
    again = draws.randperm(n), draws.linear(n, 3)[0], draws.randn((16,))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (third.randperm(n) == first[0]).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("head", HEADS)
def test_the_loader_shuffles_as_pytorch_does(seed: str, head: str) -> None:
    draws = after_subset(seed)
    for _, fan_in, fan_out in head_layers(head, 784):
        draws.linear(fan_in, fan_out)
    for golden in GOLDEN[seed]["loader"][head]:
        order = draws.loader_order(10_000)
        assert order[: len(golden["first"])].tolist() == golden["first"]
        assert sha256(order) == golden["sha256"]
