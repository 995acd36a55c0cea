"""The training loop, for every study: all members of a pack in one program."""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from allometry.datasets.batches import Batches, Call, Chunks
from allometry.datasets.data import Data
from allometry.errors import DataError, UsageError
from allometry.measures.network import Network
from allometry.models.model import Model
from allometry.models.precision import scope
from allometry.spec import RunSpec
from allometry.spec.code import is_known, is_shipped
from allometry.spec.optimizers import Optimizer
from allometry.training.checkpoints import Checkpoint, Checkpoints
from allometry.training.continuation import continued, keep, steps_kept
from allometry.training.descent import compiled, update
from allometry.training.dividing import ask_for_devices
from allometry.training.kept import Kept
from allometry.training.lapack import ALONE, calls_lapack
from allometry.training.notices import notice
from allometry.training.packing.choose import make_packs
from allometry.training.packing.sharing import data_of
from allometry.training.phases import phase
from allometry.training.procedure import Measures, Pack, Procedure
from allometry.training.program import Program, calls
from allometry.training.progress import Progress, begin
from allometry.training.proof import proved
from allometry.training.result import (
    Cell,
    RunFailure,
    RunResult,
    Trained,
    measured_columns,
    measured_row,
)
from allometry.training.unmeasured import keep_trained, kept_trained

__all__ = ["Training", "advance", "describe", "train_pack", "updates"]


@dataclass(frozen=True)
class Training(Procedure):
    """The procedure of every `RunSpec`: packs of runs that may share a program, trained here.

    Attributes:
        untrained: take the measures before the first update too, the control.
    """

    untrained: bool = True

    keeps_networks: ClassVar[bool] = True

    def packs(self, specs: Sequence[RunSpec]) -> list[Pack]:
        ask_for_devices()
        return proved(make_packs(specs))

    def concurrent(self, packs: Sequence[Pack]) -> bool:
        return True

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
    results: dict[int, RunResult | RunFailure] = {}
    for places in _parts(pack.specs, checkpoints):
        specs = [pack.specs[place] for place in places]
        runs, seconds = _trained(specs, checkpoints, report, untrained, divided=pack.divided)
        for place, run in zip(places, runs, strict=True):
            try:
                with ALONE, phase("measure"):  # a measure may be a person's own
                    result = _result(run, measures, trajectory, seconds / len(runs), untrained)
                results[place] = result
            except Exception as error:  # of a measure: it costs its run and no other
                results[place] = _failure(run, error, checkpoints)
    return [results[place] for place in range(len(pack.specs))]


def _parts(specs: Sequence[RunSpec], checkpoints: Checkpoints | None) -> Collection[Sequence[int]]:
    """Places of the runs that begin at the same step, and of those that only want measures."""
    if checkpoints is None or checkpoints.kept is None or not checkpoints.kept.folder.is_dir():
        return [range(len(specs))]
    kept, parts = checkpoints.kept, defaultdict[int, list[int]](list)
    for place, step in enumerate(steps_kept(kept, specs)):
        parts[-1 if kept.is_trained(specs[place]) else step].append(place)
    return parts.values()


def _trained(
    specs: Sequence[RunSpec],
    checkpoints: Checkpoints | None,
    report: Callable[[int], None],
    untrained: bool,
    *,
    divided: bool,
) -> tuple[list[Trained], float]:
    """The runs before and after their training, and the seconds it took."""
    began, kept = time.perf_counter(), checkpoints.kept if checkpoints else None
    with scope(specs[0].train.precision), ExitStack() as alone:
        if _foreign(specs):
            alone.enter_context(ALONE)
        with phase("load"):
            program, progress = begin(specs, divided=divided)
        wanted = untrained or any(program.points)
        start = list(progress.networks(program).values()) if wanted else None
        if kept and kept.folder.is_dir() and kept.is_trained(specs[0]):
            report(int(program.updates.sum()))
            return kept_trained(kept, program, start), 0.0
        final, progress = _descended(program, progress, checkpoints, report, began, alone)
    runs = [
        Trained(
            start=start[k] if start else None,
            final=net,
            behind=progress.points.get(k, ()),
            finite_until=int(progress.finite_until[k]),
            stopped=k in progress.stopped,
        )
        for k, net in enumerate(final)
    ]
    return runs, progress.seconds


def _foreign(specs: Sequence[RunSpec]) -> bool:
    """Whether a part of these runs is user-defined."""
    parts = [part for s in specs for part in (s.model, s.data, s.train.optimizer, s.train.loss)]
    parts += [metric for s in specs for metric in s.train.metrics or ()]
    return not all(map(is_shipped, set(map(type, parts))))


def _keeps_off_lapack(program: Program, progress: Progress, call: Call) -> bool:
    """Whether other programs may run beside this one, as far as its compiled form tells."""
    if not _foreign(program.specs):
        return True
    if not all(map(is_shipped, program.descent.metrics)):
        return False  # metrics are in other programs than the updates
    batches = _of_members(program, progress, call.batches)
    return not calls_lapack(compiled(batches), program.descent, progress.state, batches)


