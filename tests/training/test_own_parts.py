"""A packed network is the network alone, whatever parts a person brings."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from allometry import measures
from allometry.datasets import Teacher
from allometry.datasets.splits import Data, Moons, Split
from allometry.errors import UsageError
from allometry.models import MLP
from allometry.models.model import Counts, Model
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.losses import BinaryCrossEntropy, CrossEntropy, Huber, Loss, SquaredError
from allometry.spec.metrics import R2, Accuracy, Metric, TopK
from allometry.spec.optimizers import SGD, Adam, AdamW, Optax
from allometry.training import proof
from allometry.training.loop import Training, train_pack
from allometry.training.packing.layouts import Padded
from allometry.training.packing.sharing import program_key
from allometry.training.procedure import Pack
from allometry.training.program import prepare

EPOCHS = 4


def ended(specs, packs):
    """The parameters of each run at the end of these packs, and its training loss."""
    ends = {}

    def keep(net):
        if net.step:
            ends[net.spec.run_id] = net.params, net.losses["train_loss"]
        return {}

    for pack in packs:
        train_pack(pack, {"keep": keep}, {})
    return [ends[spec.run_id] for spec in specs]


def assert_as_alone(specs, apart=False):
    """The packs that the library chooses end where each run ends alone; gives the packs.

    apart: whether all runs end with losses of their own."""
    packs = Training().packs(specs)
    assert sorted(s.run_id for p in packs for s in p.specs) == sorted(s.run_id for s in specs)
    together = ended(specs, packs)
    alone = ended(specs, [Pack((spec,)) for spec in specs])
    for (params, loss), (own, own_loss) in zip(together, alone, strict=True):
        assert loss == pytest.approx(own_loss, rel=1e-4, abs=1e-6)
        for name, array in own.items():
            np.testing.assert_allclose(params[name], array, rtol=2e-3, atol=2e-5)
    assert not apart or len({loss for _, loss in alone}) == len(specs)
    return packs


ADAM = Adam(learning_rate=1e-2)


def runs(models=(), optimizers=(ADAM,), seeds=(0, 1), **fields):
    models = models or [MLP(widths=(2, width, 2)) for width in (4, 6)]
    return [
        RunSpec(
            model=model, data=Moons(n_samples=100), seed=seed,
            train=TrainSpec(optimizer=optimizer, epochs=EPOCHS, batch_size=32, **fields),
        )
        for optimizer in optimizers for model in models for seed in seeds
    ]  # fmt: skip


# ---- update rules that see a whole network -------------------------------------------------


class ClippedAdam(Adam):
    """As people clip: by the norm of all gradients (cases/run/01)."""

    clip: float = 0.1

    def direction(self):
        return optax.chain(optax.clip_by_global_norm(self.clip), super().direction())


class Adaptive(SGD):
    def direction(self):
        return optax.adaptive_grad_clip(0.05)


class Trusting(Adam):
    """LAMB's ratio of norms."""

    def direction(self):
        return optax.chain(super().direction(), optax.scale_by_trust_ratio())


class Normalized(SGD):
    def direction(self):
        return optax.normalize_by_update_norm()


class BlockClipped(SGD):
    def direction(self):
        return optax.clip_by_block_rms(0.01)


class Noisy(SGD):
    def direction(self):
        return optax.add_noise(0.1, 0.5, key=3)


class Centred(SGD):
    def direction(self):
        return optax.centralize()


HOSTILE_RULES = [
    ClippedAdam(learning_rate=1e-2),
    Adaptive(learning_rate=0.5),
    Trusting(learning_rate=1e-2),
    Normalized(learning_rate=1e-2),
    BlockClipped(learning_rate=0.5),
    Noisy(learning_rate=0.1),
    Centred(learning_rate=0.5),
    Optax(name="optax.lamb", learning_rate=1e-2),
    Optax(name="optax.adafactor", learning_rate=1e-2, arguments={"min_dim_size_to_factor": 2}),
]


