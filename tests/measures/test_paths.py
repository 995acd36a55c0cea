"""Path entropies: closed forms, a walk along every path, invariances, the notebook's numbers."""

import csv
import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.measures.losses import losses
from allometry.measures.network import Network
from allometry.measures.paths import (
    edge_costs,
    path_entropies,
    path_entropies_of,
    sampled_units,
    unit_entropies,
)
from allometry.models import MLP
from allometry.spec.torch_draws import TorchDraws
from tests import ASSETS

Weights = list[NDArray[np.float64]]
FLOOR = 1e-9  # added to q inside the logarithm of H'_SIE

widths = st.lists(st.integers(1, 5), min_size=3, max_size=5)  # one to three hidden layers


def drawn(sizes: list[int], seed: int, scale: float = 1.0) -> Weights:
    random = np.random.default_rng(seed)
    return [random.normal(scale=scale, size=(b, a)) for a, b in pairwise(sizes)]


# ---- closed forms (studies.md 000.2) -----------------------------------------------------


@given(
    n_in=st.integers(1, 20),
    h1=st.integers(1, 60),
    h2=st.integers(1, 60),
    n_out=st.integers(1, 12),
)
def test_without_weights_every_path_is_as_likely(n_in: int, h1: int, h2: int, n_out: int) -> None:
    htse, hsie = unit_entropies([np.zeros((h1, n_in)), np.zeros((h2, h1)), np.zeros((n_out, h2))])
    assert htse.shape == hsie.shape == (h1 + h2,)
    # A unit of layer 2: n_out paths of cost 1 + ln n_out; of layer 1: n_out h2 of cost 2 + ln.
    for units, hops, paths in ((slice(h1, None), 1, n_out), (slice(0, h1), 2, n_out * h2)):
        cost = hops + math.log(paths)
        np.testing.assert_allclose(htse[units], cost / paths, rtol=1e-12)
        np.testing.assert_allclose(hsie[units], -math.log2(1 / paths + FLOOR), atol=1e-12)
        np.testing.assert_allclose(hsie[units], math.log2(paths), atol=1e-5)


def test_without_weights_the_notebooks_ten_outputs_give_its_numbers() -> None:
    htse, hsie = unit_entropies([np.zeros((4, 784)), np.zeros((2, 4)), np.zeros((10, 2))])
    assert htse[-1] == pytest.approx(0.33026, abs=5e-6)
    assert hsie[-1] == pytest.approx(3.3219, abs=5e-5)
    assert htse[0] == pytest.approx((2 + math.log(20)) / 20, rel=1e-12)


@given(hidden=st.lists(st.integers(1, 6), min_size=1, max_size=4), n_out=st.integers(1, 4))
def test_without_weights_any_depth_has_its_closed_form(hidden: list[int], n_out: int) -> None:
    sizes = [3, *hidden, n_out]
    htse, hsie = unit_entropies([np.zeros((b, a)) for a, b in pairwise(sizes)])
    first = 0
    for i, width in enumerate(hidden, start=1):
        paths = math.prod(sizes[i + 1 :])
        cost = len(sizes) - 1 - i + math.log(paths)
        units = slice(first, first + width)
        np.testing.assert_allclose(htse[units], cost / paths, rtol=1e-12)
        np.testing.assert_allclose(hsie[units], -math.log2(1 / paths + FLOOR), atol=1e-12)
        first += width
    assert first == len(htse)


# ---- against a walk along every path -----------------------------------------------------


def walk(weights: Weights, layer: int, unit: int, offset: float) -> Iterator[float]:
    """Cost of each path from a unit to the outputs, edge by edge, from the definition."""
    if layer == len(weights):
        yield 0.0
        return
    sizes = [math.exp(abs(w)) for w in weights[layer][:, unit]]
    for target, size in enumerate(sizes):
        edge = 1.0 - math.log(size / sum(sizes) + offset)
        for rest in walk(weights, layer + 1, target, offset):
            yield edge + rest


