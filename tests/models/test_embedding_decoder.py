"""The embedding-decoder: sizes, start, gradients, and that it packs without a line for it."""

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from allometry.datasets.modular import ModularAddition
from allometry.datasets.splits import Moons
from allometry.errors import UsageError
from allometry.models import EmbeddingDecoder
from allometry.models.model import Model, Params
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam, AdamW
from allometry.spec.torch_draws import TorchDraws
from allometry.training.loop import train_pack
from allometry.training.packing.choose import make_packs
from allometry.training.packing.layouts import Padded
from allometry.training.packing.sharing import program_key
from allometry.training.procedure import Pack

SIZES = st.builds(
    lambda p, d, hidden, act: EmbeddingDecoder(
        p=p, d_embed=d, hidden=tuple(hidden), activation=act
    ),
    st.integers(8, 13),
    st.integers(2, 9),
    st.lists(st.integers(1, 12), min_size=1, max_size=3),
    st.sampled_from(["relu", "tanh"]),
)


def by_hand(model: EmbeddingDecoder, params: Params, x: np.ndarray[Any, Any]) -> Any:
    """In float64, by looking vectors up."""
    w = {name: array.astype(np.float64) for name, array in params.items()}
    act = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}[model.activation]
    a, b = x.astype(int).T
    z = w["embed"][a] + w["embed"][b]
    for i in range(len(model.hidden)):
        z = act(z @ w[f"weight{i}"].T + w[f"bias{i}"])
    last = len(model.hidden)
    return z @ w[f"weight{last}"].T + w[f"bias{last}"]


def pairs(p: int) -> np.ndarray[Any, Any]:
    return np.stack(np.divmod(np.arange(p * p), p), axis=1).astype(np.float32)


@settings(max_examples=8)
@given(model=SIZES)
def test_apply_looks_up_adds_and_decodes(model: EmbeddingDecoder) -> None:
    params, x = model.init(TorchDraws(model.p)), pairs(model.p)
    got = np.asarray(model.apply(jax.tree.map(jnp.asarray, dict(params)), jnp.asarray(x)))
    assert got.shape == (model.p**2, model.p)
    np.testing.assert_allclose(got, by_hand(model, params, x), rtol=1e-4, atol=1e-4)


def test_the_order_of_two_symbols_cannot_matter_and_their_sum_does() -> None:
    model = EmbeddingDecoder(p=8, d_embed=3, hidden=(5,))
    params = model.init(TorchDraws(0))
    ab, ba, other = (by_hand(model, params, np.array([pair])) for pair in ((2, 5), (5, 2), (3, 4)))
    assert np.allclose(ab, ba) and not np.allclose(ab, other)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_gradients_are_those_of_differences(activation: Any) -> None:
    model = EmbeddingDecoder(p=8, d_embed=4, hidden=(6, 5), activation=activation)
    params, x = model.init(TorchDraws(1)), pairs(8)
    aim = np.random.default_rng(0).normal(size=(64, 8))

    def along(own: Any) -> Any:
        return (model.apply(own, jnp.asarray(x)) * aim).sum()

    gradient = jax.grad(along)(jax.tree.map(jnp.asarray, params))
    for name, array in params.items():
        way = np.random.default_rng(1).normal(size=array.shape)
        ends = [
            (by_hand(model, {**params, name: array + step * way}, x) * aim).sum()
            for step in (1e-6, -1e-6)
        ]
        by_difference = (ends[0] - ends[1]) / 2e-6
        assert float((gradient[name] * way).sum()) == pytest.approx(by_difference, rel=1e-3), name


@given(model=SIZES)
def test_counts_are_the_sizes_of_the_arrays(model: EmbeddingDecoder) -> None:
    params, counts = model.init(TorchDraws(0)), model.counts()
    matrices = model.weights(params)
    assert counts.n_params == sum(a.size for a in params.values())
    assert counts.n_params_no_biases == sum(w.size for w in matrices)
    # Fan out by fan in, from the symbols to the answer.
    assert [w.shape[1] for w in matrices[1:]] == [w.shape[0] for w in matrices[:-1]]
    assert matrices[0].shape == (model.d_embed, model.p) and matrices[-1].shape[0] == model.p