def _failure(run: Trained, error: Exception, checkpoints: Checkpoints | None) -> RunFailure:
    """The failure of a measure; where there is a place, the network is kept for the next time."""
    failure = RunFailure.of(run.final.spec, error)
    if checkpoints is None or checkpoints.kept is None or not is_known(run.final.spec.code):
        return failure
    keep_trained(checkpoints.kept, run)
    return replace(
        failure, reason=f"{failure.reason} (its network is kept: only the measures are made again)"
    )


def _descended(
    whole: Program,
    progress: Progress,
    checkpoints: Checkpoints | None,
    report: Callable[[int], None],
    began: float,
    alone: ExitStack,
) -> tuple[list[Network], Progress]:
    """The members after training, and the progress at its end.

    Args:
        alone: holds `ALONE` for code of a person's own; closed before the first update where
            other programs may run meanwhile.
    """
    program = whole
    checkpoint = checkpoints.of(whole.specs) if checkpoints else None
    kept = checkpoints.kept if checkpoints else None
    curves = checkpoints.curves(whole.specs) if checkpoints else None
    gone_on = _gone_on(checkpoint, program, progress) if checkpoint else None
    if gone_on:
        program, progress = gone_on
    elif kept and kept.what == "state":
        progress = continued(kept, program, progress)
    began -= progress.seconds
    done, made, reported = progress.step, 0, 0
    for call in calls(whole, done):
        made += call.updates
        if made > done:
            if made - call.updates <= done and _keeps_off_lapack(program, progress, call):
                alone.close()
            program, progress = advance(program, progress, call, kept)
            if curves:
                curves.show(progress.points)
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
    return final, replace(progress, seconds=time.perf_counter() - began)


def _gone_on(
    checkpoint: Checkpoint, program: Program, progress: Progress
) -> tuple[Program, Progress] | None:
    """Program and progress from the checkpoint; None where there is none that can be used."""
    saved = checkpoint.read()
    if saved is None:
        return None
    try:
        return Progress.restored(saved, program, progress)
    except DataError as error:
        checkpoint.refuse(error)
        return None


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
    if kept and kept.what:
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
    `Model.counts`; `compute_6nd` the usual estimate 6 N D of Kaplan et al. (2001.08361), where D
    is the tokens seen, `tokens`, if an example is a sequence of them.

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
        "compute_6nd": float(6 * counts.n_params * seen * model.tokens),
        **model.columns(),
    }
    if model.tokens > 1:
        row["tokens"] = seen * model.tokens
    if train.precision != "float32":
        row["precision"] = train.precision
    if train.stop is not None:
        row["stopped_early"] = int(stopped is not None)
    return row


def _result(
    run: Trained, measures: Measures, trajectory: Measures, seconds: float, untrained: bool
) -> RunResult:
    """One run's row: what follows from its spec, then its measures, final and untrained."""
    run = _with_start(run)
    final, control = run.final, run.start if untrained else None
    columns = describe(final.spec, final.step if run.stopped else None)
    losses_are_finite = np.isfinite(list(final.losses.values())).all()
    diverged = run.finite_until < int(columns["steps"]) or not losses_are_finite
    # Without a control nothing says which columns there would be.
    taken = {} if diverged and control is None else measures
    row = measured_row(columns, taken, final, control=control, diverged=diverged)
    if diverged:
        row["finite_until_step"] = run.finite_until
    elif said := notice(final):
        row["notice"] = said
    points = [run.start, *run.behind] if run.start and run.behind else []
    arrays = _along(points, trajectory) if points else {}
    return RunResult(final.spec, "diverged" if diverged else "done", row, seconds, arrays)


def _with_start(run: Trained) -> Trained:
    """The run with the parameters it started from in each of its networks, where they are known."""
    if run.start is None:
        return run
    first, last, *behind = (
        replace(net, start=run.start.params) for net in (run.start, run.final, *run.behind)
    )
    return replace(run, start=first, final=last, behind=behind)


def _along(points: Sequence[Network], trajectory: Measures) -> dict[str, NDArray[Any]]:
    """Each trajectory column as an array over the points, with their epochs."""
    rows = [measured_columns(trajectory, net) for net in points]
    if any(row.keys() != rows[0].keys() for row in rows):
        raise UsageError("trajectory: the same columns expected at every point")
    columns = {name: _canonical([row[name] for row in rows]) for name in rows[0]}
    places = {"epoch": [net.epoch for net in points], "step": [net.step for net in points]}
    return {**{name: np.array(values) for name, values in places.items()}, **columns}


def _canonical(values: Sequence[Any]) -> NDArray[Any]:
    """An array whose missing values are one NaN: a processor gives it either sign."""
    array = np.array(values)
    if np.issubdtype(array.dtype, np.floating):
        array[np.isnan(array)] = np.nan
    return array
