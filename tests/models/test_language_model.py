"""The language model computes and trains what a PyTorch module does, and sees no future token."""

import json
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError

from allometry import RunSpec, TrainSpec
from allometry.errors import UsageError
from allometry.models import LanguageModel, counting
from allometry.models.language_model import state_dict
from allometry.models.language_model.attention import attended, rotated
from allometry.models.language_model.products import gelu, linear
from allometry.models.precision import scope
from allometry.spec.optimizers import AdamW
from allometry.spec.schedules import Cosine
from allometry.spec.torch_draws import TorchDraws
from allometry.training.loop import describe, train_pack
from allometry.training.procedure import Pack
from tests import ROOT
from tests.models.windows import Windows

FIXTURE: dict[str, Any] = json.loads((ROOT / "tests/assets/language_model.json").read_text())
SIZES: dict[str, Any] = {"d_model": 24, "n_layers": 2, "d_head": 8, "d_mlp": 40}
CASES: dict[str, dict[str, Any]] = {
    "rotary": {},
    "swiglu, tied": {"mlp": "swiglu", "tied": True},
    "learnt, mup": {"positions": "learnt", "parametrisation": "mup", "base_width": 8},
    "tied, mup": {"tied": True, "parametrisation": "mup", "base_width": 48},
}
RECIPE = TrainSpec(
    optimizer=AdamW(learning_rate=1e-2, weight_decay=0.1, decays="weights"),
    schedule=Cosine(warmup=3, final=0.1), clip_norm=1.0, steps=10, batch_size=4,
)  # fmt: skip


def model_of(**fields: Any) -> LanguageModel:
    return LanguageModel(**{"vocabulary": 13, "context": 10, **SIZES, **fields})


def trained(*models: LanguageModel, data: Windows | None = None, train: TrainSpec = RECIPE) -> Any:
    """The networks of a pack after training."""
    networks: dict[LanguageModel, Any] = {}

    def keep(net: Any) -> dict[str, float]:
        networks[net.model] = net
        return {}

    specs = [RunSpec(model=m, data=data or Windows(), train=train, seed=3) for m in models]
    train_pack(Pack(tuple(specs)), {"keep": keep}, {}, untrained=False)
    return [networks[model] for model in models]


