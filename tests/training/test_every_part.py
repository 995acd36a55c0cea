"""Every shipped model, update rule and loss in packs: members are what they are alone."""

import numpy as np
import pytest

from allometry.datasets.data import Data
from allometry.datasets.modular import ModularAddition
from allometry.datasets.split import Split
from allometry.models import CNN, MLP, EmbeddingDecoder, OneLayerTransformer
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.losses import BinaryCrossEntropy, CrossEntropy, Huber, SquaredError
from allometry.spec.optimizers import SGD, Adam, AdamW, Lion, Optax
from allometry.training import proof
from allometry.training.packing.sharing import program_key


class Points(Data):
    """Random examples of the run's seed; targets that every loss has a meaning for."""

    side: int = 0

    @property
    def n_data(self):
        return 24

    def load(self, draws):
        shape = (self.side, self.side) if self.side else (5,)
        x = draws.uniform((32, *shape), -1, 1)
        y = (x.reshape(32, -1)[:, 0] > 0).astype(np.int32)
        return Split(x[:24], y[:24], x[24:], y[24:])


PAIRS = {
    "MLP": (Points(), [MLP(widths=(5, w, 3, 2)) for w in (3, 9)]),
    "MLP with norm": (Points(), [MLP(widths=(5, w, w, 2), norm="layer") for w in (4, 8)]),
    "MLP, residual": (Points(), [MLP(widths=(5, w, w, 2), residual=True) for w in (4, 6)]),
    "MLP, sigmoid": (Points(), [MLP(widths=(5, w, 2), activation="sigmoid") for w in (4, 6)]),
    "MLP, muP": (
        Points(),
        [MLP(widths=(5, w, w, 2), parametrisation="mup", base_width=4) for w in (4, 8)],
    ),
    "MLP, dropout": (Points(), [MLP(widths=(5, 6, 2), dropout=0.3)] * 2),
    "CNN": (Points(side=8), [CNN(image=(8, 8, 1), channels=(c,), outputs=2) for c in (2, 3)]),
    "EmbeddingDecoder": (
        ModularAddition(p=7, fraction=0.6),
        [EmbeddingDecoder(p=7, d_embed=d, hidden=(h,)) for d, h in ((4, 5), (6, 3))],
    ),
    "OneLayerTransformer": (
        ModularAddition(p=7, fraction=0.6),
        [OneLayerTransformer(p=7, d_model=8, n_heads=2, d_mlp=m) for m in (3, 6)],
    ),
}
RULES = {
    "SGD": [SGD(), SGD(learning_rate=0.2)],
    "Nesterov": [SGD(momentum=m, nesterov=True, weight_decay=0.1) for m in (0.9, 0.5)],
    "Adam": [Adam(), Adam(b1=0.5, eps=1e-4)],
    "AdamW": [AdamW(), AdamW(weight_decay=0.5)],
    "AdamW on weights": [AdamW(decays="weights", weight_decay=w) for w in (0.1, 0.5)],
    "Lion": [Lion(weight_decay=0.1), Lion(b1=0.5, weight_decay=0.1)],
    "Optax": [Optax(name="optax.adafactor", learning_rate=0.1)] * 2,
}
LOSSES = [CrossEntropy(), SquaredError(), Huber(delta=0.5)]


def difference(model, rule, loss, clip_norm=None):
    """What differs between two members together and alone, in words; empty for nothing."""
    data, models = PAIRS[model]
    specs = [
        RunSpec(
            model=m, data=data, seed=seed,
            train=TrainSpec(optimizer=o, steps=2, batch_size=8, loss=loss, clip_norm=clip_norm),
        )
        for seed, (m, o) in enumerate(zip(models, RULES[rule], strict=True))
    ]  # fmt: skip
    if len({program_key(spec) for spec in specs}) > 1:
        specs = [spec.model_copy(update={"model": models[0]}) for spec in specs]
    return proof._difference(proof._Members(tuple(specs)))


@pytest.mark.parametrize("model", PAIRS)
def test_every_model_in_a_pack_is_itself(model):
    assert difference(model, "Adam", CrossEntropy()) == ""


@pytest.mark.parametrize("rule", RULES)
def test_every_update_rule_in_a_pack_is_itself(rule):
    assert difference("MLP", rule, CrossEntropy(), clip_norm=0.1) == ""


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_every_loss_in_a_pack_is_itself(loss):
    assert difference("MLP", "Nesterov", loss) == ""


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("model", PAIRS)
def test_every_part_with_every_other(model, rule, loss):
    assert difference(model, rule, loss) == ""


def test_the_comparison_sees_what_is_wrong(monkeypatch):
    """Members that stop each other's gradients are told from those that do not."""
    from allometry.training.packing.side_by_side import SideBySide

    apply = SideBySide.apply
    monkeypatch.setattr(
        SideBySide, "apply",
        lambda self, packed, x, keys=None: apply(self, packed, x, keys).mean(axis=0, keepdims=True)
        + 0 * apply(self, packed, x, keys),
    )  # fmt: skip
    data, models = Points(), [MLP(widths=(5, w, 2)) for w in (3, 9)]
    train = TrainSpec(optimizer=Adam(), steps=2, batch_size=8)
    specs = [RunSpec(model=m, data=data, seed=0, train=train) for m in models]
    assert "other outputs" in proof._difference(proof._Members(tuple(specs)))


# ---- losses against other ways -------------------------------------------------------------


def test_small_cross_entropies_keep_their_digits():
    """float64 by the definition; version 1 was off by a quarter at logits of 60."""
    for gap in (5.0, 20.0, 60.0, 80.0):
        logits = np.array([[60.0 + gap, 60.0, 59.0, 1.0], [3.0, 3.0 + gap, 0.0, -1.0]])
        labels = np.array([0, 1])
        rest = [np.exp(np.delete(z, y) - z[y]).sum() for z, y in zip(logits, labels, strict=True)]
        found = CrossEntropy().each(np.float32(logits), labels)
        np.testing.assert_allclose(found, np.log1p(rest), rtol=2e-6)


def test_cross_entropy_and_its_gradient_are_those_of_a_second_way():
    import jax
    import jax.numpy as jnp

    logits = np.random.default_rng(0).normal(0, 30, (64, 7)).astype(np.float32)
    labels = np.arange(64) % 7
    hot = np.eye(7, dtype=np.float32)[labels]

    def other(z):
        return -(jax.nn.log_softmax(z) * hot).sum(-1)

    loss = CrossEntropy()
    for targets in (labels, hot):
        np.testing.assert_allclose(
            loss.each(logits, jnp.asarray(targets)), other(logits), rtol=1e-5, atol=1e-5
        )
        ours = jax.grad(lambda z, t=targets: loss.each(z, jnp.asarray(t)).sum())(logits)
        np.testing.assert_allclose(ours, jax.grad(lambda z: other(z).sum())(logits), atol=1e-6)


def test_huber_and_binary_are_optax_s_own():
    import optax

    rng = np.random.default_rng(1)
    outputs, targets = rng.normal(size=(2, 30, 3)).astype(np.float32)
    expected = optax.losses.huber_loss(outputs, targets, delta=0.7).mean(-1)
    np.testing.assert_allclose(Huber(delta=0.7).each(outputs, targets), expected, rtol=1e-5)
    yes = (targets > 0).astype(np.float32)
    expected = optax.losses.sigmoid_binary_cross_entropy(outputs, yes).mean(-1)
    np.testing.assert_allclose(BinaryCrossEntropy().each(outputs, yes), expected, rtol=1e-5)