# The others are of the same kinds: norms of a network, of an array, draws.
QUICK = (ClippedAdam, BlockClipped, Noisy, Optax)


@pytest.mark.parametrize(
    "rule",
    [r if type(r) in QUICK else pytest.param(r, marks=pytest.mark.slow) for r in HOSTILE_RULES],
    ids=lambda rule: type(rule).__name__,
)
def test_a_rule_with_a_norm_in_it_sees_one_network(rule):
    packs = assert_as_alone(runs(optimizers=[rule]))
    assert {len(pack.specs) for pack in packs} <= {1, 2}, "equal shapes, two seeds"


def test_a_limit_on_the_gradient_is_the_network_s_own():
    """`train.clip_norm` packs every width; it is Optax's clipping of one network."""
    specs = runs(optimizers=[SGD(learning_rate=0.5)], clip_norm=0.05)
    assert_as_alone(specs)
    together = ended(specs, [Pack(tuple(specs[::2])), Pack(tuple(specs[1::2]))])

    class Clipped(SGD):
        def direction(self):
            return optax.clip_by_global_norm(0.05)

    others = ended(others := runs(optimizers=[Clipped(learning_rate=0.5)]),
                   [Pack((spec,)) for spec in others])  # fmt: skip
    for (params, _), (expected, _) in zip(together, others, strict=True):
        for name, array in expected.items():
            np.testing.assert_allclose(params[name], array, rtol=1e-4, atol=1e-6)


# ---- models --------------------------------------------------------------------------------


class Net(Model):
    """One hidden layer; what a subclass changes is what a test is about."""

    width: int

    def counts(self):
        return Counts(5 * self.width + 2, 4 * self.width, 8 * self.width, 16 * self.width)

    def init(self, draws):
        (a, b), (c, d) = draws.linear(2, self.width), draws.linear(self.width, 2)
        return {"w0": a, "b0": b, "w1": c, "b1": d}

    def act(self, h):
        return jnp.tanh(h)

    def apply(self, p, x):
        return self.act(x @ p["w0"].T + p["b0"]) @ p["w1"].T + p["b1"]

    def weights(self, p):
        return [p["w0"], p["w1"]]


class Sloped(Net):
    """A field that shows in no shape (cases/run/02), and a `family` that forgets it."""

    slope: float = 0.0

    def family(self):
        return ("Net",)

    def act(self, h):
        return jnp.where(h > 0, h, self.slope * h)


class Dropping(Net):
    """Dropout of one's own (cases/run/03)."""

    rate: float = 0.0

    def apply_training(self, p, x, key):
        h = jnp.tanh(x @ p["w0"].T + p["b0"])
        h = jnp.where(jax.random.bernoulli(key, 1 - self.rate, h.shape), h / (1 - self.rate), 0.0)
        return h @ p["w1"].T + p["b1"]


class Honest(Net):
    """Keeps padding at zero and says so."""

    member_fields: ClassVar[tuple[str, ...]] = ("width",)


class TrueMean(Honest):
    """Divides by its own width, which is its own in a pack."""

    member_fields: ClassVar[tuple[str, ...]] = ("width",)

    def apply(self, p, x):
        h = jnp.tanh(x @ p["w0"].T + p["b0"])
        inside = jnp.arange(h.shape[-1]) < self.width
        mean = jnp.where(inside, h, 0).sum(axis=-1, keepdims=True) / self.width
        return jnp.where(inside, h - mean, 0) @ p["w1"].T + p["b1"]


class LeakingMean(Honest):
    """Outputs are right; the padded units' own inputs get a gradient through the sum."""

    member_fields: ClassVar[tuple[str, ...]] = ("width",)

    def apply(self, p, x):
        h = jnp.tanh(x @ p["w0"].T + p["b0"])
        h = h - h.sum(axis=-1, keepdims=True) / self.width * (jnp.abs(p["w1"]).sum(0) > 0)
        return h @ p["w1"].T + p["b1"]


