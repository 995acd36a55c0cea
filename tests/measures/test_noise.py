"""The gradient noise scale: closed forms, finite differences, unbiased over all subsets."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import jax
import numpy as np
import pytest
from numpy.typing import NDArray

from allometry.datasets.split import Split
from allometry.errors import UsageError
from allometry.measures import gradient_noise_scale, noise
from allometry.measures.examples import drawn_rows
from allometry.measures.noise import noise_and_signal
from allometry.models import CNN, MLP, ConvNet
from allometry.models.precision import scope
from allometry.spec.losses import CrossEntropy, SquaredError
from tests.measures.untrained import drawn_split, untrained

Gradients = NDArray[np.float64]  # of each example, (n, n_params)


def scale_and_norm(gradients: Gradients) -> dict[str, float]:
    """By the definition, of all examples there are."""
    mean = gradients.mean(axis=0)
    trace = np.trace(np.cov(gradients.T, bias=True))
    return {
        "gradient_noise_scale": float(trace / (mean @ mean)),
        "gradient_norm": float(np.linalg.norm(mean)),
    }


def of_a_line(net: Any) -> Gradients:
    """Gradients of the squared errors of a linear network of one output, in NumPy."""
    x, y = net.split.train_x.astype(np.float64), net.split.train_y
    error = x @ net.params["weight0"].T + net.params["bias0"] - y
    return np.asarray(2 * error * np.column_stack([x, np.ones(len(x))]))


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 1e-5), ("float64", 1e-12)]
)
def test_of_a_linear_network_it_has_its_closed_form(precision: str, tolerance: float) -> None:
    dtype = "f8" if precision == "float64" else "f4"
    net = untrained(
        MLP(widths=(5, 1)), drawn_split(300, 5, dtype=dtype), SquaredError(), precision=precision
    )
    expected = scale_and_norm(of_a_line(net))
    assert gradient_noise_scale(net) == pytest.approx(expected, rel=tolerance)


def test_finite_differences_of_each_loss_give_the_same() -> None:
    split = drawn_split(20, 3, classes=4, dtype="f8")
    net = untrained(MLP(widths=(3, 5, 4), activation="tanh"), split, precision="float64")
    columns = []
    with scope("float64"):
        x, labels = (jax.numpy.asarray(a) for a in (split.train_x, split.train_y))
        each = jax.jit(lambda p: CrossEntropy().each(net.model.apply(p, x), labels))
        for name, array in net.params.items():
            for place in np.ndindex(array.shape):
                step = np.zeros_like(array)
                step[place] = 1e-5
                up, down = (each({**net.params, name: array + s}) for s in (step, -step))
                columns.append((up - down) / 2e-5)
    expected = scale_and_norm(np.stack(columns, axis=1).astype(np.float64))
    assert gradient_noise_scale(net) == pytest.approx(expected, rel=1e-7)


def test_over_all_subsets_the_means_are_those_of_all_examples() -> None:
    n, gradients = 6, np.random.default_rng(0).normal(0.3, 1, size=(6, 3))

    def estimates(rows: Any) -> tuple[float, float]:
        some = gradients[list(rows)]
        mean = some.mean(axis=0)
        return noise_and_signal(float(mean @ mean), float((some**2).sum()), len(some), n)

    exact = estimates(range(n))
    assert exact[0] == pytest.approx(np.trace(np.cov(gradients.T, bias=True)), rel=1e-12)
    for count in (2, 3, 5):
        every = np.array([estimates(rows) for rows in combinations(range(n), count)])
        assert every.mean(axis=0) == pytest.approx(exact, rel=1e-12)


def test_of_many_examples_the_estimates_are_those_of_two_sizes_of_batch() -> None:
    """1812.06162, appendix A.1, with batches of 1 and 50."""
    gradients = np.random.default_rng(1).normal(0.2, 1, size=(50, 4))
    big = float((gradients.mean(axis=0) ** 2).sum())
    small = float((gradients**2).sum(axis=1).mean())
    noise, signal = noise_and_signal(big, 50 * small, 50, 10**12)
    assert signal == pytest.approx((50 * big - 1 * small) / (50 - 1), rel=1e-9)
    assert noise == pytest.approx((small - big) / (1 / 1 - 1 / 50), rel=1e-9)


def test_fewer_examples_are_those_the_seed_draws() -> None:
    split = drawn_split(40, 5)
    nets = [untrained(MLP(widths=(5, 1)), split, SquaredError(), seed=s) for s in (3, 3, 4)]
    # All with the parameters of the first.
    nets = [replace(net, params=nets[0].params) for net in nets]
    first, again, other = (gradient_noise_scale(net, examples=30) for net in nets)
    assert first == again != other
    some = of_a_line(nets[0])[drawn_rows(40, 30, 3)]
    square = float((some.mean(axis=0) ** 2).sum())
    trace, signal = noise_and_signal(square, float((some**2).sum()), 30, 40)
    expected = {"gradient_noise_scale": trace / signal, "gradient_norm": np.sqrt(signal)}
    assert first == pytest.approx(expected, rel=1e-5)


def test_batches_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    net = untrained(MLP(widths=(4, 6, 3)), drawn_split(23, 4, classes=3))
    whole = gradient_noise_scale(net)
    size = sum(array.size for array in net.params.values())
    monkeypatch.setattr(noise, "NUMBERS", 5 * size)  # 4 batches of 5, one of 3
    assert gradient_noise_scale(net) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        CNN(channels=(2,), image=(6, 6, 1)),
        pytest.param(ConvNet(channels=1), marks=pytest.mark.slow),
    ],
    ids=lambda model: type(model).__name__,
)
def test_convolutions_have_gradients_of_single_examples(model: Any) -> None:
    split = drawn_split(6, 36 if isinstance(model, CNN) else 784, classes=10)
    net = untrained(model, split)

    def loss(params: Any, i: int) -> Any:
        outputs = model.apply(params, split.train_x[i : i + 1])
        return CrossEntropy().each(outputs, jax.numpy.asarray(split.train_y[i : i + 1])).sum()

    gradient = jax.jit(jax.grad(loss), static_argnums=1)
    rows = [np.concatenate([g.ravel() for g in gradient(net.params, i).values()]) for i in range(6)]
    expected = scale_and_norm(np.stack(rows).astype(np.float64))
    assert gradient_noise_scale(net) == pytest.approx(expected, rel=1e-4)


def test_gradients_that_cancel_have_no_scale_and_equal_ones_no_noise() -> None:
    x = np.array([[1.0], [1.0]], np.float32)
    params = {"weight0": np.zeros((1, 1), np.float32)}
    for targets, scale, norm in (([1, -1], np.nan, 0.0), ([1, 1], 0.0, 2.0)):
        y = np.array(targets, np.float32)
        split = Split(x, y, x, y)
        net = untrained(MLP(widths=(1, 1), bias=False), split, SquaredError())
        found = gradient_noise_scale(replace(net, params=params))
        assert found == pytest.approx(
            {"gradient_noise_scale": scale, "gradient_norm": norm}, nan_ok=True
        )


@pytest.mark.parametrize("examples", [0, 1])
def test_one_example_of_several_is_refused(examples: int) -> None:
    net = untrained(MLP(widths=(5, 1)), drawn_split(40, 5), SquaredError())
    with pytest.raises(UsageError, match=f"or more expected, got {examples}"):
        gradient_noise_scale(net, examples=examples)


def test_seeds_of_one_model_share_a_compilation() -> None:
    split, program = drawn_split(9, 4, classes=2), noise._batch_sums
    before = program._cache_size()  # type: ignore[attr-defined]
    for seed in range(3):
        gradient_noise_scale(untrained(MLP(widths=(4, 7, 2)), split, seed=seed))
    assert program._cache_size() == before + 1  # type: ignore[attr-defined]
