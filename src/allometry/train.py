"""The training loop, for every study: all members of a pack in one program."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from allometry.datasets.batches import batches, epoch_batches, shared_order
from allometry.datasets.splits import Data, Split
from allometry.draws import TorchDraws
from allometry.measures.network import Losses, Network
from allometry.models.model import Model
from allometry.optimizers import Optimizer
from allometry.pack_forms import Form, form_for
from allometry.packing import make_packs, model_of, optimizer_of
from allometry.procedure import Measures, Pack
from allometry.result import Cell, RunResult
from allometry.spec import RunSpec

__all__ = ["Training", "describe", "train_pack", "updates"]

CHUNK_BYTES = 64 << 20  # of gathered batches held by one call of the compiled program
EVALUATION_BATCH = 1000


class Training:
    """The procedure of every `RunSpec`: packs of one family, data and seed, trained here."""

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
        return train_pack(pack, measures, trajectory, advance)


def train_pack(
    pack: Pack,
    measures: Measures,
    trajectory: Measures,
    advance: Callable[[int], None] = lambda model_steps: None,
) -> list[RunResult]:
    """Train every run of a pack and take its measures, at the start and at the end.

    Args:
        measures: name to function of one `Network`; their columns also appear with
            ``_untrained`` behind the name, measured before the first update.
        trajectory: the same, taken every `measure_every` epochs.
        advance: told of updates made, summed over members.
    """
    began = time.perf_counter()
    job = _prepare(pack)
    start = _networks(job, job.state.params, epoch=0)
    points = [start] if job.every else []
    state, finite_until, step = job.state, np.zeros(len(pack.specs), dtype=np.int64), 0
    for epoch, n, index, weight in _chunks(job):
        state, finite = _updates(
            job.form, job.optimizer, state, job.rates, job.x, job.y, index, weight, n
        )
        step += n
        finite_until = np.where(np.asarray(finite), step, finite_until)
        advance(n * len(pack.specs))
        if epoch is not None and job.every and epoch % job.every == 0:
            points.append(_networks(job, state.params, epoch))
    final = _networks(job, state.params, epoch=job.epochs)
    seconds = (time.perf_counter() - began) / len(pack.specs)
    return [
        _result(
            start[k], final[k], [p[k] for p in points], measures, trajectory,
            int(finite_until[k]), seconds,
        )
        for k in range(len(pack.specs))
    ]  # fmt: skip


def updates(spec: RunSpec) -> int:
    """Optimiser updates the run makes."""
    return spec.train.epochs * epoch_batches(_data_of(spec).n_data, spec.train.batch_size)


def describe(spec: RunSpec) -> dict[str, Cell]:
    """The columns that follow from the spec alone.

    `compute` is training FLOP: examples seen times the forward and backward FLOP of
    `Model.counts`; `compute_6nd` the usual estimate 6 N D of Kaplan et al. (2001.08361).
    """
    model, counts = model_of(spec), model_of(spec).counts()
    data = _data_of(spec)
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


class _State(NamedTuple):
    params: Any
    optimizer: Any


class _Job(NamedTuple):
    """A pack made ready: arrays on the device, one layout for all its members."""

    specs: tuple[RunSpec, ...]
    models: list[Model]
    form: Form
    optimizer: Optimizer
    rates: jax.Array
    state: _State
    split: Split
    x: jax.Array
    y: jax.Array
    order: Callable[[int], NDArray[np.int64]]
    epochs: int
    every: int


def _data_of(spec: RunSpec) -> Data:
    if not isinstance(spec.data, Data):
        raise TypeError(f"data: a Data expected, got {type(spec.data).__name__}")
    return spec.data


def _prepare(pack: Pack) -> _Job:
    spec = pack.specs[0]
    draws = TorchDraws(spec.seed)
    split = _data_of(spec).load(draws)
    models = [model_of(s) for s in pack.specs]
    train_x, test_x = models[0].features(draws, [split.train_x, split.test_x])
    split = split._replace(train_x=train_x, test_x=test_x)
    for model in models:
        model.check(train_x.shape[1], int(split.train_y.max()) + 1)
    own = [draws.copy() for _ in models]
    starts = [model.init(stream) for model, stream in zip(models, own, strict=True)]
    form = form_for(models, starts)
    params = jax.tree.map(jnp.asarray, form.stack(starts))
    optimizer = optimizer_of(spec)
    rates = jnp.array([optimizer_of(s).learning_rate for s in pack.specs], dtype=jnp.float32)
    return _Job(
        specs=pack.specs,
        models=models,
        form=form,
        # The rate is an argument, so packs that differ in it alone share one program.
        optimizer=optimizer.model_copy(update={"learning_rate": 1.0}),
        rates=rates,
        state=_State(params, optimizer.direction().init(params)),
        split=split,
        x=jnp.asarray(split.train_x),
        y=jnp.asarray(split.train_y),
        order=_order(spec, own[0], len(split.train_x)),
        epochs=spec.train.epochs,
        every=spec.train.measure_every,
    )


def _order(spec: RunSpec, draws: TorchDraws, n: int) -> Callable[[int], NDArray[np.int64]]:
    """The order of each pass; asked for one pass after another."""
    if spec.train.batch_order == "torch":
        return lambda epoch: draws.loader_order(n)
    return lambda epoch: shared_order(spec.seed, epoch, n)


def _chunks(
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


@partial(jax.jit, static_argnames=("form", "optimizer"), donate_argnames=("state",))
def _updates(
    form: Form,
    optimizer: Optimizer,
    state: _State,
    rates: jax.Array,
    x: jax.Array,
    y: jax.Array,
    index: jax.Array,
    weight: jax.Array,
    n: jax.Array,
) -> tuple[_State, jax.Array]:
    """The first n updates of a chunk, and which members are finite after them, ``(K,)``."""
    direction = optimizer.direction()
    scale = form.per_member(-rates)
    # Gathered once for all members and all updates of the chunk.
    batch_x, batch_y = x[index], y[index]

    def total_loss(params: Any, x: jax.Array, y: jax.Array, weight: jax.Array) -> jax.Array:
        # A sum over members: the gradient of each is its own.
        loss = _cross_entropy(form.apply(params, x), y)
        return (loss * weight).sum() / weight.sum()

    def update(i: jax.Array, state: _State) -> _State:
        gradient = jax.grad(total_loss)(state.params, batch_x[i], batch_y[i], weight[i])
        step, optimizer_state = direction.update(gradient, state.optimizer, state.params)
        step = jax.tree.map(lambda d, s: d * s, step, scale)
        return _State(optax.apply_updates(state.params, step), optimizer_state)

    state = jax.lax.fori_loop(0, n, update, state)
    return state, form.finite(state.params)


def _cross_entropy(logits: jax.Array, y: jax.Array) -> jax.Array:
    """Nats, ``(K, B)``, of logits ``(K, B, classes)`` and labels ``(B,)``."""
    chosen = (logits * jax.nn.one_hot(y, logits.shape[-1])).sum(axis=-1)
    return jax.nn.logsumexp(logits, axis=-1) - chosen


@partial(jax.jit, static_argnames=("form",))
def _sums(
    form: Form, params: Any, x: jax.Array, y: jax.Array, weight: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Loss and number right summed over a batch, ``(K,)`` each."""
    logits = form.apply(params, x)
    right = (logits.argmax(axis=-1) == y) * weight
    return (_cross_entropy(logits, y) * weight).sum(axis=-1), right.sum(axis=-1)


