"""The training loop, for every study: all members of a pack in one program."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.datasets.batches import batches, epoch_batches, shared_order
from allometry.datasets.resident import Resident, resident
from allometry.datasets.splits import Split
from allometry.descent import Chunks, State, in_chunks, update_batches, update_chunks
from allometry.draws import TorchDraws
from allometry.evaluate import evaluate
from allometry.measures.network import Losses, Network
from allometry.models.model import Model
from allometry.optimizers import Optimizer
from allometry.pack_cost import CHUNK_BYTES
from allometry.pack_forms import Form, form_for
from allometry.packing import data_of, make_packs, model_of, optimizer_of
from allometry.procedure import Measures, Pack
from allometry.result import Cell, RunResult
from allometry.spec import RunSpec

__all__ = ["Training", "describe", "train_pack", "updates"]

_Update = Callable[[State], tuple[State, jax.Array]]


@dataclass(frozen=True)
class Training:
    """The procedure of every `RunSpec`: packs of one family, data and seed, trained here.

    Attributes:
        untrained: take the measures before the first update too, the control.
    """

    untrained: bool = True

    def packs(self, specs: Sequence[RunSpec]) -> list[Pack]:
        return make_packs(specs)

    def updates(self, spec: RunSpec) -> int:
        return updates(spec)

    def run(
        self,
        pack: Pack,
        measures: Measures,
        trajectory: Measures,
        advance: Callable[[int], None],
    ) -> list[RunResult]:
        return train_pack(pack, measures, trajectory, advance, untrained=self.untrained)


def train_pack(
    pack: Pack,
    measures: Measures,
    trajectory: Measures,
    advance: Callable[[int], None] = lambda model_steps: None,
    *,
    untrained: bool = True,
) -> list[RunResult]:
    """Train every run of a pack and take its measures, at the start and at the end.

    Args:
        measures: name to function of one `Network`; their columns also appear with
            ``_untrained`` behind the name, measured before the first update.
        trajectory: the same, taken every `measure_every` epochs.
        advance: told of updates made, summed over members.
        untrained: False leaves the measures before the first update out.
    """
    began = time.perf_counter()
    job = _prepare(pack)
    start = _networks(job, job.state.params, epoch=0) if untrained or job.every else None
    points = [start] if start and job.every else []
    state, finite_until, step = job.state, np.zeros(len(pack.specs), dtype=np.int64), 0
    for epoch, n, update in _calls(job):
        state, finite = update(state)
        step += n
        finite_until = np.where(np.asarray(finite), step, finite_until)
        advance(n * len(pack.specs))
        if epoch is not None and job.every and epoch % job.every == 0:
            points.append(_networks(job, state.params, epoch))
    final = _networks(job, state.params, epoch=job.epochs)
    seconds = (time.perf_counter() - began) / len(pack.specs)
    return [
        _result(
            start[k] if start and untrained else None, final[k], [p[k] for p in points],
            measures, trajectory, int(finite_until[k]), seconds,
        )
        for k in range(len(pack.specs))
    ]  # fmt: skip


def updates(spec: RunSpec) -> int:
    """Optimiser updates the run makes."""
    return spec.train.epochs * epoch_batches(data_of(spec).n_data, spec.train.batch_size)


def describe(spec: RunSpec) -> dict[str, Cell]:
    """The columns that follow from the spec alone.

    `compute` is training FLOP: examples seen times the forward and backward FLOP of
    `Model.counts`; `compute_6nd` the usual estimate 6 N D of Kaplan et al. (2001.08361).
    """
    model, counts = model_of(spec), model_of(spec).counts()
    data = data_of(spec)
    seen = spec.train.epochs * data.n_data
    row: dict[str, Cell] = {
        "model": type(model).__name__,
        "data": str(getattr(data, "name", type(data).__name__)),
        "hidden_sizes": str(getattr(model, "hidden", "")),
        "n_params": counts.n_params,
        "n_params_no_biases": counts.n_params_no_biases,
        "n_data": data.n_data,
        "epochs": spec.train.epochs,
        "steps": updates(spec),
        "batch_size": spec.train.batch_size,
        "learning_rate": optimizer_of(spec).learning_rate,
        "forward_flop": counts.forward_flop,
        "compute": float(seen * (counts.forward_flop + counts.backward_flop)),
        "compute_6nd": float(6 * counts.n_params * seen),
    }
    return row


class _Job(NamedTuple):
    """A pack made ready: arrays on the device, one layout for all its members."""

    specs: tuple[RunSpec, ...]
    models: list[Model]
    form: Form
    optimizer: Optimizer
    loss: str
    rates: jax.Array
    state: State
    split: Split
    x: Resident
    y: Resident
    order: Callable[[int], NDArray[np.int64]]
    epochs: int
    every: int


def _prepare(pack: Pack) -> _Job:
    spec = pack.specs[0]
    draws = TorchDraws(spec.seed)
    split = data_of(spec).load(draws)
    models = [model_of(s) for s in pack.specs]
    train_x, test_x = models[0].features(draws, [split.train_x, split.test_x])
    split = split._replace(train_x=train_x, test_x=test_x)
    for model in models:
        model.check(train_x.shape[1], int(split.train_y.max()) + 1)
    own = [draws.copy() for _ in models]
    starts = [model.init(stream) for model, stream in zip(models, own, strict=True)]
    form = form_for(models, starts, spec.train.layer_rates)
    params = jax.tree.map(jnp.asarray, form.stack(starts))
    optimizer = optimizer_of(spec)
    rates = jnp.array([optimizer_of(s).learning_rate for s in pack.specs], dtype=jnp.float32)
    return _Job(
        specs=pack.specs,
        models=models,
        form=form,
        # The rate is an argument, so packs that differ in it alone share one program.
        optimizer=optimizer.model_copy(update={"learning_rate": 1.0}),
        loss=spec.train.loss,
        rates=rates,
        state=State(params, optimizer.direction().init(params)),
        split=split,
        x=resident(split.train_x) if form.chunk else Resident(jnp.asarray(split.train_x), 0),
        y=resident(split.train_y) if form.chunk else Resident(jnp.asarray(split.train_y), 0),
        order=_order(spec, own[0], len(split.train_x)),
        epochs=spec.train.epochs,
        every=spec.train.measure_every,
    )


def _order(spec: RunSpec, draws: TorchDraws, n: int) -> Callable[[int], NDArray[np.int64]]:
    """The order of each pass; asked for one pass after another."""
    if spec.train.batch_order == "torch":
        return lambda epoch: draws.loader_order(n)
    return lambda epoch: shared_order(spec.seed, epoch, n)


def _calls(job: _Job) -> Iterator[tuple[int | None, int, _Update]]:
    """(epoch just ended or None, updates, what makes them) for each call of a program."""
    if not job.form.chunk:
        for epoch, n, index, weight in _batch_calls(job):
            yield epoch, n, partial(_whole, job, index, weight, n)
        return
    key, size = jax.random.key(job.specs[0].seed), job.form.chunk
    for epoch in range(job.epochs):
        ready = list(zip(*batches(job.order(epoch), job.specs[0].train.batch_size), strict=True))
        calls = list(in_chunks(ready, size))
        for i, (n, chunks) in enumerate(calls):
            own = jax.random.fold_in(jax.random.fold_in(key, epoch), i)
            end = epoch + 1 if i + 1 == len(calls) else None
            yield end, n, partial(_by_chunks, job, chunks, own)


def _whole(
    job: _Job, index: NDArray[np.int32], weight: NDArray[np.float32], n: int, state: State
) -> tuple[State, jax.Array]:
    x, y = job.x.array, job.y.array
    return update_batches(
        job.form, job.optimizer, job.loss, state, job.rates, x, y, index, weight, n
    )


def _by_chunks(job: _Job, chunks: Chunks, key: jax.Array, state: State) -> tuple[State, jax.Array]:
    return update_chunks(
        job.form, job.optimizer, job.loss, state, job.rates, job.x, job.y, chunks, key
    )


def _batch_calls(
    job: _Job,
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


def _networks(job: _Job, params: Any, epoch: int) -> list[Network]:
    loss, split = job.loss, job.split
    train_loss, train_accuracy = evaluate(job.form, loss, params, split.train_x, split.train_y)
    test_loss, test_accuracy = evaluate(job.form, loss, params, split.test_x, split.test_y)
    columns = zip(train_loss, test_loss, train_accuracy, test_accuracy, strict=True)
    return [
        Network(spec, model, own, Losses(*map(float, losses)), job.split, epoch)
        for spec, model, own, losses in zip(
            job.specs, job.models, job.form.unstack(params), columns, strict=True
        )
    ]


def _result(
    start: Network | None,
    final: Network,
    points: list[Network],
    measures: Measures,
    trajectory: Measures,
    finite_until: int,
    seconds: float,
) -> RunResult:
    """One run's row: what follows from its spec, then its measures, final and untrained."""
    diverged = finite_until < updates(final.spec) or not np.isfinite(final.losses).all()
    row = describe(final.spec)
    for measure in measures.values():
        before = measure(start) if start else {}
        # Nothing can be measured on weights that are not numbers.
        row |= dict.fromkeys(before, np.nan) if diverged else measure(final)
        row |= {f"{name}_untrained": value for name, value in before.items()}
    if diverged:
        row["finite_until_step"] = finite_until
    arrays = _along(points, trajectory) if points else {}
    return RunResult(final.spec, "diverged" if diverged else "done", row, seconds, arrays)


def _along(points: list[Network], trajectory: Measures) -> dict[str, NDArray[Any]]:
    """Each trajectory column as an array over the points, with their epochs."""
    rows = [{n: v for m in trajectory.values() for n, v in m(net).items()} for net in points]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {"epoch": np.array([net.epoch for net in points]), **columns}