@given(
    sizes=widths,
    seed=st.integers(0, 10**6),
    scale=st.sampled_from([0.01, 0.3, 1.0, 3.0]),
    offset=st.sampled_from([0.0, 1e-9]),
)
@settings(max_examples=60, deadline=None)
def test_listing_every_path_gives_the_same(
    sizes: list[int], seed: int, scale: float, offset: float
) -> None:
    weights = drawn(sizes, seed, scale)
    htse, hsie = unit_entropies(weights, offset=offset)
    hidden = [(i, u) for i in range(1, len(weights)) for u in range(sizes[i])]
    assert len(hidden) == len(htse)
    for k, (layer, unit) in enumerate(hidden):
        costs = list(walk(weights, layer, unit, offset))
        assert len(costs) == math.prod(sizes[layer + 1 :])
        odds = [math.exp(-cost) for cost in costs]
        q = [o / sum(odds) for o in odds]
        assert htse[k] == pytest.approx(1 / sum(1 / c for c in costs), abs=1e-12, rel=1e-12)
        assert hsie[k] == pytest.approx(-sum(p * math.log2(p + FLOOR) for p in q), abs=1e-12)


@given(sizes=widths, seed=st.integers(0, 10**6), scale=st.floats(0, 30))
def test_measures_stay_within_their_bounds(sizes: list[int], seed: int, scale: float) -> None:
    htse, hsie = unit_entropies(drawn(sizes, seed, scale))
    paths = np.concatenate(
        [np.full(sizes[i], math.prod(sizes[i + 1 :])) for i in range(1, len(sizes) - 1)]
    )
    # No path costs less than one a hop, so n in parallel resist at least 1 / n.
    assert (htse >= 1 / paths - 1e-12).all()
    assert (hsie >= -1e-8).all()
    assert (hsie <= np.log2(paths) + 1e-6).all()


# ---- what plays no part ------------------------------------------------------------------


@given(sizes=widths, seed=st.integers(0, 10**6))
def test_the_order_of_units_and_the_signs_of_weights_play_no_part(
    sizes: list[int], seed: int
) -> None:
    weights, random = drawn(sizes, seed), np.random.default_rng(seed + 1)
    orders = [random.permutation(n) for n in sizes]
    shuffled = [
        w[orders[i + 1]][:, orders[i]] * random.choice([-1.0, 1.0], size=w.shape)
        for i, w in enumerate(weights)
    ]
    (htse, hsie), (htse2, hsie2) = unit_entropies(weights), unit_entropies(shuffled)
    hidden_order = np.concatenate([orders[i] + sum(sizes[1:i]) for i in range(1, len(sizes) - 1)])
    np.testing.assert_allclose(htse2, htse[hidden_order], rtol=1e-12)
    np.testing.assert_allclose(hsie2, hsie[hidden_order], rtol=1e-12, atol=1e-12)
    whole, permuted = path_entropies_of(weights, 0), path_entropies_of(shuffled, 0)
    for name in ("htse_all", "hsie_all"):
        assert permuted[name] == pytest.approx(whole[name], rel=1e-12, abs=1e-12)


@given(sizes=widths, seed=st.integers(0, 10**6))
def test_weights_from_the_inputs_play_no_part(sizes: list[int], seed: int) -> None:
    weights = drawn(sizes, seed)
    other = [np.zeros_like(weights[0]), *weights[1:]]
    for one, two in zip(unit_entropies(weights), unit_entropies(other), strict=True):
        assert (one == two).all()


def network(model: MLP, params: dict[str, NDArray[np.float32]], seed: int) -> Network:
    """A network as a measure sees it; path measures look at its weights and seed only."""
    spec = type("Seeded", (), {"seed": seed})()
    losses = {
        "train_loss": 1.0, "test_loss": 2.0, "train_accuracy": 0.5, "test_accuracy": 0.25,
    }  # fmt: skip
    return Network(spec, model, params, losses, None, 0, 0)  # type: ignore[arg-type]


