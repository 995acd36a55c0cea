"""The promises of a model about one network. Each check gives a sentence for each broken one."""

import json
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from allometry.errors import UsageError
from allometry.models.counting import Counts, counts_of
from allometry.models.model import Model
from allometry.models.precision import scope
from allometry.spec.torch_draws import TorchDraws
from allometry.testing.case import Case, close

__all__ = [
    "check_examples", "check_gradient", "check_outputs", "check_precision", "check_rates",
    "check_sizes", "check_start", "check_training", "check_value",
]  # fmt: skip

FLOP_FACTOR = 10  # allowed between `counts` and `apply`, which may do more, or share work
KEYS = 200  # draws whose mean is compared with `apply`
# Shares of the largest output.
SUMS = 1e-4  # float32 sums in another order
ROUNDED = 0.25  # bfloat16 has 8 bits, and errors of layers add up
BENT = 0.5  # a mean of outputs is not the output of the mean where layers are not linear


def check_value(model: Model) -> Iterator[str]:
    """The model can be hashed and has a document; its `member_fields` hold numbers."""
    hash(model)
    json.dumps(model.document())
    for field in model.member_fields:
        value = getattr(model, field)
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
            yield f"member_fields has {field!r}, which is {value!r}: numbers expected there"


def check_start(model: Model) -> Iterator[str]:
    """float32 arrays by name, drawn from the seed and nothing else."""
    first, again, other = (dict(model.init(TorchDraws(seed))) for seed in (1, 1, 2))
    if not first:
        yield "init gives no arrays: a dict of parameter name to array expected"
    kinds = {name: getattr(a, "dtype", type(a).__name__) for name, a in first.items()}
    if wrong := {name: str(kind) for name, kind in kinds.items() if kind != np.float32}:
        yield f"init gives {wrong}: NumPy arrays of float32 expected"
        return
    if wild := [name for name, array in first.items() if not np.isfinite(array).all()]:
        yield f"init gives {wild} values that are not finite"
    if changed := [n for n, a in first.items() if not np.array_equal(a, again.get(n, ()))]:
        yield (
            f"init gives other values of {changed} for the same seed: take every random number "
            "from its argument `draws`"
        )
    random = [name for name, a in first.items() if np.size(a) > 1 and np.ptp(a) > 0]
    if (
        random
        and first.keys() == other.keys()
        and all(np.array_equal(first[name], other[name]) for name in random)
    ):
        yield (
            "init gives the same values for two seeds: take random numbers from its argument "
            "`draws`"
        )


def check_outputs(case: Case) -> Iterator[str]:
    """``(B, n_out)``, or ``(B, T, n_out)`` of sequences, and finite."""
    outputs, n = case.outputs, len(case.x)
    if outputs.ndim not in (2, 3) or len(outputs) != n:
        yield f"apply gives outputs {outputs.shape} for {n} examples: ({n}, n_out) expected"
    if outputs.dtype != np.float32:
        yield f"apply gives {outputs.dtype} for float32 parameters and examples: float32 expected"
    if not np.isfinite(outputs).all():
        yield "apply gives outputs that are not finite for examples of ordinary size"


