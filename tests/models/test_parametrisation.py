"""Start and learning rates by width: equal to the standard at the base, stable beyond it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from allometry.models import CNN, MLP
from allometry.spec.torch_draws import TorchDraws

BASE = 32
X: Any = np.random.default_rng(0).normal(size=(16, 20)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(16, 4)).astype(np.float32)


def mlp(width: int, parametrisation: str) -> MLP:
    base = {"base_width": BASE} if parametrisation == "mup" else {}
    return MLP(widths=(20, width, width, 4), parametrisation=parametrisation, **base)


def moves(model: MLP, kind: Any, rate: float) -> float:
    """Root mean square change of the outputs by three updates with the model's factors.

    The mean over three seeds: one start of a wide network is half or twice another.
    """
    factors = model.rate_factors(kind)

    @jax.jit
    def change(start: Any) -> Any:
        def update(_: Any, params: Any) -> Any:
            gradient = jax.grad(lambda p: jnp.square(model.apply(p, X) - Y).mean())(params)
            # The update of Adam is about that of its first step, the sign.
            move = gradient if kind == "sgd" else jax.tree.map(jnp.sign, gradient)
            return {n: params[n] - rate * factors.get(n, 1.0) * move[n] for n in params}

        moved = model.apply(jax.lax.fori_loop(0, 3, update, start), X) - model.apply(start, X)
        return jnp.sqrt(jnp.square(moved).mean())

    return float(np.mean([change(model.init(TorchDraws(seed))) for seed in range(3)]))


def test_at_the_base_width_mup_is_the_standard() -> None:
    one, other = mlp(BASE, "standard"), mlp(BASE, "mup")
    for name, array in one.init(TorchDraws(3)).items():
        np.testing.assert_array_equal(array, other.init(TorchDraws(3))[name])
    for kind in ("sgd", "adam"):
        factors = other.rate_factors(kind)
        assert set(factors) == set(other.init(TorchDraws(0)))
        assert set(factors.values()) == {1.0}


def test_mup_factors_are_those_of_the_table() -> None:
    """Table 3 of 2203.03466 at four times the base width."""
    model = MLP(widths=(20, 128, 128, 4), parametrisation="mup", base_width=32, norm="layer")
    sgd, adam = model.rate_factors("sgd"), model.rate_factors("adam")
    assert [sgd[f"weight{i}"] for i in range(3)] == [4, 1, 1 / 4]
    assert [sgd[f"bias{i}"] for i in range(3)] == [4, 4, 1]
    assert [adam[f"weight{i}"] for i in range(3)] == [1, 1 / 4, 1 / 4]
    assert {adam[f"{array}{i}"] for array in ("bias", "scale", "shift") for i in range(2)} == {1}
    assert sgd["scale1"] == sgd["shift1"] == 4


def test_variances_of_the_mup_start_are_those_of_the_table() -> None:
    params = mlp(1024, "mup").init(TorchDraws(0))
    thirds = {f"weight{i}": 1 / 3 for i in range(3)}  # of PyTorch's uniform draws
    expected = {"weight0": 1 / 20, "weight1": 1 / 1024, "weight2": BASE / 1024**2}
    for name, third in thirds.items():
        assert params[name].var() == pytest.approx(third * expected[name], rel=0.05)
    assert params["bias1"].var() == pytest.approx(1 / 3 / BASE, rel=0.1)


@pytest.mark.parametrize(("kind", "rate"), [("sgd", 0.05), ("adam", 0.01)])
def test_updates_move_a_wide_mup_network_as_far_as_a_narrow_one(kind: str, rate: float) -> None:
    """The coordinate check; the standard parametrisation fails it, with either kind of update."""
    narrow, wide = (moves(mlp(width, "mup"), kind, rate) for width in (64, 1024))
    assert 0.67 <= wide / narrow <= 1.5
    narrow, wide = (moves(mlp(width, "standard"), kind, rate) for width in (64, 1024))
    assert wide / narrow > 3


def test_ntk_computes_what_the_standard_does_at_the_start() -> None:
    one, other = mlp(64, "standard"), mlp(64, "ntk")
    outputs = [jax.jit(model.apply)(model.init(TorchDraws(5)), X) for model in (one, other)]
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)


def kernel(model: MLP) -> float:
    """Squared gradient of one output at one example: the tangent kernel on the diagonal."""
    gradient = jax.jit(jax.grad(lambda p: model.apply(p, X[:1])[0, 0]))(model.init(TorchDraws(0)))
    return float(sum(np.square(array).sum() for array in gradient.values()))


def test_the_ntk_of_a_wide_network_has_a_limit() -> None:
    """Jacot et al., 1806.07572: the kernel converges; in the standard one it grows as the width."""
    assert kernel(mlp(2048, "ntk")) == pytest.approx(kernel(mlp(512, "ntk")), rel=0.3)
    assert kernel(mlp(2048, "standard")) > 3 * kernel(mlp(512, "standard"))


def test_updates_of_a_wide_ntk_network_stay_in_bounds() -> None:
    for kind, rate in (("sgd", 0.2), ("adam", 0.05)):
        narrow, wide = (moves(mlp(width, "ntk"), kind, rate) for width in (64, 1024))
        assert 0.4 <= wide / narrow <= 2.5, kind  # the limit is slower than that of muP


def test_channels_are_the_widths_of_a_cnn() -> None:
    options: dict[str, Any] = {"image": (6, 6, 2), "parametrisation": "mup"}
    base = CNN(channels=(4, 8), base_channels=(4, 8), **options)
    assert set(base.rate_factors("sgd").values()) == {1.0}
    wide = CNN(channels=(8, 32), base_channels=(4, 8), **options)
    sgd, adam = wide.rate_factors("sgd"), wide.rate_factors("adam")
    assert [sgd[f"weight{i}"] for i in range(3)] == [2, 4 / 2, 1 / 4]
    assert [adam[f"weight{i}"] for i in range(3)] == [1, 1 / 2, 1 / 4]
