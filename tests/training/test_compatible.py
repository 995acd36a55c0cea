"""Parts of a person's own that would train to wrong numbers are refused in words."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from allometry import RunSpec, TrainSpec
from allometry.datasets import Arrays
from allometry.errors import UsageError
from allometry.models import MLP, LanguageModel
from allometry.models.model import Model
from allometry.spec.losses import Loss, SquaredError
from allometry.spec.metrics import R2, Metric
from allometry.spec.optimizers import SGD, Optimizer
from allometry.training import evaluation
from allometry.training.loop import Training
from allometry.training.program import prepare
from tests.models.windows import Windows

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
LABELS, REAL = (X[:, 0] > 0).astype(int), np.sin(X[:, 0])


def prepared(targets=REAL, n_out=1, optimizer=None, **train):
    train = {"loss": SquaredError(), "epochs": 1, "optimizer": optimizer or SGD()} | train
    data = Arrays.of(X, targets, test=5)
    model = MLP(widths=(3, 4, n_out))
    return prepare([RunSpec(model=model, data=data, train=TrainSpec(**train), seed=0)])


class Quartic(Loss):
    """Takes each output from every target: (B, 1) less (B,) is (B, B)."""

    def each(self, outputs, targets):
        return ((outputs - targets) ** 4).mean(axis=-1)


class OneExample(Quartic):
    def each(self, outputs, targets):
        return super().each(outputs, targets.reshape(outputs.shape))


class OfBatch(Loss):
    def each(self, outputs, targets):
        return jnp.full(len(outputs), outputs.mean())


class Absolute(Metric):
    def each(self, outputs, targets):
        return jnp.abs(outputs - targets).mean(axis=-1)


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ({"loss": Quartic()}, r"Quartic.*depends on the other.*targets.reshape\(outputs.shape\)"),
        ({"loss": OfBatch()}, "OfBatch.each.*depends on the other"),
        ({"metrics": (Absolute(),)}, "Absolute.each.*depends on the other"),
    ],
)
def test_a_score_is_of_one_example(train, words):
    with pytest.raises(UsageError, match=words):
        prepared(**train)


def test_a_loss_of_one_example_is_taken():
    prepared(loss=OneExample())


def test_a_metric_that_does_not_fit_the_targets_is_named():
    with pytest.raises(UsageError, match="the metric R2 needs real targets, one for each"):
        prepared(LABELS, n_out=2, metrics=(R2(),))


class Complete(Optimizer):
    def direction(self):
        return optax.adam(self.learning_rate)


class Direction(Optimizer):
    def direction(self):
        return optax.scale_by_adam()


def test_complete_updates_are_no_direction():
    with pytest.raises(UsageError, match=r"direction has the wrong sign.*optax.scale_by_adam"):
        prepared(optimizer=Complete(learning_rate=0.1))
    prepared(optimizer=Direction(learning_rate=0.1))


# ---- models ----------------------------------------------------------------------------------


class Layers(Model):
    width: int = 4

    def init(self, draws):
        weight0, bias0 = draws.linear(3, self.width)
        weight1, bias1 = draws.linear(self.width, 2)
        return {"weight0": weight0, "bias0": bias0, "weight1": weight1, "bias1": bias1}

    def apply(self, params, x):
        return self.hidden(x @ params["weight0"].T + params["bias0"]) @ params["weight1"].T

    def hidden(self, units):
        return jnp.tanh(units)


class BatchNorm(Layers):
    def hidden(self, units):
        return jnp.tanh((units - units.mean(axis=0)) / (units.std(axis=0) + 1e-5))


class LayerNorm(Layers):
    def hidden(self, units):
        return units / (1 + units.std(axis=-1, keepdims=True))


RANDOM = np.random.default_rng(0)


class OtherDraws(Layers):
    def init(self, draws):
        start = super().init(draws)
        return start | {"bias0": RANDOM.normal(size=self.width).astype(np.float32)}


def test_a_model_is_of_one_example_and_of_its_seed():
    LayerNorm().check(3, 2)
    with pytest.raises(UsageError, match=r"BatchNorm.apply: .* depend on the others"):
        BatchNorm().check(3, 2)
    with pytest.raises(UsageError, match=r"OtherDraws.init: the same start values"):
        OtherDraws().check(3, 2)


class Choosing(Layers):
    """Asks for its width with a Python `if`, which no traced number answers."""

    member_fields = ("width",)

    def hidden(self, units):
        return jnp.tanh(units) if self.width > 4 else units


def test_fields_that_cannot_be_traced_train_by_equal_shapes():
    data = Arrays.of(X, LABELS, test=5)
    train = TrainSpec(optimizer=SGD(), epochs=1)
    specs = [RunSpec(model=Choosing(width=w), data=data, train=train, seed=0) for w in (4, 5)]
    packs = Training().packs(specs)
    assert [len(pack.specs) for pack in packs] == [1, 1]
    assert all("cannot be computed as traced numbers" in pack.note for pack in packs)


# ---- sequences -------------------------------------------------------------------------------


def of_windows(data, **train):
    """A pack of a language model on windows of 10 tokens below 13."""
    model = LanguageModel(vocabulary=13, context=10, d_model=8, n_layers=1, d_head=4, d_mlp=8)
    train = {"epochs": 1, "batch_size": 4, "optimizer": SGD()} | train
    return prepare([RunSpec(model=model, data=data, train=TrainSpec(**train), seed=0)])


class LastToken(Windows):
    """One label for a window, where the network answers at every position."""

    def load(self, draws):
        return super().load(draws).mapped(lambda part, a: a[:, -1] if part[-1] == "y" else a)


def test_a_label_for_each_position_is_expected():
    with pytest.raises(UsageError, match=r"outputs \(B, 10, 13\).*a label for each position"):
        of_windows(LastToken())


def test_a_loss_that_gives_a_number_for_each_position_is_refused():
    with pytest.raises(UsageError, match=r"SquaredError\.each: one number an example expected"):
        of_windows(Windows(), loss=SquaredError())


def test_sequences_are_evaluated_few_at_a_time_and_their_mean_is_that_of_all_positions(monkeypatch):
    monkeypatch.setattr(evaluation, "BATCH", 25)
    program, state = of_windows(Windows())
    sizes = []
    batch_sums = evaluation._batch_sums
    monkeypatch.setattr(
        evaluation, "_batch_sums",
        lambda *arguments: sizes.append(len(arguments[4])) or batch_sums(*arguments),
    )  # fmt: skip
    losses = evaluation.means(program.descent, state.params, program.splits)
    assert set(sizes) == {2}  # windows of 10 tokens
    split, layout = program.splits[0], program.descent.layout
    logits = np.asarray(layout.apply(state.params, jnp.asarray(split.train_x)))[0]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    chosen = np.take_along_axis(probabilities, split.train_y[..., None], axis=-1)
    np.testing.assert_allclose(losses["train_loss"], -np.log(chosen).mean(), rtol=1e-6)
