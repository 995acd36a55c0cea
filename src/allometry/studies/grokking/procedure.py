"""The training procedure of the toy model: runs of one shape share a program, in parallel."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue
from threading import Event
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.processors import processors
from allometry.studies.grokking.program import (
    CHUNK,
    Fixed,
    Shape,
    State,
    begin,
    latent_of,
    right_now,
    train_chunk,
)
from allometry.studies.grokking.spec import ToyModel
from allometry.studies.grokking.start import Start, draw_start
from allometry.studies.grokking.trajectory import Trajectory
from allometry.training.checkpoints import Checkpoints
from allometry.training.procedure import Measures, Pack, Procedure
from allometry.training.result import Cell, RunResult, measured_row

__all__ = ["POINTS", "ToyTraining", "train_runs"]

# Representations recorded per run: half evenly spaced in updates, half in their logarithm.
POINTS = 200


class ToyTraining(Procedure):
    """The procedure of every `ToyModel`; measures are functions of a `Trajectory`.

    The columns are from `Study.measures`. The trajectories are ``train_loss`` (float32),
    ``train_right``, ``test_right`` and ``parallelograms`` (counts) at every epoch, and ``latent``
    at ``latent_update``; those of the control have the prefix ``swapped_``. `Study.trajectory` is
    not used.
    """

    def packs(self, specs: Sequence[ToyModel]) -> list[Pack]:
        """Packs of runs with one shape, length and seed; a phase diagram at one seed is a pack."""
        groups: dict[tuple[Shape, int, int], list[ToyModel]] = defaultdict(list)
        for spec in specs:
            groups[Shape.of(spec), spec.epochs, spec.seed].append(spec)
        return [Pack(tuple(group)) for group in groups.values()]

    def updates(self, spec: ToyModel) -> int:
        return spec.epochs * (1 if spec.control == "none" else 2)

    def run(
        self,
        pack: Pack,
        measures: Measures,
        trajectory: Measures,
        advance: Callable[[int], None],
        checkpoints: Checkpoints | None = None,
    ) -> list[RunResult]:
        began = time.perf_counter()
        trained = train_runs(pack.specs, advance)
        seconds = (time.perf_counter() - began) / len(pack.specs)
        return [_result(run, measures, seconds) for run in trained]


_News = SimpleQueue[int | BaseException]


class _Training(NamedTuple):
    """The training of a run, at index `place` of the pack, or of its control."""

    place: int
    spec: ToyModel
    swapped: bool


def train_runs(
    specs: Sequence[ToyModel], advance: Callable[[int], None] = lambda updates: None
) -> list[Trajectory]:
    """Train runs of one shape and length, and their controls.

    Args:
        specs: with equal `Shape.of` and `epochs`.
        advance: called with the number of updates made since the last call.
    """
    jobs = [
        _Training(place, spec, swapped)
        for place, spec in enumerate(specs)
        for swapped in ((False,) if spec.control == "none" else (False, True))
    ]
    trained: dict[tuple[int, bool], Trajectory] = {}
    for job, trajectory in _all_lanes(jobs, advance):
        trained[job.place, job.swapped] = trajectory
    return [
        replace(trained[place, False], control=trained.get((place, True)))
        for place in range(len(specs))
    ]


def _all_lanes(
    jobs: Sequence[_Training], advance: Callable[[int], None]
) -> Iterator[tuple[_Training, Trajectory]]:
    """Every job with its trajectory, trained in parallel lanes.

    On CPUs a lane is one run on one core, so that its 200 x 200 matrices and their moments stay in
    the core's cache. One program for all runs would read them from memory at every epoch. On other
    devices all runs are one program.
    """
    on_cores = jax.default_backend() == "cpu"
    width = 1 if on_cores else len(jobs)
    lanes = [jobs[i : i + width] for i in range(0, len(jobs), width)]
    news: SimpleQueue[int | BaseException] = SimpleQueue()
    stop = Event()
    with ThreadPoolExecutor(len(processors()) if on_cores else 1) as pool:
        futures = [pool.submit(_train_lane, lane, news, stop) for lane in lanes]
        try:
            due = sum(job.spec.epochs for job in jobs)
            while due > 0:
                # `advance` is called only in the caller's thread, which handles screen and signals.
                update = news.get()
                if isinstance(update, BaseException):
                    raise update
                due -= update
                advance(update)
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            raise
        for lane, future in zip(lanes, futures, strict=True):
            yield from zip(lane, future.result(), strict=True)


def _train_lane(lane: Sequence[_Training], news: _News, stop: Event) -> list[Trajectory]:
    """Train the jobs of a lane in one program; an empty list if stopped.

    Puts the number of updates of every chunk into `news`, or the error that ended the lane.
    """
    try:
        starts = [draw_start(job.spec) for job in lane]
        begun = [
            begin(job.spec, start, swapped=job.swapped)
            for job, start in zip(lane, starts, strict=True)
        ]
        fixed, state = jax.tree.map(lambda *each: jnp.stack(each), *begun)
        return _train_chunks(lane, starts, fixed, state, news, stop)
    except BaseException as error:
        news.put(error)  # the caller waits for `news`, not for this lane
        raise


def _train_chunks(
    lane: Sequence[_Training],
    starts: Sequence[Start],
    fixed: Fixed,
    state: State,
    news: _News,
    stop: Event,
) -> list[Trajectory]:
    shape, epochs = Shape.of(lane[0].spec), lane[0].spec.epochs
    # Copied, because the buffers of the state are donated to the next one.
    latent = np.array(jax.vmap(lambda f, s: latent_of(shape, f, s.params))(fixed, state))
    points = _points(epochs)
    parts: list[dict[str, NDArray[Any]]] = []
    for done in range(0, epochs, CHUNK):
        if stop.is_set():
            return []
        n = min(CHUNK, epochs - done)
        state, record = train_chunk(shape, fixed, state, n)
        part = {name: np.asarray(a)[:, :n] for name, a in record._asdict().items()}
        # The representation after update u is recorded at index u - 1.
        inside = points[(points > done) & (points <= done + n)] - done - 1
        parts.append(part | {"latent": part["latent"][:, inside]})
        news.put(n * len(lane))
    whole = {name: np.concatenate([p[name] for p in parts], axis=1) for name in parts[0]}
    whole["latent"] = np.concatenate([latent[:, None], whole["latent"]], axis=1)
    right = [np.asarray(counts) for counts in right_now(shape, fixed, state)]
    return [
        _trajectory(
            job.spec,
            start.train,
            {name: array[k] for name, array in whole.items()},
            (right[0][k], right[1][k]),
            points,
        )
        for k, (job, start) in enumerate(zip(lane, starts, strict=True))
    ]


def _trajectory(
    spec: ToyModel,
    train: NDArray[np.int64],
    record: Mapping[str, NDArray[Any]],
    right_after: tuple[Any, Any],
    points: NDArray[np.int64],
) -> Trajectory:
    """The trajectory of a run, with accuracies before or after updates as its protocol says.

    Args:
        right_after: numbers of training and test questions answered correctly after the last
            update.
        points: updates after which the representation was recorded.
    """
    after_update = {
        "notebook": (False, False), "published": (True, False), "permutations": (True, True)
    }[spec.protocol]  # fmt: skip
    return Trajectory(
        spec=spec,
        train=train,
        loss=record["loss"],
        train_right=_moment(record["train_right"], right_after[0], after_update[0]),
        test_right=_moment(record["test_right"], right_after[1], after_update[1]),
        parallelograms=record["parallelograms"],
        latent=record["latent"],
        latent_update=np.concatenate([[0], points]).astype(np.int32),
    )


def _moment(right: NDArray[Any], after: Any, after_update: bool) -> NDArray[Any]:
    """Counts before each update, or after it.

    Counts after an update are those before the next one.

    Args:
        right: counts before each update, ``(epochs,)``.
        after: the count after the last update.
    """
    if not after_update:
        return right
    return np.concatenate([right[1:], np.asarray([after], right.dtype)])


def _points(epochs: int) -> NDArray[np.int64]:
    """Updates after which the representation is recorded, including the last."""
    even = np.linspace(1, epochs, POINTS // 2)
    log = np.geomspace(1, epochs, POINTS // 2)
    return np.unique(np.concatenate([even, log]).round().astype(np.int64))


def _result(run: Trajectory, measures: Measures, seconds: float) -> RunResult:
    spec = run.spec
    finite = bool(np.isfinite(run.loss).all())
    columns: dict[str, Cell] = {
        name: value
        for name, value in spec
        if isinstance(value, int | float | str) and name not in ("seed",)
    }
    row = measured_row(columns, measures, run, diverged=not finite)
    arrays = _arrays(run) | (
        {}
        if run.control is None
        else {f"swapped_{name}": array for name, array in _arrays(run.control).items()}
    )
    return RunResult(spec, "done" if finite else "diverged", row, seconds, arrays)


def _arrays(run: Trajectory) -> dict[str, NDArray[Any]]:
    """The arrays of a run for the store, with counts in the smallest type that holds them."""
    counts = {
        "train_right": run.train_right,
        "test_right": run.test_right,
        "parallelograms": run.parallelograms,
    }
    return {
        "train_loss": run.loss,
        **{name: _small(count) for name, count in counts.items()},
        "latent": run.latent,
        "latent_update": run.latent_update,
    }


def _small(count: NDArray[Any]) -> NDArray[Any]:
    return count.astype(np.uint8 if count.max(initial=0) < 256 else np.uint16)
