"""float32, float64 and bfloat16 do what they say, for every kind of model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from allometry import measures
from allometry.datasets.batches import batches, shared_order
from allometry.datasets.modular import ModularAddition
from allometry.models import ConvNet, EmbeddingDecoder, OneLayerTransformer
from allometry.models.precision import scope
from allometry.spec import RunSpec, TrainSpec, run_ids
from allometry.spec.optimizers import SGD, Adam, AdamW
from allometry.spec.torch_draws import TorchDraws
from allometry.training.descent import update
from allometry.training.loop import describe, train_pack
from allometry.training.packing.choose import load_of, make_packs
from allometry.training.procedure import Pack
from allometry.training.program import calls, prepare
from tests.training.test_loop import (
    LOSSES,
    GradientsByHand,
    Params,
    adam_by_hand,
    convnet,
    small,
    trained_params,
)

PRECISIONS = ("float32", "float64", "bfloat16")


def at(precision, spec, **fields):
    return spec.model_copy(
        update={"train": spec.train.model_copy(update={"precision": precision, **fields})}
    )


def pairs(model, epochs=3, optimizer=None):
    data = ModularAddition(p=model.p, fraction=0.6)
    training = TrainSpec(
        optimizer=optimizer or AdamW(learning_rate=0.003), epochs=epochs, batch_size=32
    )
    return RunSpec(model=model, data=data, train=training, seed=0)


MODELS = {
    "MLP": small((7, 12, 5, 3), epochs=2),
    "ConvNet": convnet(batch=40, epochs=2, dropout=0.2),
    "transformer": pairs(OneLayerTransformer(p=11, d_model=16, n_heads=2, d_mlp=24)),
    "embedding": pairs(EmbeddingDecoder(p=11, d_embed=5, hidden=(12,))),
}


def start_of(spec):
    draws = TorchDraws(spec.seed)
    spec.data.load(draws)
    return spec.model.init(draws)


def distance(a, b):
    """Of all parameters together."""
    return np.sqrt(sum(float(((a[n].astype(float) - b[n]) ** 2).sum()) for n in a))


# ---- float64 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [Adam, AdamW])
@pytest.mark.parametrize("loss", LOSSES)
def test_float64_is_gradient_descent_in_numpys_float64(loss, optimizer):
    spec = at("float64", small((7, 5, 3), n=50, epochs=4, loss=loss, optimizer=optimizer))
    split = spec.data.load(TorchDraws(0))
    start = {n: a.astype(float) for n, a in start_of(spec).items()}
    passes = [batches(shared_order(0, epoch, 50), 32) for epoch in range(4)]
    # Their weights as float64: NumPy would divide them in float32.
    steps = [(i, w.astype(float)) for one in passes for i, w in zip(*one, strict=True)]
    decay = spec.train.optimizer.document().get("weight_decay", 0.0)
    expected = adam_by_hand(start, GradientsByHand(split, steps, loss), 0.01, decay=decay)
    (found,) = trained_params([spec], 4)
    for name, array in expected.items():
        assert found[name].dtype == np.float64
        np.testing.assert_allclose(found[name], array, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rates", [pytest.param("equal", marks=pytest.mark.slow), "fan_in"])
def test_chunks_in_float64_are_whole_batches_by_the_definition_in_float64(rates):
    """Winograd's transforms and the sums over chunks lose nothing: 1e-10 of the way."""
    spec = at("float64", convnet(batch=40, rates=rates, epochs=2))
    with scope("float64"):
        expected = by_definition(spec)
    (found,) = trained_params([spec], 2)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-10, atol=1e-12, err_msg=name)


