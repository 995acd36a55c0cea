"""A pack made ready to train: its networks, their layout, the data, and the calls that train it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import jax
import jax.experimental
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.datasets.batches import Call, calls_in_chunks, calls_of_batches, shared_order
from allometry.datasets.splits import Data, Split
from allometry.measures.network import Network
from allometry.models.model import Model, Params
from allometry.spec import RunSpec
from allometry.spec.optimizers import Optimizer
from allometry.spec.torch_draws import TorchDraws
from allometry.training.descent import Descent, Resident, State, means, resident
from allometry.training.packing.layouts import layout_for

__all__ = ["Program", "calls", "dtype_of", "narrowed", "networks", "prepare", "scope"]

# Before JAX 0.8 it stands elsewhere.
_X64 = jax if hasattr(jax, "enable_x64") else jax.experimental


@dataclass(frozen=True)
class Program:
    """What a pack trains with; replaced only when members leave.

    Attributes:
        specs, models: of the members, in one order.
        descent: what the compiled programs are given: layout, optimiser, task, precision, data.
        split: the features and targets, on the host.
        order: positions of the examples in each pass; asked for one pass after another.
        epochs: passes, and `every` those between points of the trajectory (0: no trajectory).
    """

    specs: tuple[RunSpec, ...]
    models: tuple[Model, ...]
    descent: Descent
    split: Split
    order: Callable[[int], NDArray[np.int64]]
    epochs: int
    every: int


def scope(precision: str) -> AbstractContextManager[None]:
    """Where programs of this precision are made and run; what lies outside is not touched."""
    context: AbstractContextManager[None] = _X64.enable_x64(precision == "float64")
    return context


def dtype_of(precision: str) -> type[np.floating[Any]]:
    """The type of weights, optimiser state, losses and examples."""
    return np.float64 if precision == "float64" else np.float32


def prepare(specs: Sequence[RunSpec]) -> tuple[Program, State]:
    """Load the data, draw the start values, choose the layout.

    Like everything done with the program, it is called within the `scope` of its precision.
    """
    spec = specs[0]
    dtype = dtype_of(spec.train.precision)
    draws = TorchDraws(spec.seed)
    # `make_packs` has seen that these are models, data sets and optimisers.
    models = tuple(cast(Model, s.model) for s in specs)
    data, optimizers = cast(Data, spec.data), [cast(Optimizer, s.train.optimizer) for s in specs]
    with scope("float32"):
        split = data.load(draws)
        features = models[0].features(draws, [split.train_x, split.test_x])
    train_x, test_x = (x.astype(dtype, copy=False) for x in features)
    split = split._replace(train_x=train_x, test_x=test_x)
    task = data.task(spec.train.loss)
    for model in models:
        model.check(train_x.shape[1], task.n_outputs(split.train_y))
    # Each member draws from the same state; the last takes the stream itself.
    streams = [*(draws.copy() for _ in models[1:]), draws]
    starts = [model.init(stream) for model, stream in zip(models, streams, strict=True)]
    layout = layout_for(models, starts, spec.train.layer_rates)
    params = jax.tree.map(partial(jnp.asarray, dtype=dtype), layout.stack(starts))
    optimizer = optimizers[0]
    on_device = resident if layout.chunk else _copied
    descent = Descent(
        layout=layout,
        # The rate is an argument, so packs that differ in it alone share one program.
        optimizer=optimizer.model_copy(update={"learning_rate": 1.0}),
        task=task,
        precision=spec.train.precision,
        learning_rates=jnp.array([o.learning_rate for o in optimizers], dtype=dtype),
        x=on_device(split.train_x),
        y=on_device(split.train_y),
    )
    order = _order(spec, streams[0], len(split.train_x))
    train = spec.train
    program = Program(
        tuple(specs), models, descent, split, order, train.epochs, train.measure_every
    )
    return program, State(params, optimizer.direction().init(params))


def _copied(x: NDArray[Any]) -> Resident:
    return Resident(jnp.asarray(x), 0)


def _order(spec: RunSpec, draws: TorchDraws, n: int) -> Callable[[int], NDArray[np.int64]]:
    if spec.train.batch_order == "torch":
        return lambda epoch: draws.loader_order(n)  # one shuffle after another
    return partial(shared_order, spec.seed, n=n)


def calls(program: Program) -> Iterator[Call]:
    """The calls that train the pack, from its first update to its last.

    They are the same whenever they are asked for, so that training can go on in the middle.
    """
    train, size = program.specs[0].train, program.descent.layout.chunk
    if size:
        dtype = dtype_of(train.precision)
        return calls_in_chunks(program.order, train.batch_size, train.epochs, size, dtype)
    x = program.split.train_x
    return calls_of_batches(
        program.order, len(x), train.batch_size, train.epochs, program.every, x[0].nbytes
    )


def narrowed(program: Program, state: State, places: Sequence[int]) -> tuple[Program, State]:
    """Program and state of some of the members alone.

    Args:
        places: of the members that stay, in the order of the program.
    """
    layout = program.descent.layout
    models = tuple(program.models[i] for i in places)
    members = layout.unstack(state.params)
    rates = program.specs[0].train.layer_rates
    narrow = layout_for(models, [members[i] for i in places], rates)
    structure: Any = jax.tree.structure(state.params)

    def is_packed(part: Any) -> bool:
        return bool(jax.tree.structure(part) == structure)

    def repacked(part: Any) -> Any:
        # An optimiser keeps arrays laid out as the parameters are, and counts that all share.
        if not is_packed(part):
            return part
        parts = layout.unstack(part)
        return jax.tree.map(jnp.asarray, narrow.stack([parts[i] for i in places]))

    descent = replace(
        program.descent,
        layout=narrow,
        learning_rates=program.descent.learning_rates[np.array(places)],
    )
    specs = tuple(program.specs[i] for i in places)
    return (
        replace(program, specs=specs, models=models, descent=descent),
        State(*(jax.tree.map(repacked, part, is_leaf=is_packed) for part in state)),
    )


def networks(program: Program, params: Any, epoch: int) -> list[Network]:
    """Every member as a measure sees it: its own parameters, losses over all examples."""
    losses = means(program.descent, params, program.split)
    members: list[Params] = program.descent.layout.unstack(params)
    return [
        Network(
            program.specs[k], program.models[k], member,
            {name: float(values[k]) for name, values in losses.items()},
            program.split, epoch,
        )
        for k, member in enumerate(members)
    ]  # fmt: skip
