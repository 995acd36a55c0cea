"""How runs of the toy model are made: one program for all of a form, several runs at once."""

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
from allometry.studies.grokking.program import CHUNK, Form, begin, latent_of, right_now, train_chunk
from allometry.studies.grokking.spec import ToyModel
from allometry.studies.grokking.start import draw_start
from allometry.studies.grokking.trajectory import Course
from allometry.training.procedure import Measures, Pack
from allometry.training.result import Cell, RunResult

__all__ = ["POINTS", "ToyTraining", "train_runs"]

POINTS = 200  # representations kept of a run, half evenly spaced and half evenly in log time


class ToyTraining:
    """The procedure of every `ToyModel`; measures are functions of one `Course`.

    `Study.measures` give columns. Trajectories are kept whole: ``train_loss`` (float32),
    ``train_right``, ``test_right``, ``parallelograms`` (counts) at every epoch, ``latent`` at
    ``latent_update``; those of the control begin with ``swapped_``. `Study.trajectory` goes
    unused.
    """

    def packs(self, specs: Sequence[ToyModel]) -> list[Pack]:
        """Runs of one form, length and seed: a phase diagram at one seed is a pack."""
        groups: dict[tuple[Form, int, int], list[ToyModel]] = defaultdict(list)
        for spec in specs:
            groups[Form.of(spec), spec.epochs, spec.seed].append(spec)
        return [Pack(tuple(group)) for group in groups.values()]

    def updates(self, spec: ToyModel) -> int:
        return spec.epochs * (1 if spec.control == "none" else 2)

    def run(
        self,
        pack: Pack,
        measures: Measures,
        trajectory: Measures,
        advance: Callable[[int], None],
    ) -> list[RunResult]:
        began = time.perf_counter()
        courses = train_runs(pack.specs, advance)
        seconds = (time.perf_counter() - began) / len(pack.specs)
        return [_result(course, measures, seconds) for course in courses]


class _Job(NamedTuple):
    """One training: of a run (`place` in the pack), or of its control."""

    place: int
    spec: ToyModel
    swapped: bool


def train_runs(
    specs: Sequence[ToyModel], advance: Callable[[int], None] = lambda updates: None
) -> list[Course]:
    """Train runs of one form and length, each with its control where it has one.

    Args:
        specs: alike in all that `Form.of` takes and in `epochs`.
        advance: told of updates made.
    """
    jobs = [
        _Job(place, spec, swapped)
        for place, spec in enumerate(specs)
        for swapped in ((False,) if spec.control == "none" else (False, True))
    ]
    courses: dict[tuple[int, bool], Course] = {}
    for job, course in _all_lanes(jobs, advance):
        courses[job.place, job.swapped] = course
    return [
        replace(courses[place, False], control=courses.get((place, True)))
        for place in range(len(specs))
    ]


def _all_lanes(
    jobs: Sequence[_Job], advance: Callable[[int], None]
) -> Iterator[tuple[_Job, Course]]:
    """Every job with its course, made by as many lanes as the machine has use for.

    On processors a lane is one run and one core: its 200 x 200 matrices and their moments
    stay in that core's cache, which one program stepping all runs together would stream from
    memory at every epoch. Other devices step all runs in one program.
    """
    on_cores = jax.default_backend() == "cpu"
    width = 1 if on_cores else len(jobs)
    lanes = [jobs[i : i + width] for i in range(0, len(jobs), width)]
    told: SimpleQueue[int | BaseException] = SimpleQueue()
    stop = Event()
    with ThreadPoolExecutor(len(processors()) if on_cores else 1) as pool:
        futures = [pool.submit(_train_lane, lane, told, stop) for lane in lanes]
        try:
            due = sum(job.spec.epochs for job in jobs)
            while due > 0:
                # The caller's thread alone may be told: it has the screen and the signals.
                made = told.get()
                if isinstance(made, BaseException):
                    raise made
                due -= made
                advance(made)
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            raise
        for lane, future in zip(lanes, futures, strict=True):
            yield from zip(lane, future.result(), strict=True)