@given(seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_biases_and_losses_play_no_part(seed: int) -> None:
    model = MLP(widths=(6, 40, 5, 3))
    params = dict(model.init(TorchDraws(seed)))
    noise = np.random.default_rng(seed)
    moved = {
        n: a + noise.normal(size=a.shape).astype(np.float32) if n.startswith("bias") else a
        for n, a in params.items()
    }
    assert path_entropies(network(model, params, seed)) == path_entropies(
        network(model, moved, seed)
    )
    assert path_entropies(network(model, params, seed)) == path_entropies_of(
        model.weights(params), seed
    )


# ---- the notebook's sample and its numbers -----------------------------------------------


@given(n=st.integers(1, 400), seed=st.integers(0, 2**32 - 1))
def test_thirty_units_or_all_are_sampled_once_each(n: int, seed: int) -> None:
    chosen = sampled_units(n, seed)
    assert len(chosen) == len(set(chosen.tolist())) == min(30, n)
    assert 0 <= chosen.min() <= chosen.max() < n
    np.random.seed(seed)  # noqa: NPY002 - the notebook's own call
    assert (chosen == np.random.choice(n, size=min(30, n), replace=False)).all()  # noqa: NPY002


@given(sizes=widths, seed=st.integers(0, 1000))
def test_means_are_over_the_sample_and_over_all(sizes: list[int], seed: int) -> None:
    weights = drawn([sizes[0], 50, *sizes[1:]], seed)
    htse, hsie = unit_entropies(weights)
    means, chosen = path_entropies_of(weights, seed), sampled_units(len(htse), seed)
    assert len(chosen) == 30 < len(htse)
    assert means == {
        "htse": htse[chosen].mean(),
        "hsie": hsie[chosen].mean(),
        "htse_all": htse.mean(),
        "hsie_all": hsie.mean(),
    }


def test_untrained_networks_give_the_notebooks_printed_digits() -> None:
    with (ASSETS / "notebook_000_seed42.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 19
    draws = TorchDraws(42)
    draws.randperm(60_000)
    for row in rows:
        hidden = map(int, row["hidden_sizes"].strip("()").split(","))
        model = MLP(widths=(784, *hidden, 10))
        assert model.counts().n_params == int(row["n_params"])
        means = path_entropies_of(model.weights(model.init(draws.copy())), 42)
        assert f"{means['htse']:.4f}" == row["htse_untrained"]
        assert f"{means['hsie']:.3f}" == row["hsie_untrained"]


# ---- edges and refusals ------------------------------------------------------------------


@given(fan_in=st.integers(1, 6), fan_out=st.integers(1, 6), seed=st.integers(0, 1000))
def test_edge_costs_are_of_probabilities(fan_in: int, fan_out: int, seed: int) -> None:
    [weight] = drawn([fan_in, fan_out], seed, 5.0)
    costs = edge_costs(weight)
    assert costs.shape == (fan_in, fan_out)
    assert (costs >= 1).all()
    np.testing.assert_allclose(np.exp(1 - costs).sum(axis=1), 1, rtol=1e-12)


def test_weights_far_apart_still_have_finite_costs() -> None:
    # exp(800) overflows; the notebook's own formula would give no path at all.
    costs = edge_costs(np.array([[800.0], [0.0]]))
    assert costs.tolist() == [[1.0, 801.0]]
    assert edge_costs(np.array([[800.0], [0.0]]), offset=1e-9)[0, 1] == pytest.approx(
        1 - math.log(1e-9)
    )


def test_a_network_without_hidden_units_is_refused() -> None:
    with pytest.raises(DataError, match="a network with a hidden layer expected"):
        unit_entropies([np.zeros((10, 784))])


def test_more_paths_than_memory_holds_are_refused_by_number() -> None:
    wide = [np.zeros((3000, 2)), np.zeros((3000, 3000)), np.zeros((10, 3000))]
    with pytest.raises(DataError, match="3000 units x 30000 paths is over 50,000,000"):
        unit_entropies(wide)


def test_losses_are_what_training_measured() -> None:
    net = network(MLP(widths=(2, 2, 2)), {}, 0)
    assert losses(net) == {
        "train_loss": 1.0, "test_loss": 2.0, "train_accuracy": 0.5, "test_accuracy": 0.25,
    }  # fmt: skip
