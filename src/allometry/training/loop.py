"""The training loop, for every study: all members of a pack in one program."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from allometry.datasets.batches import Batches, Call, Chunks
from allometry.datasets.data import Data
from allometry.errors import UsageError
from allometry.measures.network import Network
from allometry.models.model import Model
from allometry.spec import RunSpec
from allometry.spec.optimizers import Optimizer
from allometry.training.checkpoints import Checkpoint, Checkpoints
from allometry.training.continuation import continued, keep, steps_kept
from allometry.training.descent import update
from allometry.training.kept import Kept
from allometry.training.notices import notice
from allometry.training.packing.choose import make_packs
from allometry.training.packing.sharing import data_of
from allometry.training.procedure import Measures, Pack, Procedure
from allometry.training.program import Program, calls, scope
from allometry.training.progress import Progress, begin
from allometry.training.proof import proved
from allometry.training.result import (
    Cell,
    RunFailure,
    RunResult,
    measured_columns,
    measured_row,
)

__all__ = ["Training", "advance", "describe", "train_pack", "updates"]


# User-defined measures may not be thread-safe, so they run under a lock.
_MEASURING = Lock()


@dataclass(frozen=True)
class Training(Procedure):
    """The procedure of every `RunSpec`: packs of runs that may share a program, trained here.

    Attributes:
        untrained: take the measures before the first update too, the control.
    """

    untrained: bool = True

    keeps_networks: ClassVar[bool] = True

    def packs(self, specs: Sequence[RunSpec]) -> list[Pack]:
        return proved(make_packs(specs))

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
    ) -> list[RunResult | RunFailure]:
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
) -> list[RunResult | RunFailure]:
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
    kept = checkpoints.kept if checkpoints else None
    steps = steps_kept(kept, specs) if kept else [0]
    if len(set(steps)) > 1:  # those of one step go on together
        groups = {step: [s for s, own in zip(specs, steps, strict=True) if own == step]
                  for step in sorted(set(steps))}  # fmt: skip
        made = [
            result
            for group in groups.values()
            for result in train_pack(
                Pack(tuple(group)), measures, trajectory, report,
                untrained=untrained, checkpoints=checkpoints,
            )
        ]  # fmt: skip
        places = {spec.run_id: i for i, spec in enumerate(specs)}
        return sorted(made, key=lambda result: places[result.spec.run_id])
    checkpoint = checkpoints.of(specs) if checkpoints else None
    with scope(specs[0].train.precision):
        start, final, progress = _trained(specs, checkpoint, kept, report, untrained)
    seconds = progress.seconds / len(specs)
    results: list[RunResult | RunFailure] = []
    for k, spec in enumerate(specs):
        control = start[k] if start and untrained else None
        points, until = _points(start, progress, k), int(progress.finite_until[k])
        try:
            with _MEASURING:
                results.append(
                    _result(
                        control, final[k], points, measures, trajectory, until,
                        k in progress.stopped, seconds,
                    )
                )  # fmt: skip
        except Exception as error:  # of a measure: it costs its run and no other
            results.append(RunFailure.of(spec, error))
    return results


def _points(start: list[Network] | None, progress: Progress, k: int) -> Sequence[Network]:
    """Points of a member's trajectory, the start among them; none where none are asked for."""
    points = progress.points.get(k, ())
    return (start[k], *points) if start and points else ()


def _trained(
    specs: Sequence[RunSpec],
    checkpoint: Checkpoint | None,
    kept: Kept | None,
    report: Callable[[int], None],
    untrained: bool,
) -> tuple[list[Network] | None, list[Network], Progress]:
    """The members before and after training, and the progress at its end."""
    began = time.perf_counter()
    whole, progress = begin(specs)
    program, wanted = whole, untrained or any(whole.points)
    start = list(progress.networks(program).values()) if wanted else None
    saved = checkpoint.read() if checkpoint else None
    if saved:
        program, progress = Progress.restored(saved, program, progress)
    elif kept:
        progress = continued(kept, program, progress)
    began -= progress.seconds
    done, made, reported = progress.step, 0, 0
    for call in calls(whole, done):
        made += call.updates
        if made > done:
            program, progress = advance(program, progress, call, kept)
            if not progress.members:
                break
            if checkpoint and checkpoint.due():
                progress = replace(progress, seconds=time.perf_counter() - began)
                checkpoint.write(*progress.saved())
        in_call = int(np.clip(whole.updates - made + call.updates, 0, call.updates).sum())
        report(in_call)
        reported += in_call
    if not progress.members:  # of members that are all lost, the updates that were not made
        report(int(whole.updates.sum()) - reported)
    final, progress = progress.ended(whole, program)
    return start, final, replace(progress, seconds=time.perf_counter() - began)