@given(model=SIZES)
def test_flop_are_those_of_two_lookups_and_a_perceptron(model: EmbeddingDecoder) -> None:
    counts, widths = model.counts(), (model.d_embed, *model.hidden, model.p)
    forward = model.d_embed
    backward = 2 * model.d_embed
    for a, b in pairwise(widths):
        forward += 2 * a * b + b
        backward += 2 * (2 * a * b) + b  # of the weights, of the layer's input, of the bias
    assert (counts.forward_flop, counts.backward_flop) == (forward, backward)


def test_it_starts_as_pytorch_would() -> None:
    model = EmbeddingDecoder(p=113, d_embed=64, hidden=(100,))
    params = model.init(TorchDraws(3))
    assert params["embed"].std() == pytest.approx(1, rel=0.05)
    for name, bound in (("weight0", 64**-0.5), ("bias0", 64**-0.5), ("weight1", 0.1)):
        assert bound * 0.9 < np.abs(params[name]).max() <= bound


# ---- packing: nothing here or in the library is written for this model -----------------------


@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(2, 9), st.integers(1, 12)), min_size=2, max_size=4))
def test_each_member_of_a_pack_gives_its_own_answers(sizes: list[tuple[int, int]]) -> None:
    models = [EmbeddingDecoder(p=8, d_embed=d, hidden=(h, 4)) for d, h in sizes]
    starts = [model.init(TorchDraws(k)) for k, model in enumerate(models)]
    form = Padded.of(models, starts)
    packed = jax.tree.map(jnp.asarray, form.stack(starts))
    together = np.asarray(form.apply(packed, jnp.asarray(pairs(8))))
    for k, (model, start) in enumerate(zip(models, starts, strict=True)):
        expected = by_hand(model, start, pairs(8))
        np.testing.assert_allclose(together[k], expected, rtol=1e-4, atol=1e-4)


def spec(d_embed: int, hidden: int, rate: float = 1e-3) -> RunSpec:
    data = ModularAddition(p=11, fraction=0.6)
    train = TrainSpec(
        optimizer=AdamW(learning_rate=rate, weight_decay=1.0), epochs=60, batch_size=data.n_data
    )
    model = EmbeddingDecoder(p=11, d_embed=d_embed, hidden=(hidden, 10))
    return RunSpec(model=model, data=data, train=train, seed=1)


@pytest.mark.slow  # as each shipped model in tests/training/test_every_part.py
def test_a_packed_run_ends_where_it_ends_alone() -> None:
    specs = [spec(4, 5), spec(9, 24, rate=3e-3)]
    assert len(make_packs(specs)) == 1
    ends: list[Params] = []

    def keep(net: Any) -> dict[str, float]:
        if net.epoch:
            ends.append(net.params)
        return {}

    train_pack(Pack(tuple(specs)), {"keep": keep}, {})
    together, ends = ends, []
    for one in specs:
        train_pack(Pack((one,)), {"keep": keep}, {})
    for packed, alone, one in zip(together, ends, specs, strict=True):
        assert packed["embed"].shape == (11, one.model.d_embed)  # type: ignore[attr-defined]
        for name, array in alone.items():
            assert np.linalg.norm(packed[name] - array) <= 1e-3 * np.linalg.norm(array) + 1e-9


def test_what_is_not_a_width_is_not_shared() -> None:
    def of(model: Model) -> Any:
        train = TrainSpec(optimizer=Adam(), epochs=1)
        return program_key(RunSpec(model=model, data=Moons(), train=train, seed=0))

    one = EmbeddingDecoder(p=8, d_embed=4, hidden=(6, 5))
    others: list[dict[str, Any]] = [{"p": 9}, {"hidden": (6,)}, {"activation": "tanh"}]
    assert all(of(one.model_copy(update=o)) != of(one) for o in others)
    assert of(one.model_copy(update={"d_embed": 9, "hidden": (2, 7)})) == of(one)


# ---- refusals ----------------------------------------------------------------------------


def test_a_table_too_small_to_draw_is_refused() -> None:
    with pytest.raises(ValidationError, match="16 numbers or more expected"):
        EmbeddingDecoder(p=5, d_embed=3, hidden=(4,))


@pytest.mark.parametrize(("n_in", "n_classes"), [(3, 7), (2, 9)])
def test_data_that_do_not_fit_are_refused(n_in: int, n_classes: int) -> None:
    with pytest.raises(UsageError, match="p = 8 does not fit the data"):
        EmbeddingDecoder(p=8, d_embed=4, hidden=(5,)).check(n_in, n_classes)
