"""Bits a byte of a loss in nats a token; text that a model writes as it is trained."""

import dataclasses
import math

import numpy as np
import pytest

from allometry.datasets import BytePair, Moons, Text, read_text
from allometry.datasets.text.ngrams import ByteModel
from allometry.errors import UsageError
from allometry.measures import Network, bits_per_byte, sampled_text
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import SGD
from allometry.spec.torch_draws import TorchDraws
from tests.datasets.text.conftest import story


@pytest.fixture
def data(tmp_path, monkeypatch) -> Text:
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "book.txt").write_text(story(20_000), encoding="utf-8")
    return read_text(tmp_path / "book.txt", context=16, test_tokens=512, valid_tokens=256)


def network(data, **losses) -> Network:
    train = TrainSpec(optimizer=SGD(learning_rate=0.1), epochs=1)
    model = MLP(widths=(2, 2, 2))
    spec = RunSpec(model=model, data=data, train=train, seed=0)
    split = data.prepare(TorchDraws(0))
    return Network(spec, model, {}, losses, split, 0, 0)


def test_a_uniform_guess_of_bytes_costs_eight_bits(data):
    found = bits_per_byte(network(data, test_loss=math.log(256), valid_loss=math.log(16)))
    assert found["test_bits_per_byte"] == pytest.approx(8)
    assert found["valid_bits_per_byte"] == pytest.approx(4)
    assert (found["test_bytes"], found["valid_bytes"]) == (512, 256)


def test_the_bits_of_a_model_of_bytes_are_the_same_by_whatever_tokens(data):
    """What a model of bytes says of each token is the product over its bytes."""
    pytest.importorskip("tokenizers")
    model = ByteModel.of(b"".join(data.parts().train), 1)
    text = data.with_options(tokeniser=BytePair(vocabulary=290), valid_tokens=0)
    net = network(text)
    vocabulary = text._tokens().vocabulary
    nats = [-np.log(model.probabilities(vocabulary[t])).sum() for t in net.split.test_y.ravel()]
    net = dataclasses.replace(net, losses={"test_loss": float(np.mean(nats))})
    tested = b"".join(vocabulary[token] for token in net.split.test_y.ravel())
    found = bits_per_byte(net)
    assert found["test_bytes"] == len(tested) > net.split.test_y.size
    assert found["test_bits_per_byte"] == pytest.approx(model.bits_per_byte(tested))
    assert "valid_bits_per_byte" not in found


def test_other_data_are_refused():
    with pytest.raises(UsageError, match=r"bits_per_byte needs data=Text\(...\), got Moons"):
        bits_per_byte(network(Moons(), test_loss=1.0))


def test_text_is_of_language_models_on_text_alone(data):
    with pytest.raises(UsageError, match=r"a LanguageModel on Text\(...\), got MLP on Text"):
        sampled_text(network(data, test_loss=1.0))
