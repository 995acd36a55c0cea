"""Frozen encoders give the features PyTorch's give, and their heads pack by encoder."""

import hashlib
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from allometry.datasets.images import ImageArrays
from allometry.datasets.splits import ImageSubset, Moons
from allometry.errors import UsageError
from allometry.measures import losses, path_entropies
from allometry.models import MLP, FrozenCNN, FrozenViT
from allometry.models.frozen import CHUNK
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.spec.torch_draws import TorchDraws
from allometry.training.loop import train_pack
from allometry.training.packing.choose import make_packs
from allometry.training.procedure import Pack
from tests import ASSETS

GOLDEN: dict[str, Any] = json.loads((ASSETS / "torch_draws.json").read_text())["seeds"]
SEEDS = sorted(GOLDEN)
HEADS = ("5,2", "43,22")
MEASURES = {"losses": losses, "path_entropies": path_entropies}
ENCODERS = {"cnn": FrozenCNN, "vit": FrozenViT}


def model(kind: str, *hidden: int) -> MLP:
    encoder = ENCODERS[kind]
    return encoder(widths=(encoder.n_features, *hidden, 10))


def after_subset(seed: str) -> TorchDraws:
    """The stream of a notebook's run once its subset is drawn."""
    draws = TorchDraws(int(seed))
    draws.randperm(60_000)
    return draws


@pytest.fixture(scope="module")
def images(fashion_mnist: ImageArrays) -> np.ndarray:
    """The first three training images of FashionMNIST, as the golden features saw them."""
    return fashion_mnist.train_x[:3] / np.float32(255)


