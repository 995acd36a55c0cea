"""Modular addition: every pair once, on one side, with the right answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from allometry.datasets.modular import ModularAddition
from allometry.spec.torch_draws import TorchDraws

DATA = st.builds(
    lambda p, fraction: ModularAddition(p=p, fraction=fraction),
    st.integers(3, 20), st.floats(0.1, 0.9),
)  # fmt: skip


@given(data=DATA, seed=st.integers(0, 2**32 - 1))
def test_every_pair_is_shown_or_tested_and_never_both(data: ModularAddition, seed: int) -> None:
    split = data.load(TorchDraws(seed))
    assert len(split.train_x) == data.n_data == round(data.fraction * data.p**2)
    shown, tested = ({(int(a), int(b)) for a, b in x} for x in (split.train_x, split.test_x))
    assert not shown & tested
    assert shown | tested == {(a, b) for a in range(data.p) for b in range(data.p)}
    assert len(split.test_x) == data.p**2 - data.n_data


@given(data=DATA, seed=st.integers(0, 2**32 - 1))
def test_answers_are_the_sums(data: ModularAddition, seed: int) -> None:
    split = data.load(TorchDraws(seed))
    for x, y in ((split.train_x, split.train_y), (split.test_x, split.test_y)):
        assert (x.dtype, y.dtype) == (np.float32, np.int32)
        assert [(int(a) + int(b)) % data.p for a, b in x] == y.tolist()


def test_the_draw_is_the_seeds() -> None:
    data = ModularAddition(p=53, fraction=0.5)
    one, same, other = (data.load(TorchDraws(seed)).train_x for seed in (0, 0, 1))
    assert (one == same).all()
    assert (one != other).any()
    # Half of all pairs, drawn at random: about half of them shown in mirror image too.
    shown = {(int(a), int(b)) for a, b in one}
    mirrored = np.mean([(b, a) in shown for a, b in shown if a != b])
    assert 0.42 < mirrored < 0.58


@pytest.mark.parametrize(("p", "fraction"), [(2, 0.05), (2, 0.99), (5, 0.0), (5, 1.0), (1, 0.5)])
def test_a_split_with_an_empty_side_is_refused(p: int, fraction: float) -> None:
    with pytest.raises(ValidationError):
        ModularAddition(p=p, fraction=fraction)