def by_definition(spec):
    """Descent on whole batches with JAX's own convolution; parameters after it."""
    split = spec.data.load(TorchDraws(spec.seed))
    params = {n: jnp.asarray(a, dtype=float) for n, a in start_of(spec).items()}
    x, y = split.train_x.astype(float)[..., None], split.train_y

    def outputs(p, x):
        for i in "12":
            dims = ("NHWC", "OIHW", "NHWC")
            x = jax.lax.conv_general_dilated(
                x, p[f"weight{i}"], (1, 1), "SAME", dimension_numbers=dims
            )
            x = jax.nn.relu(x + p[f"bias{i}"])
            n, h, w, c = x.shape
            x = x.reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))
        x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
        x = jax.nn.relu(x @ p["weight3"].T + p["bias3"])
        return x @ p["weight4"].T + p["bias4"]

    def loss(p, rows):
        return -jax.nn.log_softmax(outputs(p, x[rows]))[np.arange(len(rows)), y[rows]].mean()

    for epoch in range(spec.train.epochs):
        order = shared_order(spec.seed, epoch, len(x))
        for first in range(0, len(x), spec.train.batch_size):
            gradient = jax.grad(loss)(params, order[first : first + spec.train.batch_size])
            for name in params:
                fan_in = spec.model.fan_in(name) if spec.train.layer_rates == "fan_in" else 1
                params[name] = params[name] - 0.1 / np.sqrt(fan_in) * gradient[name]
    return params


@pytest.mark.parametrize(
    "name",
    # Its chunks in float64 are compared with the definition above.
    [pytest.param(n, marks=pytest.mark.slow) if n == "ConvNet" else n for n in MODELS],
)
def test_float32_is_float64_to_its_accuracy_and_each_is_what_it_says(name):
    spec = MODELS[name]
    # Plain descent: Adam divides by gradients that may be all rounding.
    spec = at("float32", spec, optimizer=SGD(learning_rate=0.05))
    start, epochs = start_of(spec), spec.train.epochs
    (single,), (double,) = (trained_params([at(p, spec)], epochs) for p in ("float32", "float64"))
    assert {a.dtype.name for a in single.values()} == {"float32"}
    assert {a.dtype.name for a in double.values()} == {"float64"}
    way = distance(double, start)
    # 24 bits, and some hundred roundings along the way.
    assert 0 < distance(double, single) < 3e-5 * way
    assert any((double[n] != double[n].astype(np.float32)).any() for n in double)


def test_what_comes_after_is_in_float32_again():
    trained_params([at("float64", MODELS["MLP"])], 2)
    assert jnp.zeros(()).dtype == jnp.float32 and jnp.arange(2.0).dtype == jnp.float32


# ---- bfloat16 --------------------------------------------------------------------------------


def equations(jaxpr):
    """All of a program, inner ones too."""
    for equation in jaxpr.eqns:
        yield equation
        for value in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda v: hasattr(v, "eqns")
        ):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from equations(inner)


def program_of(spec):
    """The jaxpr of one call, and the types of the state it gives back."""
    with scope(spec.train.precision):
        program, state = prepare((spec,))
        batches = next(calls(program)).batches
        return jax.make_jaxpr(lambda state: update(program.descent, state, batches))(state)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_product_is_in_this_precision_and_what_is_kept_is_not_rounded(name, precision):
    program = program_of(at(precision, MODELS[name]))
    found = [
        e
        for e in equations(program.jaxpr)
        if e.primitive.name in ("dot_general", "conv_general_dilated")
    ]
    assert len(found) >= 3, "forward and backward"
    for equation in found:
        kinds = [v.aval.dtype.name for v in (*equation.outvars, *equation.invars)]
        # A float32 among float64 is a constant of Winograd's transforms, 0, 1/2 or 1: exact.
        allowed = {precision, "float32"} if precision == "float64" else {precision}
        assert kinds[0] == precision and set(kinds) <= allowed, equation
        assert precision in kinds[1:], equation
    kept = {"float64": "float64"}.get(precision, "float32")
    floats = {a.dtype.name for a in program.out_avals if a.dtype.kind == "f"}
    assert floats == {kept}


@pytest.mark.parametrize("name", MODELS)
def test_bfloat16_follows_float32_to_its_own_accuracy(name):
    """8 bits: of the way of plain descent about a hundredth goes elsewhere, never a tenth."""
    spec = at("float32", MODELS[name], optimizer=SGD(learning_rate=0.05))
    start, epochs = start_of(spec), spec.train.epochs
    (single,), (mixed,) = (trained_params([at(p, spec)], epochs) for p in ("float32", "bfloat16"))
    assert {a.dtype.name for a in mixed.values()} == {"float32"}
    assert 1e-4 < distance(mixed, single) / distance(single, start) < 0.1