def _evaluate(form: Form, params: Any, x: Any, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean loss and share right of each member over all examples, ``(K,)`` each."""
    loss, right = np.zeros(()), np.zeros(())
    size = min(EVALUATION_BATCH, len(x))
    for first in range(0, len(x), size):
        rows = np.arange(first, first + size)
        inside = rows < len(x)
        rows = np.minimum(rows, len(x) - 1)
        one, two = _sums(form, params, x[rows], y[rows], inside.astype(np.float32))
        loss, right = loss + np.asarray(one, np.float64), right + np.asarray(two, np.float64)
    return loss / len(x), right / len(x)


def _networks(job: _Job, params: Any, epoch: int) -> list[Network]:
    train_loss, train_accuracy = _evaluate(job.form, params, job.split.train_x, job.split.train_y)
    test_loss, test_accuracy = _evaluate(job.form, params, job.split.test_x, job.split.test_y)
    columns = zip(train_loss, test_loss, train_accuracy, test_accuracy, strict=True)
    return [
        Network(spec, model, own, Losses(*map(float, losses)), job.split, epoch)
        for spec, model, own, losses in zip(
            job.specs, job.models, job.form.unstack(params), columns, strict=True
        )
    ]


def _result(
    start: Network,
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
        untrained = measure(start)
        # Nothing can be measured on weights that are not numbers.
        row |= dict.fromkeys(untrained, np.nan) if diverged else measure(final)
        row |= {f"{name}_untrained": value for name, value in untrained.items()}
    if diverged:
        row["finite_until_step"] = finite_until
    arrays = _along(points, trajectory) if points else {}
    return RunResult(final.spec, "diverged" if diverged else "done", row, seconds, arrays)


def _along(points: list[Network], trajectory: Measures) -> dict[str, NDArray[Any]]:
    """Each trajectory column as an array over the points, with their epochs."""
    rows = [{n: v for m in trajectory.values() for n, v in m(net).items()} for net in points]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {"epoch": np.array([net.epoch for net in points]), **columns}
