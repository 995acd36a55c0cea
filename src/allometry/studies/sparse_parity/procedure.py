"""The training procedure of sparse parity: networks that differ only in width share a program."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.studies.sparse_parity import network, program
from allometry.studies.sparse_parity.program import Arrays, Shape
from allometry.studies.sparse_parity.spec import ParityRun
from allometry.studies.sparse_parity.task import Task, fixed_samples, stream
from allometry.training.checkpoints import Checkpoints
from allometry.training.lapack import ALONE
from allometry.training.phases import phase
from allometry.training.procedure import Measures, Pack, Procedure
from allometry.training.result import Cell, RunResult, measured_row

__all__ = ["SparseParity", "TrainedRun", "packs_of"]

Float = NDArray[np.float32]

# Updates in one call of the program. Progress is reported, and a stop takes effect, between calls.
CALL_UPDATES = 50


@dataclass(frozen=True)
class TrainedRun:
    """A run along its training; the argument of this procedure's measures.

    Attributes:
        spec: the run's spec.
        tasks: its tasks.
        step: updates made at each point, ``(points,)``.
        loss: on the training batch of that update, ``(points,)``, nats.
        test_loss: on the test set, or the mean of the tasks' losses weighted by frequency,
            ``(points,)``, nats.
        task_loss: of each task, ``(points, n_tasks)``, nats.
    """

    spec: ParityRun
    tasks: Task
    step: NDArray[np.int32]
    loss: Float
    test_loss: Float
    task_loss: Float


class SparseParity(Procedure):
    """The procedure of every `ParityRun`.

    Measures are functions of a `TrainedRun`. The program itself records losses every
    `measure_every` updates, as trajectories `step`, `loss`, `test_loss` and `task_loss`, so
    `Study.trajectory` is not used. `task_loss` is in half precision, whose rounding error is far
    below the sampling error of a thousand samples.
    """

    def packs(self, specs: Sequence[ParityRun]) -> list[Pack]:
        return packs_of(specs)

    def updates(self, spec: ParityRun) -> int:
        return spec.steps

    def concurrent(self, packs: Sequence[Pack]) -> bool:
        return True  # the programs call no LAPACK

    def run(
        self,
        pack: Pack,
        measures: Measures,
        trajectory: Measures,
        advance: Callable[[int], None],
        checkpoints: Checkpoints | None = None,
    ) -> list[RunResult]:
        began = time.perf_counter()
        trained = train(pack.specs, advance)
        seconds = (time.perf_counter() - began) / len(trained)
        with ALONE, phase("measure"):
            return [_result(run, measures, seconds) for run in trained]


def packs_of(specs: Sequence[ParityRun]) -> list[Pack]:
    """Packs of runs that differ only in their width, because these read the same samples."""
    groups: dict[str, list[ParityRun]] = {}
    for spec in specs:
        groups.setdefault(spec.model_copy(update={"width": 1}).run_id, []).append(spec)
    return [Pack(tuple(group)) for group in groups.values()]


def train(specs: Sequence[ParityRun], advance: Callable[[int], None]) -> list[TrainedRun]:
    """Train networks that differ only in their width, and record their losses."""
    spec, tasks = specs[0], Task.of(specs[0])
    shape, arrays = _shape(specs), _arrays(spec, tasks)
    state = program.begin(network.start(specs))
    parts: list[tuple[Float, ...]] = []
    order = _order(spec, shape)
    left = spec.steps // spec.measure_every
    while left:
        n = min(left, shape.points)
        state, points = program.stretch(shape, state, arrays, next(order), jnp.int32(n))
        parts.append(tuple(np.asarray(a)[:n] for a in points))
        left -= n
        advance(n * spec.measure_every * len(specs))
    loss, test_loss, task_loss = (np.concatenate(a) for a in zip(*parts, strict=True))
    return [
        _trained(s, tasks, loss[:, k], test_loss[:, k], task_loss[..., k])
        for k, s in enumerate(specs)
    ]


def _shape(specs: Sequence[ParityRun]) -> Shape:
    spec = specs[0]
    return Shape(
        widths=tuple(s.width for s in specs),
        n_bits=spec.n_bits,
        batch_size=spec.batch_size,
        every=spec.measure_every,
        task_samples=spec.task_samples,
        finite=spec.n_samples > 0,
        points=min(spec.steps // spec.measure_every, max(1, CALL_UPDATES // spec.measure_every)),
    )


def _arrays(spec: ParityRun, tasks: Task) -> Arrays:
    return Arrays(
        thresholds=jnp.asarray(tasks.thresholds),
        masks=jnp.asarray(tasks.masks),
        samples=stream(spec.seed, "training"),
        evaluation=stream(spec.seed, "evaluation"),
        test=fixed_samples(stream(spec.seed, "set of tests"), tasks, spec.test_size),
        learning_rate=jnp.float32(spec.learning_rate),
    )


def _order(spec: ParityRun, shape: Shape) -> Iterator[Any]:
    """The indices of the samples of each call; each pass over the training set is shuffled."""
    if not shape.finite:
        while True:
            yield jnp.zeros(0, jnp.int32)
    random = np.random.default_rng((spec.seed, 0x6F726465))
    size = (shape.points, shape.every, shape.batch_size)
    waiting = np.zeros(0, dtype=np.int32)
    while True:
        passes = [waiting]
        while sum(map(len, passes)) < np.prod(size):
            passes.append(random.permutation(spec.n_samples).astype(np.int32))
        line = np.concatenate(passes)
        yield jnp.asarray(line[: np.prod(size)].reshape(size))
        waiting = line[np.prod(size) :]


def _trained(
    spec: ParityRun, tasks: Task, loss: Float, test_loss: Float, task_loss: Float
) -> TrainedRun:
    weighted = (task_loss @ tasks.frequencies).astype(np.float32)
    return TrainedRun(
        spec=spec,
        tasks=tasks,
        step=np.arange(1, len(loss) + 1, dtype=np.int32) * spec.measure_every,
        loss=loss,
        test_loss=test_loss if spec.test_size else weighted,
        task_loss=task_loss,
    )


def _result(run: TrainedRun, measures: Measures, seconds: float) -> RunResult:
    spec = run.spec
    finite = bool(np.isfinite(run.task_loss).all() and np.isfinite(run.loss).all())
    columns = _fields(spec) | {"n_params": spec.n_params}
    return RunResult(
        spec=spec,
        status="done" if finite else "diverged",
        row=measured_row(columns, measures, run, diverged=not finite),
        seconds=seconds,
        trajectories={
            "step": run.step,
            "loss": run.loss,
            "test_loss": run.test_loss,
            "task_loss": run.task_loss.astype(np.float16),
        },
    )


def _fields(spec: ParityRun) -> dict[str, Cell]:
    """The spec's fields as columns."""
    row: Mapping[str, Any] = {
        name: getattr(spec, name)
        for name in type(spec).model_fields
        if name not in ("seed", "measures")
    }
    return {
        name: int(v) if isinstance(v, bool) else str(v) if isinstance(v, tuple) else v
        for name, v in row.items()
    }
