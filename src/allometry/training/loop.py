"""The training loop, for every study: all members of a pack in one program."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.datasets.batches import epoch_batches
from allometry.measures.network import Losses, Network
from allometry.spec import RunSpec
from allometry.training.checkpoints import Checkpoint, Checkpoints
from allometry.training.diverged import leave
from allometry.training.job import Job, Update, calls, prepare
from allometry.training.losses import evaluate
from allometry.training.packing.choose import data_of, make_packs, model_of, optimizer_of
from allometry.training.precision import scope
from allometry.training.procedure import Measures, Pack
from allometry.training.progress import Course
from allometry.training.result import Cell, RunResult

__all__ = ["Training", "describe", "train_pack", "updates"]


# Measures are anybody's: they need not bear a second thread (`Concurrent`).
_MEASURING = Lock()


@dataclass(frozen=True)
class Training:
    """The procedure of every `RunSpec`: packs of one family, data and seed, trained here.

    Attributes:
        untrained: take the measures before the first update too, the control.
        checkpoints: where packs under way are kept; None for nowhere.
    """

    untrained: bool = True
    checkpoints: Checkpoints | None = None

    def keeping(self, checkpoints: Checkpoints) -> "Training":
        return replace(self, checkpoints=checkpoints)

    def packs(self, specs: Sequence[RunSpec]) -> list[Pack]:
        return make_packs(specs)

    def concurrent(self, packs: Sequence[Pack]) -> bool:
        """Where all is the package's own, which is known to keep off LAPACK."""
        runs = (spec for pack in packs for spec in pack.specs)
        parts = {type(part) for r in runs for part in (r.model, r.data, r.train.optimizer)}
        return all(part.__module__.startswith("allometry.") for part in parts)

    def updates(self, spec: RunSpec) -> int:
        return updates(spec)

    def run(
        self,
        pack: Pack,
        measures: Measures,
        trajectory: Measures,
        advance: Callable[[int], None],
    ) -> list[RunResult]:
        return train_pack(
            pack, measures, trajectory, advance,
            untrained=self.untrained, checkpoints=self.checkpoints,
        )  # fmt: skip


def train_pack(
    pack: Pack,
    measures: Measures,
    trajectory: Measures,
    advance: Callable[[int], None] = lambda model_steps: None,
    *,
    untrained: bool = True,
    checkpoints: Checkpoints | None = None,
) -> list[RunResult]:
    """Train every run of a pack and take its measures, at the start and at the end.

    Args:
        measures: name to function of one `Network`; their columns also appear with
            ``_untrained`` behind the name, measured before the first update.
        trajectory: the same, taken every `measure_every` epochs.
        advance: told of updates made, summed over members; first of those kept from before.
        untrained: False leaves the measures before the first update out.
        checkpoints: where the pack is kept under way, and is looked for: it goes on from
            there, to the same bits as in one go.

    Raises:
        DiskError: when a checkpoint cannot be written.
    """
    kept = checkpoints.of(pack) if checkpoints else None
    with scope(pack.specs[0].train.precision):
        start, points, final, course = _trained(pack, kept, advance, untrained)
    seconds = course.seconds / len(pack.specs)
    with _MEASURING:
        return [
            _result(
                start[k] if start and untrained else None, final[k], [p[k] for p in points],
                measures, trajectory, int(course.finite_until[k]), seconds,
            )
            for k in range(len(pack.specs))
        ]  # fmt: skip


def _trained(
    pack: Pack, kept: Checkpoint | None, advance: Callable[[int], None], untrained: bool
) -> tuple[list[Network] | None, list[list[Network]], list[Network], Course]:
    """The members before training, at the points of the trajectory, after it; and the whole way."""
    began, members = time.perf_counter(), len(pack.specs)
    job = whole = prepare(pack)
    start = _networks(job, job.state.params, epoch=0) if untrained or job.every else None
    saved = kept.read() if kept else None
    course, job = Course.restored(saved, job) if saved else (Course.begin(job), job)
    made, told = course.calls, 0
    began -= course.seconds
    for call, (epoch, n, update) in enumerate(calls(whole)):
        if call >= made:
            job = _go_on(course, job, epoch, n, update)
            if not course.members:
                break
            if kept and kept.due():
                course.seconds = time.perf_counter() - began
                kept.write(*course.saved())
        advance(n * members)
        told += n * members
    if not course.members:
        advance(members * updates(pack.specs[0]) - told)
    if job.every:
        # What is left of the trajectory once no member lives.
        for epoch in range((len(course.points) + 1) * job.every, job.epochs + 1, job.every):
            course.points.append(_members(course, job, epoch))
    final = _members(course, job, job.epochs)
    course.seconds = time.perf_counter() - began
    return start, [start, *course.points] if start and job.every else [], final, course


def _go_on(course: Course, job: Job, epoch: int | None, n: int, update: Update) -> Job:
    """One call, the point of the trajectory that is due after it, and who goes on from there."""
    course.state, finite = update(job, course.state)
    course.calls += 1
    course.step += n
    course.finite_until[np.array(course.members)[np.asarray(finite)]] = course.step
    if epoch is not None and job.every and epoch % job.every == 0:
        course.points.append(_members(course, job, epoch))
    return leave(job, course, n, lambda: _networks(job, course.state.params, epoch or 0))


def _members(course: Course, job: Job, epoch: int) -> list[Network]:
    """All members now; those that left, as they were when they did."""
    found = {k: replace(net, epoch=epoch) for k, net in course.lost.items()}
    if course.members:
        found |= zip(course.members, _networks(job, course.state.params, epoch), strict=True)
    return [found[k] for k in sorted(found)]


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
    if spec.train.precision != "float32":
        row["precision"] = spec.train.precision
    return row


def _networks(job: Job, params: Any, epoch: int) -> list[Network]:
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
