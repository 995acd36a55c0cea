"""The notebooks' lists of sizes, exactly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allometry.models import MLP
from allometry.studies.path_entropies.sizes import halving_pairs, log_spaced

# studies.md 000.3: hidden widths and N of the N-scaling notebook.
NOTEBOOK = {
    (1, 1): 807, (2, 1): 1593, (3, 2): 2393, (4, 2): 3180, (5, 2): 3967, (6, 3): 4771,
    (7, 4): 5577, (8, 4): 6366, (9, 4): 7155, (11, 6): 8777, (12, 6): 9568, (15, 8): 11993,
    (17, 8): 13579, (20, 10): 16020, (23, 12): 18473, (27, 14): 21737, (32, 16): 25818,
    (37, 18): 29919, (43, 22): 34953,
}  # fmt: skip
D_SCALING = [
    100, 129, 167, 217, 281, 365, 473, 613, 794, 1029, 1333, 1727, 2238, 2900, 3758, 4869,
    6309, 8175, 10592, 13724, 17782, 23040, 29853, 38681, 50118,
]  # fmt: skip


def test_nineteen_pairs_and_their_n_are_the_notebooks() -> None:
    pairs = halving_pairs(800, 35_000, 25, 0.5, 789)
    sizes = [MLP(widths=(784, *pair, 10)).counts().n_params for pair in pairs]
    assert dict(zip(pairs, sizes, strict=True)) == NOTEBOOK
    assert pairs == list(NOTEBOOK)
    assert len(pairs) == 19


def test_twenty_five_data_sizes_are_the_notebooks() -> None:
    exact = [int(Decimal(10) ** (2 + Decimal("2.7") * i / 24)) for i in range(25)]
    assert log_spaced(2, 4.7, 25) == exact
    assert log_spaced(2, 4.7, 25) == D_SCALING


@given(
    low=st.floats(10, 1e4),
    decades=st.floats(0.1, 3),
    count=st.integers(2, 40),
    linear=st.floats(10, 2000),
)
def test_pairs_halve_rise_and_do_not_repeat(
    low: float, decades: float, count: int, linear: float
) -> None:
    pairs = halving_pairs(low, low * 10**decades, count, 0.5, linear)
    assert 1 <= len(pairs) <= count
    assert len(set(pairs)) == len(pairs)
    assert pairs == sorted(pairs)
    for h1, h2 in pairs:
        assert h1 >= 1
        assert h2 == max(1, round(h1 / 2))


@pytest.mark.parametrize("target", [900.0, 5_000.0, 34_000.0])
def test_a_pairs_estimate_is_within_half_a_unit_of_its_target(target: float) -> None:
    [(h1, _)] = halving_pairs(target, target, 1, 0.5, 789)
    estimate = [0.5 * h**2 + 789 * h for h in (h1 - 0.5, h1 + 0.5)]
    assert estimate[0] <= target <= estimate[1]