# What is slow repeats options in other company.
FAST = ("rotary",)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in CASES],
)
def test_logits_and_ten_updates_are_those_of_a_pytorch_module(name: str) -> None:
    model, printed = model_of(**CASES[name]), FIXTURE[name]
    start = dict(model.init(TorchDraws(3)))
    split = Windows().load(TorchDraws(3))
    logits = model.apply(start, jnp.asarray(split.train_x[:2]))
    np.testing.assert_allclose(logits[:, -1], printed["logits"], atol=2e-6)
    (net,) = trained(model)
    after = state_dict(net.params)
    assert after.keys() == printed["after"].keys()
    for key, (*first, norm) in printed["after"].items():
        np.testing.assert_allclose(after[key].flatten()[:4], first, atol=2e-5, rtol=1e-4)
        np.testing.assert_allclose(np.linalg.norm(after[key]), norm, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_pytorch_module_takes_our_weights_and_trains_alike(name: str) -> None:
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("tests.models.torch_language_model")
    model = model_of(**CASES[name])
    module = reference.Reference(13, 10, **SIZES, **CASES[name])
    start = dict(model.init(TorchDraws(5)))
    state = {key: torch.from_numpy(np.array(a)) for key, a in state_dict(start).items()}
    module.load_state_dict(state)
    split = Windows().load(TorchDraws(3))
    logits = module(torch.from_numpy(split.train_x.astype(np.int64))).detach().numpy()
    np.testing.assert_allclose(model.apply(start, jnp.asarray(split.train_x)), logits, atol=2e-6)
    module.start(3)
    mine = state_dict(model.init(TorchDraws(3)))
    for key, value in module.state_dict().items():
        np.testing.assert_allclose(mine[key], value.numpy(), atol=1e-7)
    losses = reference.trained(module, FIXTURE["rows"])
    np.testing.assert_allclose(losses, FIXTURE[name]["losses"], rtol=1e-5)
    (net,) = trained(model)
    for key, value in module.state_dict().items():
        np.testing.assert_allclose(state_dict(net.params)[key], value.numpy(), atol=3e-5)


@pytest.mark.parametrize("options", [{}, {"positions": "learnt"}])
def test_a_token_changes_no_logits_before_it(options: dict[str, Any]) -> None:
    model = model_of(**options)
    params = {n: 3 * a for n, a in model.init(TorchDraws(0)).items()}
    x = np.random.default_rng(0).integers(0, 13, (3, 10)).astype(np.float32)
    logits = jax.jit(model.apply)
    before = np.asarray(logits(params, x))
    for t in range(10):
        changed = x.copy()
        changed[:, t] = (x[:, t] + 5) % 13
        differs = np.any(logits(params, changed) != before, axis=(0, 2))
        assert not differs[:t].any() and differs[t:].all()


def test_rotated_products_depend_on_the_distance_alone() -> None:
    query, key = np.random.default_rng(0).normal(size=(2, 8))
    queries, keys = (rotated(jnp.tile(jnp.asarray(v), (40, 1))) for v in (query, key))
    products = np.asarray(queries @ keys.T)
    for distance in (-7, 0, 3, 20):
        of_distance = np.diagonal(products, distance)
        np.testing.assert_allclose(of_distance, of_distance[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(products[0, 0], query @ key, rtol=1e-5)
    assert np.ptp(products[0]) > 1


def products(jaxpr: Any) -> int:
    """FLOP of the matrix products of a traced program."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            sizes = [equation.invars[0].aval.shape[axis] for axis in contracted]
            total += 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(sizes)
        total += sum(map(products, counting._inner(equation.params)))
    return total


@pytest.mark.parametrize("name", CASES)
def test_counts_are_those_of_the_traced_program(name: str) -> None:
    """Products to the FLOP; the rest within the work of softmax and activations, which is out."""
    t, d, m, v, n = 16, 64, 256, 256, 2
    model = LanguageModel(vocabulary=v, context=t, d_model=d, n_layers=n, d_mlp=m, **CASES[name])
    start = dict(model.init(TorchDraws(0)))
    x = jnp.zeros((1, t))
    matrices = 4 * d * d + (3 if model.mlp == "swiglu" else 2) * d * m
    expected = 2 * t * (n * (matrices + 2 * t * d) + v * d)
    assert products(jax.make_jaxpr(model.apply)(start, x).jaxpr) == expected
    gradient = jax.make_jaxpr(jax.grad(lambda params: model.apply(params, x).sum()))(start)
    assert products(gradient.jaxpr) == 3 * expected
    said, traced = model.counts(), counting.counts_of(model.apply, start, t)
    assert said[:2] == traced[:2]
    assert expected < said.forward_flop <= traced.forward_flop < 1.02 * said.forward_flop
    assert 2 * expected < said.backward_flop <= traced.backward_flop < 1.1 * said.backward_flop


def test_parts_and_conventions_are_those_of_gpt_2() -> None:
    """GPT-2 small without biases: 12 layers of 12 d^2, V = 50,257, and 6 N D of Kaplan et al."""
    gpt2 = LanguageModel(
        vocabulary=50_257, context=1024, d_model=768, n_layers=12, d_head=64, d_mlp=3072,
        positions="learnt", tied=True,
    )  # fmt: skip
    parts = gpt2.parts()
    assert parts.head == 0 and sum(parts) == gpt2.counts().n_params == 124_337_664
    assert parts.body == 12 * 12 * 768**2 + 25 * 768
    assert parts.embedding == (50_257 + 1024) * 768
    assert gpt2.flop_per_token("6nd_body") == 6 * parts.body
    attention = 12 * 12 * 768 * 1024
    plus_head = gpt2.flop_per_token("6nd_body_plus_head")
    assert plus_head == 6 * (parts.body + 50_257 * 768)
    assert gpt2.flop_per_token("with_attention") == plus_head + attention
    counts = gpt2.counts()
    per_token = (counts.forward_flop + counts.backward_flop) / 1024
    assert abs(per_token / gpt2.flop_per_token("with_attention") - 1) < 2e-3


def test_the_columns_of_a_run_hold_tokens_and_parts() -> None:
    row = describe(RunSpec(model=model_of(tied=True), data=Windows(), train=RECIPE, seed=0))
    assert row["tokens"] == 40 * 10
    assert row["n_params"] == row["n_params_body"] + row["n_params_embedding"]
    assert row["compute_6nd"] == 6 * row["n_params"] * 400
    assert row["vocabulary"] == 13 and row["n_params_head"] == 0


@pytest.mark.slow
def test_it_learns_the_chain_to_its_entropy() -> None:
    """The next token is one of three, equally probable: ln 3 nats at every position."""
    train = RECIPE.model_copy(update={"steps": 250, "batch_size": 32})
    (net,) = trained(model_of(), data=Windows(n=600, n_test=200), train=train)
    assert abs(net.losses["test_loss"] - np.log(3)) < 0.05
    assert abs(net.losses["test_accuracy"] - 1 / 3) < 0.05


@pytest.mark.slow
def test_activations_of_mup_do_not_grow_with_the_width() -> None:
    """Coordinate check (Yang et al., 2203.03466, appendix D.1): steps change all alike."""
    train = TrainSpec(optimizer=AdamW(learning_rate=2e-2, weight_decay=0.0), steps=4, batch_size=4)
    widths = (16, 64, 256)

    def changes(**options: Any) -> np.ndarray:
        models = [model_of(d_model=d, d_mlp=4 * d, n_layers=1, **options) for d in widths]
        x = jnp.asarray(Windows().load(TorchDraws(0)).train_x)
        sizes = []
        for model, net in zip(models, trained(*models, train=train), strict=True):
            before = model.apply(dict(model.init(TorchDraws(3))), x)
            sizes.append(np.std(model.apply(dict(net.params), x) - before))
        return np.array(sizes)

    mup = changes(parametrisation="mup", base_width=16)
    assert mup.max() < 1.6 * mup.min()
    standard = changes()
    assert standard[-1] > 2 * standard[0]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"d_model": 20}, "a d_head that divides d_model = 20"),
        ({"parametrisation": "mup"}, "base_width and parametrisation='mup' belong together"),
        ({"base_width": 16}, "base_width and parametrisation='mup' belong together"),
    ],
)
def test_a_shape_that_is_none_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        model_of(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"context": 8}, "context=10, the tokens of a window, expected, got 8$"),
        ({"vocabulary": 12}, "does not fit the data: vocabulary=13 or more expected, got 12"),
    ],
)
def test_data_of_another_window_or_vocabulary_are_refused(
    fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        trained(model_of(**fields))


# ---- the pieces and their derivatives --------------------------------------------------------


def plainly_attended(query: Any, key: Any, value: Any) -> Any:
    """Attention in one piece, differentiated by JAX."""
    scores = jnp.einsum("bhqe,bhke->bhqk", query, key)
    causal = np.tri(query.shape[-2], dtype=bool)
    weights = jax.nn.softmax(jnp.where(causal, scores, -jnp.inf))
    return jnp.einsum("bhqk,bhke->bhqe", weights, value)


PIECES = {
    "attended": (attended, plainly_attended, [(2, 3, 130, 4)] * 3),
    "linear": (linear, lambda x, weight: x @ weight.T, [(2, 5, 3), (7, 3)]),
    "gelu": (gelu, lambda x: jax.nn.gelu(x, approximate=False), [(2, 5, 3)]),
}


@pytest.mark.parametrize("name", PIECES)
def test_pieces_and_their_first_and_second_derivatives_are_the_plain_ones(name: str) -> None:
    fast, plain, shapes = PIECES[name]
    random = np.random.default_rng(0)
    with scope("float64"):
        x, along = ([jnp.asarray(random.normal(size=s)) for s in shapes] for _ in range(2))

        def measured(function: Any) -> Any:
            def total(*arguments: Any) -> Any:
                return jnp.sin(function(*arguments)).sum()

            gradient = jax.grad(total, tuple(range(len(x))))
            return function(*x), jax.jvp(jax.jit(gradient), tuple(x), tuple(along))

        for one, other in zip(*map(jax.tree.leaves, map(measured, (fast, plain))), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-11)
