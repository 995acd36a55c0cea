"""Sizes and work read from the program, beside those that models work out themselves."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from allometry.errors import UsageError
from allometry.models import CNN, MLP, Model
from allometry.models.counting import check_fit, counts_of, n_inputs_of, weights_of
from allometry.spec.torch_draws import TorchDraws


@pytest.mark.parametrize(
    "model",
    [
        MLP(widths=(7, 3)),
        MLP(widths=(20, 33, 17, 5)),
        MLP(widths=(20, 16, 16, 5), residual=True, parametrisation="ntk", bias=False),
    ],
)
def test_counts_of_a_perceptron_are_its_own_to_the_last_operation(model: MLP) -> None:
    assert Model.counts(model) == model.counts()


def test_counts_of_a_convolution_are_its_own_but_for_the_mean() -> None:
    model = CNN(channels=(8, 12), image=(8, 8, 3), pool="none")
    counted, own = counts_of(model.apply, model.init(TorchDraws(0)), 192), model.counts()
    assert counted[:2] == own[:2]
    # One quotient for each mean of the head, and its like in the gradient.
    assert 0 <= counted.forward_flop - own.forward_flop <= 12
    assert abs(counted.backward_flop - own.backward_flop) <= 64


class Looped(Model):
    """A layer used again and again."""

    times: int = 3

    def init(self, draws: TorchDraws) -> Any:
        return {"weight": draws.uniform((5, 5), -1, 1)}

    def apply(self, params: Any, x: jax.Array) -> Any:
        return jax.lax.fori_loop(0, self.times, lambda i, h: h @ params["weight"].T, x)


def test_a_loop_counts_as_often_as_it_runs_and_one_without_end_is_refused() -> None:
    assert Looped().counts().forward_flop == 3 * 2 * 25

    class Endless(Looped):
        def apply(self, params: Any, x: jax.Array) -> Any:
            return jax.lax.while_loop(lambda h: h.sum() > 1, lambda h: h @ params["weight"].T, x)

    with pytest.raises(UsageError, match="give the model `counts`"):
        Endless().counts()


def test_weights_are_the_arrays_of_two_axes_and_more_as_matrices() -> None:
    params = {"a": np.zeros((4, 3, 2)), "b": np.zeros(4), "c": np.zeros((5, 4))}
    assert [w.shape for w in weights_of(params)] == [(4, 6), (5, 4)]


def test_data_that_do_not_fit_are_refused_in_words() -> None:
    Looped().check(5, 5)
    with pytest.raises(UsageError, match="does not take examples of 6 features"):
        Looped().check(6, 5)
    with pytest.raises(UsageError, match=r"outputs \(B, 9\) or wider expected"):
        Looped().check(5, 9)

    class Flat(Looped):
        def apply(self, params: Any, x: jax.Array) -> jax.Array:
            return jnp.ravel(x)

    with pytest.raises(UsageError, match=r"got \(10,\)"):
        Flat().check(5, 5)


def test_inputs_are_the_columns_with_which_the_network_works() -> None:
    model = MLP(widths=(7, 4, 3))
    start = dict(reversed(list(model.init(TorchDraws(0)).items())))  # the last layer first
    assert n_inputs_of(model.apply, start) == 7

    class Halves(Looped):
        def apply(self, params: Any, x: jax.Array) -> Any:
            return super().apply(params, x.reshape(len(x), 5, 2).sum(axis=2))

    with pytest.raises(UsageError, match="an array with as many columns as `apply` takes features"):
        Halves().counts()


@pytest.mark.parametrize(("said", "shown"), [("of\x1ethis\u2029name\nmore", "of\x1ethis\u2029name"),
                                             ("", "")])  # fmt: skip
def test_what_a_model_says_of_examples_is_told_by_its_first_line(said: str, shown: str) -> None:
    def apply(params: Any, x: Any) -> Any:
        raise ValueError(said)

    with pytest.raises(UsageError) as refusal:
        check_fit(apply, {"w": np.ones((3, 3))}, 3, 1, "Mine")
    assert str(refusal.value) == f"Mine does not take examples of 3 features: {shown}"
