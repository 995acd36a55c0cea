"""The one-layer transformer: sizes, start, what it computes, and that packing changes nothing."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from allometry.datasets.modular import ModularAddition
from allometry.datasets.splits import Moons
from allometry.errors import UsageError
from allometry.models import OneLayerTransformer
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
    lambda p, n_heads, per_head, d_mlp: OneLayerTransformer(
        p=p, d_model=8 * n_heads * per_head, n_heads=n_heads, d_mlp=d_mlp
    ),
    st.integers(2, 13), st.sampled_from([1, 2, 4]), st.integers(1, 2), st.integers(2, 20),
)  # fmt: skip


def by_hand(model: OneLayerTransformer, params: Params, x: np.ndarray[Any, Any]) -> Any:
    """The textbook decoder in float64: every example, position, head and query by itself."""
    w = {name: array.astype(np.float64) for name, array in params.items()}
    size = model.d_model // model.n_heads
    answers = []
    for a, b in x.astype(int):
        stream = w["embed"][[a, b, model.p]] + w["position"]
        queries, keys, values = (stream @ w[n].T for n in ("query", "key", "value"))
        gathered = np.zeros_like(stream)
        for at in range(3):  # causal: a token looks back and at itself
            for head in range(model.n_heads):
                own = slice(head * size, (head + 1) * size)
                scores = keys[: at + 1, own] @ queries[at, own] / math.sqrt(size)
                odds = np.exp(scores - scores.max())
                gathered[at, own] = odds / odds.sum() @ values[: at + 1, own]
        stream = stream + gathered @ w["mix"].T
        inner = np.maximum(stream @ w["inner"].T + w["inner_bias"], 0)
        stream = stream + inner @ w["outer"].T + w["outer_bias"]
        answers.append(stream[-1] @ w["answer"].T)
    return np.array(answers)


def pairs(p: int) -> np.ndarray[Any, Any]:
    return np.stack(np.divmod(np.arange(p * p), p), axis=1).astype(np.float32)


def started(model: OneLayerTransformer, seed: int) -> Params:
    """A start whose biases are not zero, so that leaving one out is seen."""
    draws = TorchDraws(seed)
    params = dict(model.init(draws))
    for name in ("inner_bias", "outer_bias"):
        params[name] = draws.uniform(params[name].shape, -1, 1)
    return params


@pytest.mark.parametrize(
    ("p", "d_model", "n_heads", "d_mlp"), [(2, 8, 1, 2), (7, 16, 4, 20), (13, 24, 2, 5)]
)
def test_apply_is_the_textbook_decoder(p: int, d_model: int, n_heads: int, d_mlp: int) -> None:
    model = OneLayerTransformer(p=p, d_model=d_model, n_heads=n_heads, d_mlp=d_mlp)
    params, x = started(model, p), pairs(p)
    got = np.asarray(jax.jit(model.apply)(dict(params), x))
    assert got.shape == (model.p**2, model.p)
    np.testing.assert_allclose(got, by_hand(model, params, x), rtol=1e-4, atol=1e-4)


def test_the_comparison_rejects_swapped_positions_and_a_missing_head() -> None:
    model = OneLayerTransformer(p=5, d_model=16, n_heads=4, d_mlp=9)
    params, x = started(model, 0), pairs(5)
    right = by_hand(model, params, x)
    swapped = {**params, "position": params["position"][[1, 0, 2]]}
    fewer = OneLayerTransformer(p=5, d_model=16, n_heads=2, d_mlp=9)
    for wrong in (by_hand(model, swapped, x), by_hand(fewer, params, x)):
        assert np.abs(wrong - right).max() > 0.01


def test_gradients_are_those_of_differences() -> None:
    model = OneLayerTransformer(p=5, d_model=8, n_heads=2, d_mlp=6)
    params, x = started(model, 1), pairs(5)
    aim = np.random.default_rng(0).normal(size=(25, 5))

    def along(own: Any) -> Any:
        return (model.apply(own, jnp.asarray(x)) * aim).sum()

    gradient = jax.grad(along)(jax.tree.map(jnp.asarray, params))
    for name, array in params.items():
        assert np.isfinite(gradient[name]).all()
        way = np.random.default_rng(1).normal(size=array.shape)
        ends = [
            (by_hand(model, {**params, name: array + step * way}, x) * aim).sum()
            for step in (1e-6, -1e-6)
        ]
        by_difference = (ends[0] - ends[1]) / 2e-6
        assert float((gradient[name] * way).sum()) == pytest.approx(by_difference, rel=1e-3), name


@given(model=SIZES)
def test_counts_are_the_sizes_of_the_arrays(model: OneLayerTransformer) -> None:
    params, counts = model.init(TorchDraws(0)), model.counts()
    biases = sum(a.size for n, a in params.items() if n.endswith("bias"))
    assert counts.n_params == sum(a.size for a in params.values())
    assert counts.n_params_no_biases == counts.n_params - biases
    # All matrices but the table of positions, which is added and multiplies nothing.
    listed = sum(w.size for w in model.weights(params))
    assert listed == counts.n_params_no_biases - params["position"].size


@given(model=SIZES)
def test_flop_are_those_of_one_example_by_itself(model: OneLayerTransformer) -> None:
    d, m, p = model.d_model, model.d_mlp, model.p
    keys_values_query = 2 * d * d * (3 + 3 + 1)
    scores_and_mixing = 2 * 3 * d + 2 * 3 * d
    products = keys_values_query + scores_and_mixing + 2 * d * d + 2 * 2 * d * m + 2 * d * p
    additions = 3 * d + 2 * d + m + d  # positions, two additions to the stream, biases
    counts = model.counts()
    assert counts.forward_flop == products + additions
    assert counts.backward_flop == 2 * products + additions


def test_a_start_has_the_spread_its_source_gives_it() -> None:
    model = OneLayerTransformer(p=113, d_model=128, d_mlp=512)
    params = model.init(TorchDraws(3))
    for name, array in params.items():
        spread = {"answer": 113**-0.5}.get(name, 128**-0.5)
        if name.endswith("bias"):
            assert not array.any()
        else:
            assert array.std() == pytest.approx(spread, rel=0.1)
    assert params["embed"].shape == (114, 128)


# ---- packing -----------------------------------------------------------------------------


def test_both_layouts_give_each_member_its_own_answers() -> None:
    models = [OneLayerTransformer(p=7, d_model=16, d_mlp=m) for m in (3, 20)]
    starts = [started(model, k) for k, model in enumerate(models)]
    form = Padded.of(models, starts)
    packed = jax.tree.map(jnp.asarray, form.stack(starts))
    x = jnp.asarray(pairs(7))
    together = np.asarray(form.apply(packed, x))
    for k, (model, start) in enumerate(zip(models, starts, strict=True)):
        alone = np.asarray(model.apply(jax.tree.map(jnp.asarray, start), x))
        np.testing.assert_allclose(together[k], alone, rtol=1e-4, atol=1e-5)


def spec(d_mlp: int, rate: float = 1e-3) -> RunSpec:
    data = ModularAddition(p=7, fraction=0.6)
    train = TrainSpec(
        optimizer=AdamW(learning_rate=rate, weight_decay=1.0), epochs=60, batch_size=data.n_data
    )
    model = OneLayerTransformer(p=7, d_model=16, d_mlp=d_mlp)
    return RunSpec(model=model, data=data, train=train, seed=1)


@pytest.mark.slow  # as each shipped model in tests/training/test_every_part.py
def test_a_packed_run_ends_where_it_ends_alone() -> None:
    specs = [spec(5), spec(24, rate=3e-3)]
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
        assert packed["inner"].shape == (one.model.d_mlp, 16)  # type: ignore[attr-defined]
        for name, array in alone.items():
            assert np.linalg.norm(packed[name] - array) <= 1e-3 * np.linalg.norm(array) + 1e-9


def test_what_is_not_a_width_is_not_shared() -> None:
    def of(model: Model) -> Any:
        train = TrainSpec(optimizer=Adam(), epochs=1)
        return program_key(RunSpec(model=model, data=Moons(), train=train, seed=0))

    one = OneLayerTransformer(p=7, d_model=16, d_mlp=5)
    others = [{"p": 5}, {"d_model": 32}, {"n_heads": 2}]
    assert all(of(one.model_copy(update=o)) != of(one) for o in others)
    assert of(one.model_copy(update={"d_mlp": 9})) == of(one)


# ---- refusals ----------------------------------------------------------------------------


def test_heads_that_do_not_divide_the_stream_are_refused() -> None:
    with pytest.raises(ValidationError, match="n_heads that divide d_model = 10"):
        OneLayerTransformer(p=7, d_model=10, n_heads=4, d_mlp=5)


@pytest.mark.parametrize(("n_in", "n_classes"), [(3, 7), (2, 8)])
def test_data_that_do_not_fit_are_refused(n_in: int, n_classes: int) -> None:
    with pytest.raises(UsageError, match="p = 7 does not fit the data"):
        OneLayerTransformer(p=7, d_model=8, d_mlp=5).check(n_in, n_classes)