def advance(
    program: Program, progress: Progress, call: Call, kept: Kept | None = None
) -> tuple[Program, Progress]:
    """One call of the compiled program, what is looked at after it, and who goes on.

    The program is another only when members leave.

    Args:
        kept: where members at their end are kept.
    """
    batches = _of_members(program, progress, call.batches)
    state, finite = update(program.descent, progress.state, batches)
    step, finite_until = progress.step + call.updates, progress.finite_until.copy()
    places = np.array(progress.members)[np.asarray(finite)]
    finite_until[places] = step
    progress = replace(progress, state=state, step=step, finite_until=finite_until).looked(program)
    if kept:
        keep(kept, program, progress)
    going_on = np.all(finite) and step < program.updates.min() and not progress.stopped
    if going_on or step == program.updates.max():
        return program, progress
    return progress.without_finished(program, call.updates)


def _of_members(
    program: Program, progress: Progress, batches: Batches | Chunks
) -> Batches | Chunks:
    """The batches of the members that still train; those that stopped have a rate of 0."""
    members = np.array(progress.members)
    if program.own_batches:
        rows, weight = batches.rows[:, members], batches.weight[:, members]
        batches = batches._replace(rows=rows, weight=weight)
    if batches.factors is not None:
        going = np.array([k not in progress.stopped for k in members], dtype=np.float32)
        batches = batches._replace(factors=batches.factors[:, members] * going)
    return batches


def updates(spec: RunSpec) -> int:
    """Optimiser updates the run makes, unless it stops early."""
    return spec.train.updates(data_of(spec).n_used)


def describe(spec: RunSpec, stopped: int | None = None) -> dict[str, Cell]:
    """The columns that follow from the spec alone.

    `compute` is training FLOP: examples seen times the forward and backward FLOP of
    `Model.counts`; `compute_6nd` the usual estimate 6 N D of Kaplan et al. (2001.08361).

    Args:
        stopped: step at which training stopped early.
    """
    model, data = cast(Model, spec.model), cast(Data, spec.data)
    optimizer = cast(Optimizer, spec.train.optimizer)
    train, counts, n_data = spec.train, model.counts(), data.n_used
    hidden = model.hidden_sizes
    steps = train.updates(n_data) if stopped is None else stopped
    seen = train.examples_after(steps, n_data)
    row: dict[str, Cell] = {
        "model": type(model).__name__,
        "data": str(getattr(data, "name", type(data).__name__)),
        "hidden_sizes": "" if hidden is None else str(hidden),
        "n_params": counts.n_params,
        "n_params_no_biases": counts.n_params_no_biases,
        "n_data": n_data,
        "epochs": seen // n_data if seen % n_data == 0 else seen / n_data,
        "steps": steps,
        "batch_size": train.batch_size,
        "learning_rate": optimizer.learning_rate,
        "forward_flop": counts.forward_flop,
        "compute": float(seen * (counts.forward_flop + counts.backward_flop)),
        "compute_6nd": float(6 * counts.n_params * seen),
    }
    if train.precision != "float32":
        row["precision"] = train.precision
    if train.stop is not None:
        row["stopped_early"] = int(stopped is not None)
    return row


def _result(
    start: Network | None,
    final: Network,
    points: Sequence[Network],
    measures: Measures,
    trajectory: Measures,
    finite_until: int,
    stopped: bool,
    seconds: float,
) -> RunResult:
    """One run's row: what follows from its spec, then its measures, final and untrained."""
    columns = describe(final.spec, final.step if stopped else None)
    losses_are_finite = np.isfinite(list(final.losses.values())).all()
    diverged = finite_until < int(columns["steps"]) or not losses_are_finite
    # Without a control nothing says which columns there would be.
    taken = {} if diverged and start is None else measures
    row = measured_row(columns, taken, final, control=start, diverged=diverged)
    if diverged:
        row["finite_until_step"] = finite_until
    elif said := notice(final):
        row["notice"] = said
    arrays = _along(points, trajectory) if points else {}
    return RunResult(final.spec, "diverged" if diverged else "done", row, seconds, arrays)


def _along(points: Sequence[Network], trajectory: Measures) -> dict[str, NDArray[Any]]:
    """Each trajectory column as an array over the points, with their epochs."""
    rows = [measured_columns(trajectory, net) for net in points]
    if any(row.keys() != rows[0].keys() for row in rows):
        raise UsageError("trajectory: the same columns expected at every point")
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    places = {"epoch": [net.epoch for net in points], "step": [net.step for net in points]}
    return {**{name: np.array(values) for name, values in places.items()}, **columns}
