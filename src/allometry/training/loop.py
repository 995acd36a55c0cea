"""The training loop, for every study: all members of a pack in one program."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, cast

import jax
import numpy as np
from numpy.typing import NDArray

from allometry.datasets.batches import Call, Chunks, epoch_batches
from allometry.datasets.splits import Data
from allometry.measures.network import Network
from allometry.models.model import Model
from allometry.spec import RunSpec
from allometry.spec.optimizers import Optimizer
from allometry.training.checkpoints import Checkpoint, Checkpoints
from allometry.training.descent import update
from allometry.training.packing.choose import make_packs
from allometry.training.procedure import Measures, Pack, Procedure
from allometry.training.program import Program, calls, networks, scope
from allometry.training.progress import Progress, begin
from allometry.training.result import Cell, RunResult, measured_row

__all__ = ["Training", "advance", "describe", "train_pack", "updates"]


# User-defined measures may not be thread-safe, so they run under a lock.
_MEASURING = Lock()


@dataclass(frozen=True)
class Training(Procedure):
    """The procedure of every `RunSpec`: packs of one family, data and seed, trained here.

    Attributes:
        untrained: take the measures before the first update too, the control.
    """

    untrained: bool = True

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
        checkpoints: Checkpoints | None = None,
    ) -> list[RunResult]:
        return train_pack(
            pack, measures, trajectory, advance, untrained=self.untrained, checkpoints=checkpoints
        )


def train_pack(
    pack: Pack,
    measures: Measures,
    trajectory: Measures,
    report: Callable[[int], None] = lambda model_steps: None,
    *,
    untrained: bool = True,
    checkpoints: Checkpoints | None = None,
) -> list[RunResult]:
    """Train every run of a pack and take its measures, at the start and at the end.

    Args:
        measures: name to function of one `Network`; their columns also appear with
            ``_untrained`` behind the name, measured before the first update.
        trajectory: the same, taken every `measure_every` epochs.
        report: told of updates made, summed over members; first of those kept from before.
        untrained: False leaves the measures before the first update out.
        checkpoints: where the pack is kept under way, and is looked for: it goes on from
            there, to the same bits as in one go.

    Raises:
        DiskError: when a checkpoint cannot be written.
    """
    specs: Sequence[RunSpec] = pack.specs
    checkpoint = checkpoints.of(specs) if checkpoints else None
    with scope(specs[0].train.precision):
        start, final, progress = _trained(specs, checkpoint, report, untrained)
    points = [start, *progress.points] if start and specs[0].train.measure_every else []
    control = start if start and untrained else [None] * len(specs)
    seconds = progress.seconds / len(specs)
    with _MEASURING:
        return [
            _result(
                control[k], final[k], [point[k] for point in points],
                measures, trajectory, int(progress.finite_until[k]), seconds,
            )
            for k in range(len(specs))
        ]  # fmt: skip


def _trained(
    specs: Sequence[RunSpec],
    checkpoint: Checkpoint | None,
    report: Callable[[int], None],
    untrained: bool,
) -> tuple[list[Network] | None, list[Network], Progress]:
    """The members before and after training, and the progress at its end."""
    began, members = time.perf_counter(), len(specs)
    program, progress = begin(specs)
    params = progress.state.params
    start = networks(program, params, epoch=0) if untrained or program.every else None
    to_make = calls(program)
    saved = checkpoint.read() if checkpoint else None
    if saved:
        program, progress = Progress.restored(saved, program, progress)
    began -= progress.seconds
    calls_kept, reported = progress.calls, 0
    for number, call in enumerate(to_make):
        if number >= calls_kept:
            program, progress = advance(program, progress, call)
            if not progress.members:
                break
            if checkpoint and checkpoint.due():
                progress = replace(progress, seconds=time.perf_counter() - began)
                checkpoint.write(*progress.saved())
        report(call.updates * members)
        reported += call.updates * members
    if not progress.members:
        report(members * updates(specs[0]) - reported)
    final, progress = _finish(program, progress)
    return start, final, replace(progress, seconds=time.perf_counter() - began)


def advance(program: Program, progress: Progress, call: Call) -> tuple[Program, Progress]:
    """One call of the compiled program, the point of the trajectory due after it, and who goes on.

    The program is another only when members leave.
    """
    key = _key(program.specs[0].seed, call) if isinstance(call.batches, Chunks) else None
    state, finite = update(program.descent, progress.state, call.batches, key)
    step, finite_until = progress.step + call.updates, progress.finite_until.copy()
    finite_until[np.array(progress.members)[np.asarray(finite)]] = step
    progress = replace(
        progress, state=state, calls=progress.calls + 1, step=step, finite_until=finite_until
    )
    if call.epoch is not None and program.every and call.epoch % program.every == 0:
        point = progress.all_networks(program, call.epoch)
        progress = replace(progress, points=(*progress.points, point))
    if np.all(finite):
        return program, progress
    return progress.without_lost(program, call)


def _key(seed: int, call: Call) -> jax.Array:
    """Of the random draws in a call, the same whenever it is made."""
    epoch, number = call.place
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), epoch), number)


def _finish(program: Program, progress: Progress) -> tuple[list[Network], Progress]:
    """All members after the last epoch, and the points that nobody was left to reach."""
    if program.every:
        first = (len(progress.points) + 1) * program.every
        left = range(first, program.epochs + 1, program.every)
        more = tuple(progress.all_networks(program, epoch) for epoch in left)
        progress = replace(progress, points=(*progress.points, *more))
    return progress.all_networks(program, program.epochs), progress


def updates(spec: RunSpec) -> int:
    """Optimiser updates the run makes."""
    n_data = cast(Data, spec.data).n_data
    return spec.train.epochs * epoch_batches(n_data, spec.train.batch_size)


def describe(spec: RunSpec) -> dict[str, Cell]:
    """The columns that follow from the spec alone.

    `compute` is training FLOP: examples seen times the forward and backward FLOP of
    `Model.counts`; `compute_6nd` the usual estimate 6 N D of Kaplan et al. (2001.08361).
    """
    model, data = cast(Model, spec.model), cast(Data, spec.data)
    optimizer = cast(Optimizer, spec.train.optimizer)
    counts, hidden, n_data = model.counts(), model.hidden_sizes, data.n_data
    steps = spec.train.epochs * epoch_batches(n_data, spec.train.batch_size)
    seen = spec.train.epochs * n_data
    row: dict[str, Cell] = {
        "model": type(model).__name__,
        "data": str(getattr(data, "name", type(data).__name__)),
        "hidden_sizes": "" if hidden is None else str(hidden),
        "n_params": counts.n_params,
        "n_params_no_biases": counts.n_params_no_biases,
        "n_data": n_data,
        "epochs": spec.train.epochs,
        "steps": steps,
        "batch_size": spec.train.batch_size,
        "learning_rate": optimizer.learning_rate,
        "forward_flop": counts.forward_flop,
        "compute": float(seen * (counts.forward_flop + counts.backward_flop)),
        "compute_6nd": float(6 * counts.n_params * seen),
    }
    if spec.train.precision != "float32":
        row["precision"] = spec.train.precision
    return row


def _result(
    start: Network | None,
    final: Network,
    points: Sequence[Network],
    measures: Measures,
    trajectory: Measures,
    finite_until: int,
    seconds: float,
) -> RunResult:
    """One run's row: what follows from its spec, then its measures, final and untrained."""
    columns = describe(final.spec)
    losses_are_finite = np.isfinite(list(final.losses.values())).all()
    diverged = finite_until < int(columns["steps"]) or not losses_are_finite
    # Without a control nothing says which columns there would be.
    taken = {} if diverged and start is None else measures
    row = measured_row(columns, taken, final, control=start, diverged=diverged)
    if diverged:
        row["finite_until_step"] = finite_until
    arrays = _along(points, trajectory) if points else {}
    return RunResult(final.spec, "diverged" if diverged else "done", row, seconds, arrays)


def _along(points: Sequence[Network], trajectory: Measures) -> dict[str, NDArray[Any]]:
    """Each trajectory column as an array over the points, with their epochs."""
    rows = [{n: v for m in trajectory.values() for n, v in m(net).items()} for net in points]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {"epoch": np.array([net.epoch for net in points]), **columns}
