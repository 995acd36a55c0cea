"""Models that break one promise are told which; one that keeps all passes."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from allometry.errors import UsageError
from allometry.models import Counts, Model
from allometry.spec.torch_draws import TorchDraws
from allometry.testing import check_model


class Sound(Model):
    """Two layers without counts, weights and check: the smallest model of one's own."""

    width: int = 4

    member_fields: ClassVar[tuple[str, ...]] = ("width",)

    def init(self, draws: TorchDraws) -> Any:
        weight, bias = draws.linear(5, self.width)
        return {"weight": weight, "bias": bias, "out": draws.linear(self.width, 3)[0]}

    def units(self, params: Any, x: Any) -> Any:
        return jax.nn.relu(x @ params["weight"].T + params["bias"])

    def apply(self, params: Any, x: Any) -> Any:
        return self.units(params, x) @ params["out"].T


def told(kind: type[Sound], **options: Any) -> str:
    """What the check says of a model."""
    with pytest.raises(UsageError) as error:
        check_model(kind(), **{"other": kind(width=6), **options})
    return str(error.value)


def test_a_model_of_one_class_and_three_methods_passes() -> None:
    assert check_model(Sound(), other=Sound(width=6)) is None  # type: ignore[func-returns-value]


class BatchNorm(Sound):
    def units(self, params: Any, x: Any) -> Any:
        units = super().units(params, x)
        return (units - units.mean(axis=0)) / (units.std(axis=0) + 1e-3)


class DropoutInApply(Sound):
    def units(self, params: Any, x: Any) -> Any:
        units = super().units(params, x)
        return units * jax.random.bernoulli(jax.random.key(0), 0.5, units.shape)


class GlobalNoise(Sound):
    member_fields = ("width",)

    def apply(self, params: Any, x: Any) -> Any:
        return super().apply(params, x) * np.random.default_rng().normal(size=len(x))[:, None]


class OwnSeed(Sound):
    def init(self, draws: TorchDraws) -> Any:
        return super().init(TorchDraws(0))


class NoSeed(Sound):
    def init(self, draws: TorchDraws) -> Any:
        noise = np.random.default_rng().normal(size=self.width)
        return {**super().init(draws), "bias": noise.astype(np.float32)}


class Doubles(Sound):
    def init(self, draws: TorchDraws) -> Any:
        return {name: array.astype(float) for name, array in super().init(draws).items()}


class WidthAsShape(Sound):
    def units(self, params: Any, x: Any) -> Any:
        return super().units(params, x).reshape(-1, self.width)


class PaddedMean(Sound):
    """Takes the mean over all units of the padded arrays, not the member's own."""

    def units(self, params: Any, x: Any) -> Any:
        units = super().units(params, x)
        return units - jnp.where(units > 0, units.mean(axis=1, keepdims=True), 0)


class Sigmoid(Sound):
    def units(self, params: Any, x: Any) -> Any:
        return jax.nn.sigmoid(super().units(params, x))


class OneOutput(Sound):
    member_fields = ("width",)

    def apply(self, params: Any, x: Any) -> Any:
        return super().apply(params, x)[:, 0]


class SilentDraws(Sound):
    """Draws while training and says that it does not."""

    stochastic: ClassVar[bool] = False

    member_fields = ("width",)

    def apply_training(self, params: Any, x: Any, key: Any) -> Any:
        return self.apply(params, x * jax.random.bernoulli(key, 0.5, x.shape) * 2)


class BiasedDraws(Sound):
    """Forgets to divide by what is left."""

    member_fields = ("width",)

    def apply_training(self, params: Any, x: Any, key: Any) -> Any:
        return self.apply(params, x * jax.random.bernoulli(key, 0.2, x.shape))