class PaddedMean(Net):
    """Says it may be padded and takes means over the padding."""

    member_fields: ClassVar[tuple[str, ...]] = ("width",)

    def act(self, h):
        return h - h.mean(axis=-1, keepdims=True)


class Sigmoid(Net):
    """Units of zero give one half."""

    member_fields: ClassVar[tuple[str, ...]] = ("width",)

    def act(self, h):
        return jax.nn.sigmoid(h)


class Scaled(Net):
    """The width by the shape of the padded array."""

    member_fields: ClassVar[tuple[str, ...]] = ("width",)

    def act(self, h):
        return jnp.tanh(h) / jnp.sqrt(h.shape[-1])


class Inheriting(MLP):
    """A subclass that computes something else does not inherit what MLP promises."""

    def apply(self, params, x):
        return super().apply(params, x) * params["weight0"].shape[0]


NETS = {
    "sloped": [Sloped(width=6, slope=s) for s in (0.0, 0.5, 1.0)],
    "dropping": [Dropping(width=w, rate=r) for w in (4, 6) for r in (0.0, 0.5)],
    "plain": [Net(width=w) for w in (4, 6)],
    "honest": [Honest(width=w) for w in (4, 6, 11)],
    "true mean": [TrueMean(width=w) for w in (4, 6, 11)],
    "leaking mean": [LeakingMean(width=w) for w in (4, 6, 11)],
    "padded mean": [PaddedMean(width=w) for w in (4, 6, 11)],
    "sigmoid": [Sigmoid(width=w) for w in (4, 6, 11)],
    "by shape": [Scaled(width=w) for w in (4, 6, 11)],
    "inheriting": [Inheriting(widths=(2, w, 2)) for w in (4, 6)],
}
TOGETHER = {"honest", "true mean"}  # of different widths


# As "true mean", "dropping" and the others.
ALIKE = ("plain", "honest", "by shape", "padded mean", "sigmoid", "leaking mean")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in ALIKE else n for n in NETS]
)
def test_a_model_of_one_s_own_in_a_pack_is_itself(name):
    # One `apply` once served all slopes, and nothing was dropped.
    packs = assert_as_alone(runs(models=NETS[name]), apart=name in ("sloped", "dropping"))
    widths = max(len({spec.model for spec in pack.specs}) for pack in packs)
    assert (widths > 1) == (name in TOGETHER)


def test_what_a_pack_does_to_a_model_is_said():
    packs = Training().packs(runs(models=NETS["padded mean"]))
    assert all("width" in pack.note and "equal shapes" in pack.note for pack in packs)


def test_packs_of_the_same_parts_are_tested_once(monkeypatch):
    """On the narrowest of all and the widest; each by itself where these fail."""
    tested = []

    def difference(members, answer):
        tested.append([spec.model.width for spec in members.specs])
        return answer

    packs = [
        Pack(tuple(runs(models=[Honest(width=w) for w in widths], seeds=(seed,))))
        for seed, widths in ((0, (4, 6)), (0, (9, 11)), (1, (4, 11)))
    ]
    monkeypatch.setattr(proof, "_difference", lambda members: difference(members, ""))
    assert proof.proved(packs) == packs and tested == [[4, 11]]
    tested.clear()
    monkeypatch.setattr(proof, "_difference", lambda members: difference(members, "differ"))
    assert [len(pack.specs) for pack in proof.proved(packs)] == [1] * 6
    assert tested[1:] == [[4, 6], [9, 11], [4, 11]]


# ---- losses ---------------------------------------------------------------------------------


class Quartic(Loss):
    def each(self, outputs, targets):
        return ((outputs - jax.nn.one_hot(targets, outputs.shape[-1])) ** 4).mean(axis=-1)


class Batchwise(Loss):
    """A mean over the batch: no number an example."""

    def each(self, outputs, targets):
        return jnp.square(outputs[:, 0] - targets).mean()


