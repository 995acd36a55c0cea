"""A pack made ready to train: its arrays on the device, and the calls that train it."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.datasets.batches import batches, epoch_batches, shared_order
from allometry.datasets.resident import Resident, resident
from allometry.datasets.splits import Split
from allometry.models.model import Model
from allometry.spec import RunSpec
from allometry.spec.optimizers import Optimizer
from allometry.spec.torch_draws import TorchDraws
from allometry.training.packing.choose import data_of, model_of, optimizer_of
from allometry.training.packing.cost import CHUNK_BYTES
from allometry.training.packing.layouts import Form, form_for
from allometry.training.precision import held_in, scope
from allometry.training.procedure import Pack
from allometry.training.updates import Chunks, State, in_chunks, update_batches, update_chunks

__all__ = ["Job", "Update", "calls", "narrowed", "prepare"]

Update = Callable[["Job", State], tuple[State, jax.Array]]


class Job(NamedTuple):
    """A pack made ready: arrays on the device, one layout for all its members."""

    specs: tuple[RunSpec, ...]
    models: list[Model]
    form: Form
    optimizer: Optimizer
    loss: str
    precision: str
    rates: jax.Array
    state: State
    split: Split
    x: Resident
    y: Resident
    order: Callable[[int], NDArray[np.int64]]
    epochs: int
    every: int


def prepare(pack: Pack) -> Job:
    """Load the data, draw the starts, lay the members side by side.

    Within the `scope` of the pack's precision, as all that is done with the job.
    """
    spec = pack.specs[0]
    held = held_in(spec.train.precision)
    draws = TorchDraws(spec.seed)
    models = [model_of(s) for s in pack.specs]
    with scope("float32"):
        split = data_of(spec).load(draws)
        features = models[0].features(draws, [split.train_x, split.test_x])
    train_x, test_x = (x.astype(held, copy=False) for x in features)
    split = split._replace(train_x=train_x, test_x=test_x)
    for model in models:
        model.check(train_x.shape[1], int(split.train_y.max()) + 1)
    own = [draws.copy() for _ in models]
    starts = [model.init(stream) for model, stream in zip(models, own, strict=True)]
    form = form_for(models, starts, spec.train.layer_rates)
    stacked = form.stack(starts)
    params = jax.tree.map(partial(jnp.asarray, dtype=held), stacked)
    optimizer = optimizer_of(spec)
    rates = jnp.array([optimizer_of(s).learning_rate for s in pack.specs], dtype=held)
    return Job(
        specs=pack.specs,
        models=models,
        form=form,
        # The rate is an argument, so packs that differ in it alone share one program.
        optimizer=optimizer.model_copy(update={"learning_rate": 1.0}),
        loss=spec.train.loss,
        precision=spec.train.precision,
        rates=rates,
        state=State(params, optimizer.direction().init(params)),
        split=split,
        x=resident(split.train_x) if form.chunk else Resident(jnp.asarray(split.train_x), 0),
        y=resident(split.train_y) if form.chunk else Resident(jnp.asarray(split.train_y), 0),
        order=_order(spec, own[0], len(split.train_x)),
        epochs=spec.train.epochs,
        every=spec.train.measure_every,
    )


def narrowed(job: Job, state: State, places: Sequence[int]) -> Job:
    """The job with some of its members alone, each with its part of this state.

    Args:
        places: of the members that stay, in the order of the job.
    """
    models = [job.models[i] for i in places]
    own = job.form.unstack(state.params)
    form = form_for(models, [own[i] for i in places], job.specs[0].train.layer_rates)
    structure: Any = jax.tree.structure(state.params)

    def is_packed(part: Any) -> bool:
        return bool(jax.tree.structure(part) == structure)

    def again(part: Any) -> Any:
        # An optimiser keeps arrays that lie as the parameters do, and counts that all share.
        if not is_packed(part):
            return part
        members = job.form.unstack(part)
        return jax.tree.map(jnp.asarray, form.stack([members[i] for i in places]))

    return job._replace(
        specs=tuple(job.specs[i] for i in places),
        models=models,
        form=form,
        rates=job.rates[np.array(places)],
        state=State(*(jax.tree.map(again, part, is_leaf=is_packed) for part in state)),
    )


def _order(spec: RunSpec, draws: TorchDraws, n: int) -> Callable[[int], NDArray[np.int64]]:
    """The order of each pass; asked for one pass after another."""
    if spec.train.batch_order == "torch":
        return lambda epoch: draws.loader_order(n)
    return lambda epoch: shared_order(spec.seed, epoch, n)


def calls(job: Job) -> Iterator[tuple[int | None, int, Update]]:
    """(epoch just ended or None, updates, what makes them) for each call of a program.

    The calls are the same whenever they are asked for, so that training can go on in the middle.
    """
    if not job.form.chunk:
        for epoch, n, index, weight in _batch_calls(job):
            yield epoch, n, partial(_whole, index, weight, n)
        return
    key, size = jax.random.key(job.specs[0].seed), job.form.chunk
    for epoch in range(job.epochs):
        ready = list(zip(*batches(job.order(epoch), job.specs[0].train.batch_size), strict=True))
        parts = list(in_chunks(ready, size, held_in(job.precision)))
        for i, (n, chunks) in enumerate(parts):
            own = jax.random.fold_in(jax.random.fold_in(key, epoch), i)
            end = epoch + 1 if i + 1 == len(parts) else None
            yield end, n, partial(_by_chunks, chunks, own)


def _whole(
    index: NDArray[np.int32], weight: NDArray[np.float32], n: int, job: Job, state: State
) -> tuple[State, jax.Array]:
    x, y = job.x.array, job.y.array
    return update_batches(
        job.form, job.optimizer, job.loss, job.precision, state, job.rates, x, y, index, weight, n
    )


def _by_chunks(chunks: Chunks, key: jax.Array, job: Job, state: State) -> tuple[State, jax.Array]:
    return update_chunks(
        job.form,
        job.optimizer,
        job.loss,
        job.precision,
        state,
        job.rates,
        job.x,
        job.y,
        chunks,
        key,
    )


def _batch_calls(
    job: Job,
) -> Iterator[tuple[int | None, int, NDArray[np.int32], NDArray[np.float32]]]:
    """(epoch just ended or None, updates, positions, weights) for each call of the program.

    Every call has arrays of one shape, the last of a stretch filled up, so that
    one compilation serves the whole run. A chunk ends where a measure is due.
    """
    spec = job.specs[0]
    batch = spec.train.batch_size
    per_epoch = epoch_batches(len(job.split.train_x), batch)
    row_bytes = batch * job.split.train_x[0].nbytes
    length = max(
        1, min(CHUNK_BYTES // row_bytes, max(per_epoch, 64), per_epoch * (job.every or job.epochs))
    )
    waiting: list[tuple[NDArray[np.int32], NDArray[np.float32]]] = []
    for epoch in range(job.epochs):
        waiting.extend(zip(*batches(job.order(epoch), batch), strict=True))
        due = epoch + 1 == job.epochs or (job.every and (epoch + 1) % job.every == 0)
        while len(waiting) >= length or (due and waiting):
            part, waiting = waiting[:length], waiting[length:]
            index = np.zeros((length, batch), dtype=np.int32)
            weight = np.zeros((length, batch), dtype=np.float32)
            index[: len(part)] = [i for i, _ in part]
            weight[: len(part)] = [w for _, w in part]
            yield (epoch + 1 if due and not waiting else None), len(part), index, weight
