"""The program of a pack: its networks, their layout, the data, and the calls that train it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.datasets.batches import Call, Course, calls_in_chunks, calls_of_batches, shared_order
from allometry.datasets.splits import Split
from allometry.measures.network import Network
from allometry.models.model import Model, Params
from allometry.models.precision import scope
from allometry.spec import RunSpec
from allometry.spec.optimizers import is_elementwise
from allometry.spec.schedules import Constant
from allometry.spec.torch_draws import TorchDraws
from allometry.training.compatible import check_compatible, metrics_of
from allometry.training.descent import Descent, State, begin_optimizer
from allometry.training.dividing import cut, mesh_for, on_all
from allometry.training.evaluation import means
from allometry.training.examples import Gathered, Resident, gathered, resident
from allometry.training.members import hyperparameters
from allometry.training.packing.layouts import laid_out
from allometry.training.packing.sharing import Parts, needs_equal_shapes, parts_of

__all__ = ["Program", "calls", "epoch_at", "narrowed", "networks", "prepare"]


@dataclass(frozen=True)
class Program:
    """Everything a pack is trained with; replaced only when members leave.

    Attributes:
        specs, models: specs and models of the members, in the same order.
        descent: arguments of the compiled programs: layout, optimiser, loss, precision, data.
        splits: features and targets of each member, on the host.
        courses: the batches of each member; equal objects if members share them.
        rows: first row of each member's training examples on the device, ``(K,)``.
        updates: number of updates of each member, ``(K,)``.
        points, looks: for each member, the steps at which its trajectory has a point, and those
            at which early stopping is checked.
    """

    specs: tuple[RunSpec, ...]
    models: tuple[Model, ...]
    descent: Descent
    splits: tuple[Split, ...]
    courses: tuple[Course, ...]
    rows: NDArray[np.int64]
    updates: NDArray[np.int64]
    points: tuple[frozenset[int], ...]
    looks: tuple[frozenset[int], ...]

    @property
    def own_batches(self) -> bool:
        """Whether each member has its own batches."""
        return self.descent.layout.own_batches

    @cached_property
    def measured(self) -> tuple[Split, ...]:
        """The splits over which losses are averaged: one for all members, or one for each.

        Their training examples are limited by `TrainSpec.measure_examples`.
        """
        most = self.specs[0].train.measure_examples
        splits = self.splits if self.own_batches else self.splits[:1]
        samples = {id(split): _sampled(split, most) for split in splits}
        return tuple(samples[id(split)] for split in splits)

    @cached_property
    def own_examples(self) -> Mapping[str, Gathered] | None:
        """The result of `placed` for the splits in `measured`."""
        placed = self.placed(self.measured)
        if placed is None or self.specs[0].train.measure_examples is None:
            return placed
        return {**placed, "train": gathered([(s.train_x, s.train_y) for s in self.measured])}

    def placed(self, splits: Sequence[Split]) -> Mapping[str, Gathered] | None:
        """Examples on the device by part, if each member has its own; None if all share them.

        Args:
            splits: split of each member, with all or the first of its training examples.
        """
        if not self.own_batches:
            return None
        by_part = [split.parts() for split in splits]
        # The training examples are already on the device.
        train = Gathered(self.descent.x.array, self.descent.y.array, self.rows)
        rest = {p: gathered([of[p] for of in by_part]) for p in by_part[0] if p != "train"}
        return {"train": train, **rest}


def _sampled(split: Split, most: int | None) -> Split:
    """The split with at most `most` training examples, evenly spaced; None keeps all."""
    n = len(split.train_x)
    if most is None or most >= n:
        return split
    rows = np.arange(most) * n // max(most, 1)
    return split._replace(train_x=split.train_x[rows], train_y=split.train_y[rows])


def dtype_of(precision: str) -> type[np.floating[Any]]:
    """The type of weights, optimiser state, losses and examples."""
    return np.float64 if precision == "float64" else np.float32


def prepare(specs: Sequence[RunSpec], *, divided: bool = False) -> tuple[Program, State]:
    """Load the data, draw the initial parameters, and choose the layout.

    Like every other operation on a program, call it within the `scope` of its precision.

    Args:
        divided: as for `Pack`.

    Raises:
        UsageError: data, model and loss do not fit together.
    """
    train, parts = specs[0].train, parts_of(specs)
    dtype, models = dtype_of(train.precision), parts.models
    splits, draws = _loaded(specs, parts, dtype)
    # Each member draws its initial parameters from its own stream; PyTorch's shuffles follow.
    starts = [model.init(stream) for model, stream in zip(models, draws, strict=True)]
    check_compatible(specs, parts, starts, splits)
    layout, arrays = laid_out(
        models, starts, own_batches=parts.own_batches, stacked=bool(parts.equal_shapes)
    )
    params = jax.tree.map(partial(jnp.asarray, dtype=dtype), arrays)
    rule = hyperparameters(specs, parts, starts, dtype)
    x, y, rows = _on_device(splits, own=parts.own_batches, shared=bool(layout.chunk))
    mesh = mesh_for(layout.chunk, train.batch_size) if divided else None
    descent = Descent(
        layout=layout,
        optimizer=rule.optimizer,
        matrices=tuple(name for name, array in starts[0].items() if array.ndim > 1),
        loss=train.loss,
        metrics=metrics_of(specs[0], splits[0]),
        precision=train.precision,
        learning_rates=rule.learning_rates,
        rate_factors=rule.rate_factors,
        scalars=rule.scalars,
        clip_norms=rule.clip_norms,
        keys=_keys(specs) if models[0].stochastic else None,
        x=x,
        y=y,
        mesh=mesh,
    )
    sizes = [data.n_used for data in parts.data]
    steps = [spec.train for spec in specs]
    program = Program(
        specs=tuple(specs),
        models=models,
        descent=descent if mesh is None else on_all(mesh, descent),
        splits=splits,
        courses=_courses(specs, draws, sizes),
        rows=rows,
        updates=np.array([t.updates(n) for t, n in zip(steps, sizes, strict=True)]),
        points=tuple(frozenset(t.points(n).tolist()) for t, n in zip(steps, sizes, strict=True)),
        looks=tuple(frozenset(t.looks(n).tolist()) for t, n in zip(steps, sizes, strict=True)),
    )
    return program, State(params, begin_optimizer(layout, rule.optimizer, params))


def _loaded(
    specs: Sequence[RunSpec], parts: Parts, dtype: type[np.floating[Any]]
) -> tuple[tuple[Split, ...], list[TorchDraws]]:
    """Each member's examples as its network sees them, and the stream for its initial parameters.

    Members with the same data set and seed share examples. Members whose data do not depend on
    the seed share arrays.
    """
    loaded: dict[Any, tuple[Split, TorchDraws]] = {}
    seen: dict[Any, tuple[Split, Split]] = {}  # by ids of arrays, which the values keep alive
    for spec, model, data in zip(specs, parts.models, parts.data, strict=True):
        if (spec.seed, data) in loaded:
            continue
        stream = TorchDraws(spec.seed)
        with scope("float32"):
            split = data.prepare(stream)
            if type(model).features is Model.features:  # the default, which draws nothing
                key = tuple(map(id, split))
                if key not in seen:
                    seen[key] = split, _seen_by(model, stream, split, dtype)
                split = seen[key][1]
            else:
                split = _seen_by(model, stream, split, dtype)
        loaded[spec.seed, data] = split, stream
    of_members = [loaded[spec.seed, spec.data] for spec in specs]
    return tuple(split for split, _ in of_members), [draws.copy() for _, draws in of_members]


def _seen_by(model: Model, draws: TorchDraws, split: Split, dtype: type[np.floating[Any]]) -> Split:
    """The split with the features that the trained part of a model sees, read-only."""
    x = [split.train_x, split.test_x, *([] if split.valid_x is None else [split.valid_x])]
    features = [array.astype(dtype, copy=False) for array in model.features(draws, x)]
    targets = [split.train_y, split.test_y, *([] if split.valid_y is None else [split.valid_y])]
    targets = [
        y.astype(dtype, copy=False) if np.issubdtype(y.dtype, np.floating) else y for y in targets
    ]
    for array in (*features, *targets):
        array.setflags(write=False)
    return Split(features[0], targets[0], features[1], targets[1], *features[2:], *targets[2:])


def _on_device(
    splits: Sequence[Split], *, own: bool, shared: bool
) -> tuple[Resident, Resident, NDArray[np.int64]]:
    """Training features and targets on the device, and the first row of each member's.

    Args:
        own: whether each member has its own examples.
        shared: whether all programs that use parts of one array share one copy on the device.
    """
    if own:
        x, y, rows = gathered([(split.train_x, split.train_y) for split in splits])
        return Resident(x, 0), Resident(y, 0), rows
    place = resident if shared else lambda array: Resident(jnp.asarray(array), 0)
    first = splits[0]
    return place(first.train_x), place(first.train_y), np.zeros(len(splits), dtype=np.int64)


def _keys(specs: Sequence[RunSpec]) -> jax.Array:
    return jnp.stack([jax.random.key(spec.seed) for spec in specs])


def _courses(
    specs: Sequence[RunSpec], draws: Sequence[TorchDraws], sizes: Sequence[int]
) -> tuple[Course, ...]:
    if specs[0].train.batch_order == "torch":
        (spec,), (stream,), (n,) = specs, draws, sizes
        # One shuffle after another.
        return (Course(lambda epoch: stream.loader_order(n), n, spec.train.batch_size),)
    courses: dict[Any, Course] = {}
    of_members = []
    for spec, n in zip(specs, sizes, strict=True):
        key = spec.seed, n, spec.train.batch_size
        if key not in courses:
            courses[key] = Course(partial(shared_order, spec.seed, n=n), n, spec.train.batch_size)
        of_members.append(courses[key])
    return tuple(of_members)


# ---- the calls that train a pack -------------------------------------------------------------


def calls(program: Program, done: int = 0) -> Iterator[Call]:
    """The calls that train all members, from the first update to the last.

    The sequence is reproducible, so that training can be resumed in the middle.

    Args:
        done: number of updates already made; a call ends after them.
    """
    looked_at = set().union(*program.points, *program.looks)
    ends = sorted({*program.updates.tolist(), *looked_at, done} - {0})
    factors, train = _factors(program), program.specs[0].train
    if chunk := program.descent.layout.chunk:
        dtype = dtype_of(train.precision)
        parts = cut(program.descent.mesh, chunk, train.batch_size)
        yield from calls_in_chunks(program.courses[0], ends, parts, dtype, factors)
        return
    own = program.own_batches
    courses = program.courses if own else program.courses[:1]
    example = program.splits[0].train_x[0].nbytes
    for call in calls_of_batches(courses, ends, example, factors, own=own):
        batches = call.batches
        if own:
            offset = program.rows.astype(np.int32)[None, :, None]
            call = call._replace(batches=batches._replace(rows=batches.rows + offset))
        yield call


def _factors(program: Program) -> Callable[[NDArray[np.int64]], NDArray[Any]] | None:
    """Factors on the members' learning rates ``(n, K)`` at updates ``(n,)``; None if all are 1.

    They are 0 after the end of a member's length.
    """
    schedules = [spec.train.schedule for spec in program.specs]
    lengths, dtype = program.updates.tolist(), dtype_of(program.specs[0].train.precision)
    constant = all(schedule == Constant() for schedule in schedules)
    if constant and len(set(lengths)) == 1 and not any(program.looks):
        return None

    def factors(steps: NDArray[np.int64]) -> NDArray[np.float32]:
        columns = [
            np.where(steps < length, schedule.factors(steps, length), 0)
            for schedule, length in zip(schedules, lengths, strict=True)
        ]
        return np.stack(columns, axis=-1).astype(dtype)

    return factors


# ---- members ---------------------------------------------------------------------------------


def narrowed(program: Program, state: State, places: Sequence[int]) -> tuple[Program, State]:
    """Program and state of only some of the members.

    Args:
        places: places of the members that stay, in the order of the program.
    """
    descent = program.descent
    layout, rows = descent.layout, np.array(places)
    models = tuple(program.models[i] for i in places)
    members = layout.unstack(state.params)
    narrow, arrays = laid_out(
        models,
        [members[i] for i in places],
        own_batches=program.own_batches,
        stacked=bool(needs_equal_shapes(program.specs[0])),
    )

    def of_members(values: Any) -> Any:
        return jax.tree.map(lambda array: array[rows], values)

    narrow_descent = replace(
        descent,
        layout=narrow,
        learning_rates=of_members(descent.learning_rates),
        rate_factors=of_members(descent.rate_factors),
        scalars=of_members(descent.scalars),
        clip_norms=of_members(descent.clip_norms),
        keys=of_members(descent.keys),
    )
    kept = _kept_of(descent, narrow, state, places)
    params = jax.tree.map(jnp.asarray, arrays)

    def some(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(values[i] for i in places)

    return (
        replace(
            program,
            specs=some(program.specs),
            models=models,
            descent=narrow_descent,
            splits=some(program.splits),
            courses=some(program.courses),
            rows=program.rows[rows],
            updates=program.updates[rows],
            points=some(program.points),
            looks=some(program.looks),
        ),
        State(params, kept),
    )


def _kept_of(descent: Descent, narrow: Any, state: State, places: Sequence[int]) -> Any:
    """The optimiser state of some of the members, in a narrower layout."""
    if not is_elementwise(descent.optimizer):
        rows = np.array(places)
        return jax.tree.map(lambda array: array[rows], state.optimizer)

    def repacked(slot: Any) -> Any:
        parts = descent.layout.unstack(slot)
        return jax.tree.map(jnp.asarray, narrow.stack([parts[i] for i in places]))

    return state.optimizer._replace(slots=tuple(map(repacked, state.optimizer.slots)))


def networks(program: Program, params: Any, steps: Sequence[int]) -> list[Network]:
    """Every member as measures see it: its parameters, and losses over `Program.measured`.

    Args:
        steps: number of updates each member has made.
    """
    losses = means(program.descent, params, program.measured, program.own_examples)
    members: list[Params] = program.descent.layout.unstack(params)
    for member in members:
        for array in member.values():
            array.setflags(write=False)
    return [
        Network(
            program.specs[k], program.models[k], member,
            {name: float(values[k]) for name, values in losses.items()},
            program.splits[k], epoch_at(program, k, steps[k]), steps[k],
        )
        for k, member in enumerate(members)
    ]  # fmt: skip


def epoch_at(program: Program, k: int, step: int) -> float:
    """Number of epochs of a member after `step` updates; an int if it is whole."""
    per_epoch = program.courses[k].epoch_updates
    passes, rest = divmod(step, per_epoch)
    return passes + rest / per_epoch if rest else passes