def test_a_loss_of_one_s_own_is_mapped_over_members():
    assert_as_alone(runs(loss=Quartic()))


def test_a_loss_that_gives_no_number_an_example_is_refused():
    with pytest.raises(Exception, match="one number an example"):
        ended([], [Pack(tuple(runs(loss=Batchwise())))])


class Unaligned(Loss):
    """Outputs (B, 1) less targets (B,) are (B, B): it trained to the mean of all targets."""

    def each(self, outputs, targets):
        return ((outputs - targets) ** 4).mean(axis=-1)


class Aligned(Loss):
    def each(self, outputs, targets):
        return ((outputs - targets.reshape(outputs.shape)) ** 4).mean(axis=-1)


class Distance(Metric):
    def each(self, outputs, targets):
        return jnp.abs(outputs - targets).mean(axis=-1)


class Worst(Metric):
    def each(self, outputs, targets):
        return jnp.abs(outputs[:, 0] - targets).max()


def regression(**fields):
    fields = {"loss": SquaredError(), "optimizer": ADAM, "epochs": 2, **fields}
    return RunSpec(model=MLP(widths=(3, 4, 1)), data=Line(n=40), train=TrainSpec(**fields), seed=0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"loss": Unaligned()},
            "Unaligned.each: the number of an example depends",
        ),
        (
            {"metrics": (Distance(),)},
            "Distance.each: the number of an example depends",
        ),
        ({"metrics": (Worst(),)}, "Worst.each: one number an example expected"),
    ],
)
def test_a_loss_or_metric_that_mixes_examples_is_refused(fields, words):
    with pytest.raises(UsageError, match=f"{words}.*reshape"):
        prepare([regression(**fields)])


def test_a_loss_and_metrics_of_one_s_own_are_taken_where_they_keep_examples_apart():
    (result,) = train_pack(
        Pack((regression(loss=Aligned(), metrics=(R2(),)),)), {"losses": measures.losses}, {}
    )
    assert result.row["train_loss"] < result.row["train_loss_untrained"]


@pytest.mark.parametrize(
    "part",
    [CrossEntropy(), BinaryCrossEntropy(), SquaredError(), Huber(), Accuracy(), TopK(k=1), R2()],
    ids=lambda part: type(part).__name__,
)
def test_shipped_losses_and_metrics_keep_examples_apart(part):
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, size=6).astype(np.int32)
    real, shares = random.normal(size=(6, 3)), np.eye(3)[labels]
    sets = [(labels, 3), (shares, 3), (real, 3), (real[:, 0], 1), ((real[:, 0] > 0) * 1.0, 1)]
    tried = 0
    for targets, n_out in sets:
        try:
            part.check({"training": targets}, n_out)
        except UsageError:
            continue
        tried += 1
        outputs = random.normal(size=(6, n_out)).astype(np.float32)
        batch = np.asarray(part.each(jnp.asarray(outputs), jnp.asarray(targets)))
        alone = [part.each(outputs[k : k + 1], targets[k : k + 1])[0] for k in range(6)]
        np.testing.assert_allclose(batch, np.array(alone), rtol=1e-5)
    assert tried


class OwnAdamW(AdamW):
    """Nothing changed, so it is mapped over the members, as any rule of one's own."""


@pytest.mark.parametrize("decays", ["all", "weights"])
def test_a_subclass_decays_what_its_class_does(decays):
    """Biases decayed too in a subclass, whatever `decays` said."""
    fields = {"learning_rate": 1e-2, "weight_decay": 1.0, "decays": decays}
    ends = [
        ended(specs := runs(optimizers=[rule(**fields)], seeds=(0,)), [Pack((s,)) for s in specs])
        for rule in (AdamW, OwnAdamW)
    ]
    for (params, _), (expected, _) in zip(*ends, strict=True):
        for name, array in expected.items():
            np.testing.assert_allclose(params[name], array, rtol=1e-4, atol=1e-6)