def check_examples(case: Case) -> Iterator[str]:
    """The outputs of an example depend neither on the others nor on its place among them."""
    order = np.random.default_rng(1).permutation(len(case.x))
    shuffled = case.apply(case.params, case.x[order])
    part = case.apply(case.params, case.x[: len(case.x) // 2])
    if not (
        close(shuffled, case.outputs[order], SUMS) and close(part, case.outputs[: len(part)], SUMS)
    ):
        yield (
            "the outputs of one example depend on the others of its batch, or on its place there: "
            "no statistics over axis 0 in apply (norms over the units of an example are fine), and "
            "random numbers in apply_training alone, drawn from its key"
        )


def check_gradient(case: Case) -> Iterator[str]:
    """Every parameter has a finite gradient that is not zero."""
    direction = np.random.default_rng(2).normal(size=case.outputs.shape).astype(np.float32)

    def total(params: dict[str, jax.Array]) -> jax.Array:
        return (case.model.apply(params, jnp.asarray(case.x)) * direction).sum()

    gradient = jax.jit(jax.grad(total))(dict(case.params))
    for name, array in gradient.items():
        if not np.isfinite(array).all():
            yield f"the gradient of {name!r} is not finite"
        elif not np.any(array):
            yield (
                f"the outputs do not depend on {name!r}: its gradient is zero, it would never train"
            )


def check_precision(case: Case) -> Iterator[str]:
    """float64 and bfloat16 give the same outputs up to rounding, or a UsageError."""
    try:
        with scope("float64"):
            doubles = {n: jax.ShapeDtypeStruct(a.shape, np.float64) for n, a in case.params.items()}
            x = jax.ShapeDtypeStruct(case.x.shape, np.float64)
            exact = jax.eval_shape(case.model.apply, doubles, x).dtype
    except UsageError:
        yield from ()
    else:
        if exact != np.float64:
            yield (
                f"apply gives {exact} for float64 parameters and examples: its own constants or "
                "casts lose digits"
            )
    rounded = {name: array.astype(jnp.bfloat16) for name, array in case.params.items()}
    try:
        outputs = case.apply(rounded, case.x if case.model.symbols else case.x.astype(jnp.bfloat16))
    except UsageError:
        return
    if not close(outputs, case.outputs, ROUNDED):
        yield "apply gives other outputs in bfloat16 than in float32, by more than rounding"


def check_sizes(case: Case) -> Iterator[str]:
    """The sizes of a network in the table of runs are true."""
    model, n_in = case.model, case.x.shape[1]
    traced = counts_of(model.apply, case.params, n_in)
    counts: Counts = traced if type(model).counts is Model.counts else model.counts()
    if counts.n_params != traced.n_params:
        yield f"counts says n_params = {counts.n_params}, init gives {traced.n_params} numbers"
    weights = model.weights(case.params)
    if any(matrix.ndim != 2 for matrix in weights):
        shapes = [matrix.shape for matrix in weights]
        yield f"weights gives arrays {shapes}: matrices (fan_out, fan_in) expected"
    n_weights = sum(matrix.size for matrix in weights)
    if not n_weights <= counts.n_params_no_biases <= counts.n_params:
        yield (
            f"counts says n_params_no_biases = {counts.n_params_no_biases}: from {n_weights}, the "
            f"numbers in the matrices of weights, to {counts.n_params} expected"
        )
    for field in ("forward_flop", "backward_flop"):
        stated, actual = getattr(counts, field), getattr(traced, field)
        if not actual / FLOP_FACTOR <= stated <= actual * FLOP_FACTOR:
            yield f"counts says {field} = {stated}, the operations of apply are {actual}"
    sizes = model.hidden_sizes
    if sizes is not None and not all(isinstance(n, int) and n > 0 for n in sizes):
        yield f"hidden_sizes gives {sizes!r}: a tuple of widths, or None, expected"
    model.check(n_in, case.outputs.shape[-1])


def check_rates(case: Case) -> Iterator[str]:
    """Factors on the learning rates are finite and belong to parameters of `init`."""
    for kind in ("sgd", "adam"):
        for name, factor in case.model.rate_factors(kind).items():
            if name not in case.params:
                yield f"rate_factors({kind!r}) names {name!r}, which init does not give"
            elif not (np.isfinite(factor) and factor >= 0):
                yield f"rate_factors({kind!r}) gives {name!r} {factor}: a finite factor expected"


def check_training(case: Case) -> Iterator[str]:
    """`apply_training` draws from its key where `stochastic` is True, and nowhere else."""
    model, x = case.model, jnp.asarray(case.x)
    params = {name: jnp.asarray(array) for name, array in case.params.items()}

    def outputs_of(key: jax.Array) -> jax.Array:
        return model.apply_training(params, x, key)

    # In one compiled program that maps over keys, as for packs.
    several = jax.jit(jax.vmap(outputs_of))
    outputs = np.asarray(several(jax.random.split(jax.random.key(0), KEYS)))
    if not np.array_equal(outputs, several(jax.random.split(jax.random.key(0), KEYS))):
        yield "apply_training gives other outputs for the same key"
    differ = np.ptp(outputs, axis=0).max() > SUMS * np.abs(case.outputs).max()
    if differ != model.stochastic:
        yield (
            "apply_training gives other outputs for another key, but stochastic is False"
            if differ
            else "stochastic is True, but apply_training gives the same outputs for every key"
        )
    elif not close(outputs.mean(axis=0), case.outputs, BENT if differ else SUMS):
        yield "the mean of apply_training over its keys is not near apply"