def _train_lane(
    lane: Sequence[_Job], told: "SimpleQueue[int | BaseException]", stop: Event
) -> list[Course]:
    """Train the jobs of a lane in one program, chunk by chunk, until told to stop."""
    try:
        form, epochs = Form.of(lane[0].spec), lane[0].spec.epochs
        starts = [draw_start(job.spec) for job in lane]
        begun = [
            begin(job.spec, start, swapped=job.swapped)
            for job, start in zip(lane, starts, strict=True)
        ]
        fixed, state = jax.tree.map(lambda *each: jnp.stack(each), *begun)
        # A copy: the buffers of the state are given away to its successor.
        latent = np.array(jax.vmap(lambda f, s: latent_of(form, f, s.params))(fixed, state))
        kept = _points(epochs)
        parts: list[dict[str, NDArray[Any]]] = []
        for done in range(0, epochs, CHUNK):
            if stop.is_set():
                return []
            n = min(CHUNK, epochs - done)
            state, record = train_chunk(form, fixed, state, n)
            part = {name: np.asarray(a)[:, :n] for name, a in record._asdict().items()}
            # The representation after update u is that of epoch u - 1.
            inside = kept[(kept > done) & (kept <= done + n)] - done - 1
            parts.append(part | {"latent": part["latent"][:, inside]})
            told.put(n * len(lane))
        whole = {name: np.concatenate([p[name] for p in parts], axis=1) for name in parts[0]}
        whole["latent"] = np.concatenate([latent[:, None], whole["latent"]], axis=1)
        after = [np.asarray(right) for right in right_now(form, fixed, state)]
        return [
            _course(
                job.spec,
                start.train,
                {n: a[k] for n, a in whole.items()},
                after[0][k],
                after[1][k],
                kept,
            )
            for k, (job, start) in enumerate(zip(lane, starts, strict=True))
        ]
    except BaseException as error:
        told.put(error)  # the caller waits for news, not for this lane
        raise


def _course(
    spec: ToyModel,
    train: NDArray[np.int64],
    record: Mapping[str, NDArray[Any]],
    train_after: Any,
    test_after: Any,
    kept: NDArray[np.int64],
) -> Course:
    """One run's record with accuracies of the moment its protocol looks at."""
    after_update = {
        "notebook": (False, False), "published": (True, False), "permutations": (True, True)
    }[spec.protocol]  # fmt: skip
    return Course(
        spec=spec,
        train=train,
        loss=record["loss"],
        train_right=_moment(record["train_right"], train_after, after_update[0]),
        test_right=_moment(record["test_right"], test_after, after_update[1]),
        parallelograms=record["parallelograms"],
        latent=record["latent"],
        latent_update=np.concatenate([[0], kept]).astype(np.int32),
    )


def _moment(right: NDArray[Any], after: Any, after_update: bool) -> NDArray[Any]:
    """Counts before each update, or after it: those before the next one."""
    if not after_update:
        return right
    return np.concatenate([right[1:], np.asarray([after], right.dtype)])


def _points(epochs: int) -> NDArray[np.int64]:
    """Updates after which the representation is kept; the last one always."""
    even = np.linspace(1, epochs, POINTS // 2)
    log = np.geomspace(1, epochs, POINTS // 2)
    return np.unique(np.concatenate([even, log]).round().astype(np.int64))


def _result(course: Course, measures: Measures, seconds: float) -> RunResult:
    spec = course.spec
    row: dict[str, Cell] = {
        name: value
        for name, value in spec
        if isinstance(value, int | float | str) and name not in ("seed",)
    }
    for measure in measures.values():
        row |= measure(course)
    finite = bool(np.isfinite(course.loss).all())
    arrays = _kept(course) | (
        {}
        if course.control is None
        else {f"swapped_{name}": array for name, array in _kept(course.control).items()}
    )
    return RunResult(spec, "done" if finite else "diverged", row, seconds, arrays)


def _kept(course: Course) -> dict[str, NDArray[Any]]:
    """What the store keeps of a course, counts in the smallest type that holds them."""
    counts = {
        "train_right": course.train_right,
        "test_right": course.test_right,
        "parallelograms": course.parallelograms,
    }
    return {
        "train_loss": course.loss,
        **{name: _small(count) for name, count in counts.items()},
        "latent": course.latent,
        "latent_update": course.latent_update,
    }


def _small(count: NDArray[Any]) -> NDArray[Any]:
    return count.astype(np.uint8 if count.max(initial=0) < 256 else np.uint16)