@pytest.mark.parametrize("seed", SEEDS)
def test_convolutional_features_equal_pytorchs(seed: str, images: np.ndarray) -> None:
    [features] = model("cnn", 5, 2).features(after_subset(seed), [images])
    golden = GOLDEN[seed]["cnn"]["features"]
    assert features.shape == (3, 1568)
    assert np.abs(features[:, ::98] - np.array(golden["every_98th"])).max() < 1e-5
    for row, total, squares in zip(
        features.astype(float), golden["sum"], golden["sum_of_squares"], strict=True
    ):
        assert math.fsum(row) == pytest.approx(total, abs=1e-5 * math.sqrt(1568))
        assert math.fsum(row**2) == pytest.approx(squares, rel=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_transformer_features_equal_pytorchs(seed: str, images: np.ndarray) -> None:
    [features] = model("vit", 5, 2).features(after_subset(seed), [images])
    golden = np.array(GOLDEN[seed]["vit"]["features"])
    assert features.shape == golden.shape == (3, 64)
    assert np.abs(features - golden).max() < 1e-5


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_head_is_drawn_after_the_encoder(
    seed: str, kind: str, head: str, images: np.ndarray
) -> None:
    draws, network = after_subset(seed), model(kind, *map(int, head.split(",")))
    network.features(draws, [images])
    params: Any = network.init(draws)
    for i in range(3):
        for name in ("weight", "bias"):
            golden = GOLDEN[seed][kind][head][f"linear{i + 1}.{name}"]
            assert list(params[f"{name}{i}"].shape) == golden["shape"]
            assert hashlib.sha256(params[f"{name}{i}"].tobytes()).hexdigest() == golden["sha256"]


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("n", [1, CHUNK, CHUNK + 1, 2 * CHUNK + 137])
def test_an_images_features_do_not_depend_on_its_chunk(kind: str, n: int) -> None:
    random = np.random.default_rng(n)
    x = random.random((n, 28, 28), dtype=np.float32)
    network, draws = model(kind, 3), TorchDraws(1)
    whole, first, last = network.features(draws, [x, x[:1], x[-1:]])
    assert whole.shape == (n, network.widths[0])
    assert np.abs(whole[:1] - first).max() < 1e-5
    assert np.abs(whole[-1:] - last).max() < 1e-5


def test_convolutions_pad_with_zeros_and_take_the_largest_of_four() -> None:
    # Weights of a hand-made encoder: channel 0 of each layer copies its centre pixel.
    copy1, copy2 = np.zeros((16, 1, 3, 3), np.float32), np.zeros((32, 16, 3, 3), np.float32)
    copy1[0, 0, 1, 1] = copy2[0, 0, 1, 1] = 1
    encoder = {"weight1": copy1, "bias1": np.zeros(16), "weight2": copy2, "bias2": np.zeros(32)}
    image = np.random.default_rng(0).normal(size=(1, 28, 28)).astype(np.float32)
    pooled = np.maximum(image[0].reshape(7, 4, 7, 4).max(axis=(1, 3)), 0)
    features = np.asarray(FrozenCNN.encode(encoder, image))[0]
    assert (features[:49].reshape(7, 7) == pooled).all()
    assert (features[49:] == 0).all()


@pytest.mark.parametrize("kind", ENCODERS)
def test_inputs_that_are_not_images_are_refused(kind: str) -> None:
    points = Moons(n_samples=10).load(TorchDraws(0)).train_x
    with pytest.raises(UsageError, match=r"images of 28 x 28, got examples of shape \(2,\)"):
        model(kind, 3).features(TorchDraws(0), [points])


@given(width=st.integers(1, 2000))
@settings(max_examples=30)
def test_the_heads_first_width_is_the_encoders(width: int) -> None:
    for encoder in ENCODERS.values():
        if width != encoder.n_features:
            with pytest.raises(ValidationError, match=rf"widths\[0\] = {encoder.n_features} exp"):
                encoder(widths=(width, 5, 10))


@pytest.mark.parametrize("kind", ENCODERS)
def test_counts_are_of_the_head_alone(kind: str) -> None:
    network = model(kind, 43, 22)
    assert network.counts() == MLP(widths=network.widths).counts()
    n_in = network.widths[0]
    assert network.counts().n_params == (n_in + 1) * 43 + 44 * 22 + 23 * 10


@given(order=st.permutations(range(9)))
@settings(max_examples=30)
def test_packs_never_mix_encoders(order: list[int]) -> None:
    # A plain perceptron of the same widths sees other features: it is a third family.
    networks = [model(kind, h, 2) for kind in ENCODERS for h in (3, 5, 8)]
    networks += [MLP(widths=(64, 3, 2, 10)), MLP(widths=(1568, 3, 2, 10))]
    networks += [MLP(widths=(64, 5, 2, 10))]
    specs = [
        RunSpec(
            model=networks[i],
            data=ImageSubset(name="fashion-mnist", n_train=100),
            train=TrainSpec(optimizer=Adam(), epochs=1),
            seed=42,
        )
        for i in order
    ]
    packs = make_packs(specs, threads=1)
    kinds = [{(type(s.model), s.model.widths[0]) for s in pack.specs} for pack in packs]  # type: ignore[attr-defined]
    assert all(len(kind) == 1 for kind in kinds)
    assert sorted(len(pack.specs) for pack in packs) == [1, 2, 3, 3]


@pytest.mark.usefixtures("fashion_mnist")
@pytest.mark.parametrize("kind", ["vit", pytest.param("cnn", marks=pytest.mark.slow)])
def test_a_head_trained_in_a_pack_is_the_head_trained_alone(kind: str) -> None:
    train = TrainSpec(optimizer=Adam(), epochs=2)
    data = ImageSubset(name="fashion-mnist", n_train=300, n_test=200)
    hidden = ((1, 1), (43, 22))
    specs = [RunSpec(model=model(kind, *h), data=data, train=train, seed=7) for h in hidden]
    [pack] = make_packs(specs, threads=1)
    for together in train_pack(pack, MEASURES, {}):
        [alone] = train_pack(Pack((together.spec,)), MEASURES, {})
        assert together.status == alone.status == "done"
        assert alone.row["test_loss"] != alone.row["test_loss_untrained"]
        assert together.row["hidden_sizes"] == alone.row["hidden_sizes"]
        one, two = (
            {name: value for name, value in run.row.items() if not isinstance(value, str)}
            for run in (together, alone)
        )
        assert one == pytest.approx(two, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("kind", ENCODERS)
def test_the_encoder_is_part_of_a_runs_name(kind: str) -> None:
    head = model(kind, 5, 2)
    plain = MLP(widths=head.widths)
    train = TrainSpec(optimizer=Adam(), epochs=1)
    data = ImageSubset(name="fashion-mnist", n_train=100)
    ids = {RunSpec(model=m, data=data, train=train, seed=0).run_id for m in (head, plain)}
    assert len(ids) == 2
