"""Mutual information of known joint distributions, and the demo's way of counting."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from allometry.datasets.splits import Moons, Split
from allometry.errors import DataError
from allometry.measures.network import Network
from allometry.models import MLP
from allometry.spec.torch_draws import TorchDraws
from allometry.studies.path_entropies.information import (
    cells,
    first_unit_information,
    mutual_information,
)

tables = st.lists(
    st.lists(st.integers(0, 6), min_size=3, max_size=3), min_size=2, max_size=5
).filter(lambda t: sum(map(sum, t)) > 0)


def pairs(counts: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two lists whose pairs occur as often as the table says."""
    listed = [(i, j) for i, row in enumerate(counts) for j, n in enumerate(row) for _ in range(n)]
    x, y = zip(*listed, strict=True)
    return np.array(x), np.array(y)


def entropy(p: NDArray[np.float64]) -> float:
    p = p[p > 0] / p.sum()
    return float(-(p * np.log2(p)).sum())


@given(counts=tables)
def test_it_is_the_entropies_of_each_less_that_of_both(counts: list[list[int]]) -> None:
    joint = np.array(counts, dtype=float)
    expected = entropy(joint.sum(axis=1)) + entropy(joint.sum(axis=0)) - entropy(joint.ravel())
    assert mutual_information(*pairs(counts)) == pytest.approx(expected, abs=1e-12)


@given(counts=tables)
def test_it_is_symmetric_never_negative_and_blind_to_names(counts: list[list[int]]) -> None:
    x, y = pairs(counts)
    bits = mutual_information(x, y)
    assert bits >= -1e-12
    assert mutual_information(y, x) == pytest.approx(bits, abs=1e-12)
    assert mutual_information(100 - 7 * x, y) == pytest.approx(bits, abs=1e-12)


@given(rows=st.lists(st.integers(1, 5), min_size=1, max_size=4),
       columns=st.lists(st.integers(1, 5), min_size=1, max_size=4))  # fmt: skip
def test_independent_quantities_share_nothing(rows: list[int], columns: list[int]) -> None:
    assert mutual_information(*pairs([[a * b for b in columns] for a in rows])) == pytest.approx(
        0, abs=1e-12
    )


@pytest.mark.parametrize("k", [1, 2, 8, 30])
def test_a_quantity_shares_its_whole_entropy_with_itself(k: int) -> None:
    x = np.repeat(np.arange(k), 5)
    assert mutual_information(x, x) == pytest.approx(math.log2(k), abs=1e-12)


def test_a_noisy_bit_shares_what_the_channel_lets_through() -> None:
    # Binary symmetric channel, one in ten flipped: 1 - h(0.1) bits.
    bits = mutual_information(*pairs([[45, 5], [5, 45]]))
    assert bits == pytest.approx(1 - entropy(np.array([0.1, 0.9])), abs=1e-12)


def test_two_correlated_normals_share_what_their_correlation_says() -> None:
    random, rho, n = np.random.default_rng(0), 0.8, 1_000_000
    x = random.normal(size=n)
    y = rho * x + math.sqrt(1 - rho**2) * random.normal(size=n)
    # Cutting into cells only loses information: for 100 cells under 0.01 bit here.
    bits = mutual_information(cells(x, 100), cells(y, 100))
    assert bits == pytest.approx(-0.5 * math.log2(1 - rho**2), abs=0.01)


def test_few_examples_are_too_high_by_what_the_docstring_says() -> None:
    random, n = np.random.default_rng(1), 40_000
    drawn = [
        mutual_information(random.integers(0, 30, n), random.integers(0, 30, n)) for _ in range(20)
    ]
    assert np.mean(drawn) == pytest.approx(29**2 / (2 * n * math.log(2)), rel=0.05)


def test_cells_are_even_and_the_highest_value_has_its_own() -> None:
    assert cells(np.linspace(0, 29, 30), 30).tolist() == list(range(1, 31))
    assert cells(np.array([0.0, 0.49, 0.5, 0.99, 1.0]), 3).tolist() == [1, 1, 2, 2, 3]
    assert len(set(cells(np.full(5, 3.0)).tolist())) == 1


@given(seed=st.integers(0, 1000), n=st.integers(2, 400))
def test_the_demos_histogram_of_cells_gives_the_same(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    x, y = cells(random.normal(size=n)), cells(random.random(n) ** 2)
    counts, _, _ = np.histogram2d(x, y, bins=30)
    p = counts / counts.sum()
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    bits = sum(
        p[i, j] * math.log2(p[i, j] / (rows[i] * columns[j]))
        for i in range(30)
        for j in range(30)
        if p[i, j] > 0
    )
    assert mutual_information(x, y) == pytest.approx(bits, abs=1e-10)


def moons_network(model: MLP, **params: list[float]) -> Network:
    split: Split = Moons(n_samples=500).load(TorchDraws(0))
    arrays = {n: np.array(a, dtype=np.float32) for n, a in params.items()}
    return Network(None, model, arrays, {}, split, 0, 0)  # type: ignore[arg-type]


def test_a_unit_that_copies_the_first_input_shares_all_of_it() -> None:
    net = moons_network(
        MLP(widths=(2, 2, 2), activation="relu"),
        weight0=[[1, 0], [5, 5]], bias0=[10, 0],
    )  # fmt: skip
    first = cells(net.split.train_x[:, 0])
    got = first_unit_information(net)
    # 10 + x is never negative: the same cells, but for a value rounded over an edge.
    assert got["information_input"] == pytest.approx(mutual_information(first, first), rel=0.02)
    assert got["information_label"] == pytest.approx(
        mutual_information(first, net.split.train_y), abs=0.05
    )


def test_a_dead_unit_shares_nothing() -> None:
    net = moons_network(
        MLP(widths=(2, 2, 2), activation="relu"),
        weight0=[[1, 1], [5, 5]], bias0=[-100, 0],
    )  # fmt: skip
    assert list(first_unit_information(net).values()) == pytest.approx([0, 0], abs=1e-12)


def test_a_network_without_hidden_unit_is_refused() -> None:
    with pytest.raises(DataError, match="an MLP with a hidden layer expected"):
        first_unit_information(moons_network(MLP(widths=(2, 2))))