@pytest.mark.slow  # it follows float32 to its own accuracy, above
def test_bfloat16_learns_what_float32_learns():
    """Addition modulo 11, every answer shown: both end below a tenth of ln 11 = 2.4 nats."""
    model = OneLayerTransformer(p=11, d_model=16, n_heads=2, d_mlp=64)
    spec = pairs(model, epochs=150, optimizer=AdamW(learning_rate=0.01))
    losses = {}
    for precision in ("float32", "bfloat16"):
        (result,) = train_pack(Pack((at(precision, spec),)), {"l": measures.losses}, {})
        losses[precision] = result.row["train_loss"]
    assert all(loss < 0.24 for loss in losses.values())
    assert losses["bfloat16"] == pytest.approx(losses["float32"], abs=0.1)


def test_symbols_are_not_rounded():
    """257 is not a number of bfloat16: were symbols rounded, two would be one."""
    model = EmbeddingDecoder(p=521, d_embed=4, hidden=(4,))
    spec = at("bfloat16", pairs(model, epochs=1, optimizer=SGD(learning_rate=1.0)))
    (found,) = trained_params([spec], 1)
    assert (np.abs(found["embed"] - start_of(spec)["embed"]).max(axis=1) > 0).all()


def test_both_ways_of_the_convolution_compute_the_same():
    """The definition that bfloat16 takes, on values that both types hold exactly."""
    model = ConvNet(channels=2)
    draws = TorchDraws(0)
    params = {n: jnp.round(8 * a) / 8 for n, a in model.init(draws).items()}
    params |= {n: jnp.round(4 * draws.uniform(params[n].shape, -1, 1)) / 4 for n in ("weight1",)}
    x = jnp.round(4 * draws.uniform((3, 784), -1, 1)) / 4
    full = np.asarray(model.apply(params, x))
    low = jax.tree.map(lambda a: a.astype(jnp.bfloat16), (params, x))
    rounded = np.asarray(model.apply(*low).astype(jnp.float32))
    assert np.abs(rounded - full).max() < 0.02 * np.abs(full).max()


# ---- what a precision is to the rest ---------------------------------------------------------


def test_packs_never_mix_precisions():
    specs = [at(p, small((7, h, 3))) for p in PRECISIONS for h in (3, 5)]
    packs = make_packs(specs)
    assert [{s.train.precision for s in pack.specs} for pack in packs] == [{p} for p in PRECISIONS]
    assert [load_of(pack.specs).float_bytes for pack in packs] == [4, 8, 4]


def test_members_of_a_pack_end_where_they_end_alone_in_float64():
    specs = [at("float64", small(w, epochs=2)) for w in ((7, 4, 3), (7, 9, 3), (7, 30, 3))]
    for spec, packed in zip(specs, trained_params(specs, 2), strict=True):
        (alone,) = trained_params([spec], 2)
        assert distance(packed, alone) < 1e-12 * distance(alone, start_of(spec))


def test_the_default_is_left_out_of_names_and_columns():
    plain, *others = (at(p, MODELS["MLP"]) for p in PRECISIONS)
    assert "precision" not in plain.document(defaults=False)["train"]
    assert len({*run_ids([plain, *others])}) == 3
    assert "precision" not in describe(plain)
    assert [describe(s)["precision"] for s in others] == ["float64", "bfloat16"]


def test_dropout_draws_the_same_units_in_every_precision():
    spec = at("float32", MODELS["ConvNet"], optimizer=SGD(learning_rate=0.05))
    other = spec.model_copy(update={"seed": 1})
    found = Params()
    train_pack(Pack((spec,)), {"p": found}, {})
    (single,) = found.of[2]
    (double,) = trained_params([at("float64", spec)], 2)
    way = distance(double, start_of(spec))
    assert distance(double, single) < 1e-4 * way < distance(trained_params([other], 2)[0], single)