# ---- data, seeds, lengths --------------------------------------------------------------------


class Line(Data):
    """A regression on points of the run's seed."""

    n: int
    n_in: int = 3

    @property
    def n_data(self):
        return self.n

    def load(self, draws):
        x = draws.uniform((self.n + 20, self.n_in), -1, 1)
        y = x.sum(axis=1)
        return Split(x[: self.n], y[: self.n], x[self.n :], y[self.n :])


def test_members_may_have_data_seeds_sizes_and_lengths_of_their_own():
    rule = SGD(learning_rate=0.05, momentum=0.5)
    specs = [
        RunSpec(
            model=MLP(widths=(n_in, 8, 1)), data=Line(n=n, n_in=n_in), seed=seed,
            train=TrainSpec(optimizer=rule, batch_size=16, loss=SquaredError(), **length),
        )
        for n, n_in, seed, length in (
            (30, 3, 0, {"epochs": 3}), (90, 3, 1, {"epochs": 2}), (50, 5, 0, {"steps": 4}),
            (16, 2, 2, {"examples": 100}), (5, 2, 2, {"epochs": 9}),
        )
    ]  # fmt: skip
    assert len({program_key(spec) for spec in specs}) == 1
    program, _ = prepare(specs)
    assert isinstance(program.descent.layout, Padded) and program.own_batches
    together = ended(specs, [Pack(tuple(specs))])
    alone = ended(specs, [Pack((spec,)) for spec in specs])
    for (params, loss), (own, own_loss) in zip(together, alone, strict=True):
        assert loss == pytest.approx(own_loss, rel=1e-5)
        for name, array in own.items():
            np.testing.assert_allclose(params[name], array, rtol=1e-4, atol=1e-6)
    rows = [r.row for r in train_pack(Pack(tuple(specs)), {"losses": measures.losses}, {})]
    assert [row["steps"] for row in rows] == [6, 12, 4, 7, 9]
    assert [row["n_data"] for row in rows] == [30, 90, 50, 16, 5]
    assert all("train_r2" in row for row in rows)


SHARING = {
    "features, not labels": [Moons(n_samples=60, label_noise=q) for q in (0.0, 0.2, 0.4)],
    "a test set": [Teacher(n_in=2, n_train=n, n_test=40) for n in (10, 70, 30)],
}


@pytest.mark.parametrize("part", SHARING)
def test_members_whose_data_share_some_arrays_have_the_others_of_their_own(part):
    """Training and test losses of every member, in a pack and alone."""
    data = SHARING[part]
    loss, outputs = ("squared_error", 1) if isinstance(data[0], Teacher) else ("cross_entropy", 2)
    train = TrainSpec(optimizer=ADAM, steps=20, batch_size=16, loss=loss)
    model = MLP(widths=(2, 8, outputs))
    specs = [RunSpec(model=model, data=d, train=train, seed=s) for d in data for s in (0, 1)]
    taken = {"losses": measures.losses}
    together = train_pack(Pack(tuple(specs)), taken, {})
    for spec, result in zip(specs, together, strict=True):
        (alone,) = train_pack(Pack((spec,)), taken, {})
        for name in ("train_loss", "test_loss"):
            assert result.row[name] == pytest.approx(alone.row[name], rel=1e-4)


# ---- what a measure sees ---------------------------------------------------------------------


def test_a_measure_that_changes_what_it_sees_costs_its_run_alone():
    """cases/run/21: a measure that prunes to look changed all measures after it."""

    def prune(net):
        if net.model.widths[1] == 4:
            net.params["weight0"][:] = 0
        return {}

    def split(net):
        assert not net.split.train_x.flags.writeable and not net.split.test_y.flags.writeable
        return {"norm": float(np.square(net.params["weight0"]).sum())}

    specs = runs(seeds=(0,))
    failed, done = train_pack(Pack(tuple(specs)), {"prune": prune, "split": split}, {})
    assert "read-only" in failed.reason and done.row["norm"] > 0
