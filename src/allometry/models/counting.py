"""Sizes, FLOP, weights and checks of a model that does not define them itself.

FLOP are counted in the program of `apply` as JAX traces it, before compilation, so they are the
same on every machine.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr
from numpy.typing import NDArray

from allometry.errors import UsageError

__all__ = [
    "Counts", "Params", "check_fit", "check_one_network", "counts_of", "n_inputs_of", "weights_of",
]  # fmt: skip

# Parameter name to array; weights are (fan_out, fan_in) on the host, as in PyTorch. They start as
# float32, and are float64 where training is in float64.
Params = Mapping[str, NDArray[Any]]
Apply = Callable[..., Any]

# Operations that count as one for each output; comparisons, roots and other functions count none.
SINGLE = {"add", "add_any", "sub", "mul", "div", "square", "integer_pow"}


class Counts(NamedTuple):
    """Sizes of one network.

    Attributes:
        n_params: trained numbers, weights and biases.
        n_params_no_biases: trained weights alone.
        forward_flop: of one example through the trained part; a multiply-add counts as two.
        backward_flop: of one example: gradients of all weights, and of the inputs of all
            layers but the first, whose gradient is not needed.
    """

    n_params: int
    n_params_no_biases: int
    forward_flop: int
    backward_flop: int


def counts_of(apply: Apply, start: Params, n_in: int) -> Counts:
    """Sizes of a model by its `apply` and its start values, for examples of `n_in` features.

    Arrays with one axis are biases. Multiply-adds of matrix products and convolutions are two
    operations; sums, differences, products and quotients of single numbers are one. Functions
    such as tanh count nothing. For a plain `MLP` this agrees with its own `counts`.

    Raises:
        UsageError: `apply` has a loop of unknown length.
    """
    params = _shapes(start)
    x = jax.ShapeDtypeStruct((1, n_in), jnp.float32)
    forward = _flop(apply, params, x)

    def with_gradient(params: Any, x: jax.Array, of_outputs: jax.Array) -> Any:
        return jax.vjp(lambda p: apply(p, x), params)[1](of_outputs)

    outputs = jax.eval_shape(apply, params, x)
    sizes = [math.prod(a.shape) for a in params.values()]
    return Counts(
        n_params=sum(sizes),
        n_params_no_biases=sum(math.prod(a.shape) for a in params.values() if len(a.shape) > 1),
        forward_flop=forward,
        backward_flop=_flop(with_gradient, params, x, outputs) - forward,
    )


def weights_of(params: Params) -> list[NDArray[Any]]:
    """The arrays of two axes or more, in their order, as matrices ``(first axis, the others)``."""
    return [array.reshape(len(array), -1) for array in params.values() if array.ndim > 1]


def n_inputs_of(apply: Apply, start: Params) -> int | None:
    """Features that `apply` takes: the first number of columns in `start` that it accepts."""
    columns: list[int] = [array.shape[1] for array in start.values() if array.ndim > 1]
    for n_in in columns:
        x = jax.ShapeDtypeStruct((2, n_in), jnp.float32)
        try:
            outputs = jax.eval_shape(apply, _shapes(start), x)
        except (TypeError, ValueError):
            continue
        if outputs.shape[:1] == (2,):
            return n_in
    return None


def check_fit(apply: Apply, start: Params, n_in: int, n_out: int, name: str) -> None:
    """Refuse examples of `n_in` features that `apply` does not take, or too few outputs.

    Args:
        name: of the model, for the message.

    Raises:
        UsageError: saying what was expected.
    """
    x = jax.ShapeDtypeStruct((2, n_in), jnp.float32)
    try:
        outputs = jax.eval_shape(apply, _shapes(start), x)
    except (TypeError, ValueError) as error:
        first_line = str(error).partition("\n")[0]
        raise UsageError(
            f"{name} does not take examples of {n_in} features: {first_line}"
        ) from error
    if len(outputs.shape) not in (2, 3) or outputs.shape[0] != 2 or outputs.shape[-1] < n_out:
        raise UsageError(
            f"{name}: outputs (B, {n_out}) or wider expected for these data, got "
            f"{outputs.shape} for B = 2"
        )


def check_one_network(apply: Apply, start: Params, again: Params, n_in: int, name: str) -> None:
    """Refuse start values that the seed does not decide, and outputs that depend on the batch.

    Args:
        start, again: start values of one seed, drawn twice.

    Raises:
        UsageError: saying what to do.
    """
    if any(not np.array_equal(start[key], again[key], equal_nan=True) for key in start):
        raise UsageError(
            f"{name}.init: the same start values at each call expected, got others; draw them "
            "from its argument `draws`, which has the run's seed, and from no other generator"
        )
    x = np.random.default_rng(0).normal(size=(4, n_in)).astype(np.float32)
    together, shuffled = jax.jit(lambda p, x: (apply(p, x), apply(p, x[::-1])[::-1]))(start, x)
    alone = jnp.concatenate([apply(start, x[k : k + 1]) for k in range(len(x))])
    for other in (shuffled, alone):
        if not np.allclose(together, other, rtol=1e-2, atol=1e-4, equal_nan=True):
            raise UsageError(
                f"{name}.apply: the outputs of an example depend on the others of its batch; take "
                "no statistics over the examples (axis 0), as a batch norm does: norms over the "
                "units of an example (axis -1) are fine"
            )


def _shapes(start: Params) -> dict[str, jax.ShapeDtypeStruct]:
    return {
        name: jax.ShapeDtypeStruct(np.shape(array), jnp.float32) for name, array in start.items()
    }


def _flop(function: Callable[..., Any], *arguments: Any) -> int:
    return _work(jax.make_jaxpr(function)(*arguments).jaxpr)


def _work(jaxpr: Any) -> int:
    """Operations of a traced program."""
    total = 0
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        outputs = [v.aval for v in equation.outvars if jnp.issubdtype(v.aval.dtype, jnp.floating)]
        out = math.prod(outputs[0].shape) if outputs else 0  # integers, as counters, cost nothing
        if name == "while":
            raise UsageError("a loop of unknown length in `apply`: give the model `counts`")
        if name == "dot_general":
            (contracted, _), _ = params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            total += 2 * out * math.prod(left[axis] for axis in contracted)
        elif name == "conv_general_dilated":
            total += round(2 * out * _taps(equation))
        elif name in ("reduce_sum", "cumsum"):
            total += math.prod(equation.invars[0].aval.shape)
        elif name in SINGLE:
            total += out
        elif name == "cond":
            total += max(_work(branch.jaxpr) for branch in params["branches"])
        else:
            repeats = params["length"] if name == "scan" else 1
            total += repeats * sum(map(_work, _inner(params)))
    return total


def _taps(equation: Any) -> Fraction:
    """Multiply-adds of a convolution per output, without those by zeros between inputs."""
    kernel, spec = equation.invars[1].aval.shape, equation.params["dimension_numbers"].rhs_spec
    taps = math.prod(kernel) // kernel[spec[0]]
    return Fraction(taps, math.prod(equation.params["lhs_dilation"]))


def _inner(params: Mapping[str, Any]) -> Iterator[Jaxpr]:
    """The programs that an operation calls."""
    for value in params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, ClosedJaxpr):
                yield part.jaxpr
            elif isinstance(part, Jaxpr):
                yield part