class Careless(Sound):
    """Breaks four promises that have nothing to do with each other."""

    member_fields = ("width",)

    def init(self, draws: TorchDraws) -> Any:
        return {**super().init(draws), "spare": draws.linear(2, 2)[0]}

    def counts(self) -> Counts:
        return Counts(5, 5, 10_000, 20_000)

    def apply(self, params: Any, x: Any) -> Any:
        return super().apply(params, x).astype(jnp.float32)

    def rate_factors(self, kind: Any) -> Any:
        return {"weight0": 1.0} if kind == "sgd" else {}


class Missing(Sound):
    member_fields = ("width",)

    def apply(self, params: Any, x: Any) -> Any:
        return super().apply(params, x) + params["shift"]


HOSTILE = [
    (BatchNorm, ["depend on the others of its batch"]),
    (DropoutInApply, ["or on its place there"]),
    (GlobalNoise, ["or on its place there"]),
    (OwnSeed, ["the same values for two seeds"]),
    (NoSeed, ["other values of ['bias'] for the same seed"]),
    (Doubles, ["'weight': 'float64'", "NumPy arrays of float32 expected"]),
    (WidthAsShape, ["works alone and fails in a pack"]),
    (PaddedMean, ["in a pack ['weight', 'bias', 'out'] train differently than alone"]),
    (Sigmoid, ["the padding of ['out'] does not stay zero"]),
    (OneOutput, ["outputs (12,) for 12 examples: (12, n_out) expected"]),
    (SilentDraws, ["but stochastic is False"]),
    (BiasedDraws, ["is not near apply"]),
    (Missing, ["KeyError: 'shift'"]),
]


@pytest.mark.parametrize(("kind", "sentences"), HOSTILE)
def test_a_broken_promise_is_named(kind: type[Sound], sentences: list[str]) -> None:
    # Inputs of a model that fails at once cannot be found by trying.
    examples = np.random.default_rng(0).normal(size=(12, 5))
    report = told(kind, examples=examples)
    assert all(sentence in report for sentence in sentences), report
    assert report.count("\n- ") == 1, report


def test_all_broken_promises_are_named() -> None:
    report = told(Careless)
    for sentence in (
        "do not depend on 'spare'",
        "n_params = 5, init gives 40 numbers",
        "n_params_no_biases = 5: from 36, the numbers in the matrices of weights",
        "forward_flop = 10000, the operations of apply are",
        "apply gives float32 for float64",
        "names 'weight0', which init does not give",
    ):
        assert sentence in report, report


def test_a_model_with_member_fields_is_not_passed_unpacked() -> None:
    assert "give other=, a model that differs in them" in told(Sound, other=None)


class Deep(Sound):
    layers: int = 1


def test_a_second_model_that_shares_no_pack_is_refused() -> None:
    with pytest.raises(UsageError, match=r"it differs in \['layers'\]"):
        check_model(Deep(), other=Deep(layers=2))
    with pytest.raises(UsageError, match="of the same class expected, got Deep"):
        check_model(Sound(), other=Deep())


class Named(Sound):
    style: str = "plain"
    member_fields: ClassVar[tuple[str, ...]] = ("width", "style")


def test_members_differ_in_numbers_alone() -> None:
    assert "'style', which is 'plain': numbers expected" in told(Named, other=None)


class Image(Sound):
    """Takes examples of a width that none of its arrays has."""

    def units(self, params: Any, x: Any) -> Any:
        return super().units(params, x.reshape(-1, 5, 2).sum(axis=2))


def test_examples_are_asked_for_where_their_width_is_not_seen() -> None:
    assert "give examples=" in told(Image)
    check_model(Image(), other=Image(width=6), examples=np.ones((4, 10)) * np.arange(4)[:, None])


def test_an_error_is_told_by_its_first_line() -> None:
    class Broken(Sound):
        member_fields: ClassVar[tuple[str, ...]] = ("width",)

        def apply(self, params: Any, x: Any) -> Any:
            raise ValueError("of\x1cthis\u2028name\nand more")

    assert "apply: ValueError: of\x1cthis\u2028name" in told(Broken, examples=np.ones((4, 5)))
