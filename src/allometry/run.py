"""Run a study: what it declares, minus what is stored, is trained and stored."""

import math
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from allometry.engines import Engine, Failure, KeepsCheckpoints
from allometry.errors import UsageError
from allometry.findings import Analysis, Finding, findings_html
from allometry.spec import Changes, Experiment, run_ids
from allometry.store import Store
from allometry.store.results import stored_variant
from allometry.study import Study
from allometry.tables.table import Table
from allometry.training.checkpoints import Checkpoints
from allometry.training.procedure import pending_packs
from allometry.training.result import RunResult

__all__ = ["Outcome", "Progress", "Silent", "run"]

FAILED = 70  # EX_SOFTWARE of sysexits.h
CHECKPOINT_MINUTES = 5.0  # the most work a kill costs; writing takes a second or less


class Progress(Protocol):
    """Told how far a run of a study is."""

    def begin(self, runs: int, stored: int, packs: int, steps: int) -> None:
        """Before training: runs to train, those stored already, packs and updates to come."""
        ...

    def advance(self, model_steps: int) -> None:
        """Optimiser updates made, summed over the runs of a pack."""
        ...

    def finished(self, results: Sequence[RunResult]) -> None:
        """A pack is stored: it is on disk and will not be trained again."""
        ...

    def draining(self) -> None:
        """Asked to stop: the pack in flight is finished and stored first."""
        ...

    def end(self) -> None:
        """Always last, also after an error."""
        ...


class Silent:
    """Progress nobody watches."""

    def begin(self, runs: int, stored: int, packs: int, steps: int) -> None: ...
    def advance(self, model_steps: int) -> None: ...
    def finished(self, results: Sequence[RunResult]) -> None: ...
    def draining(self) -> None: ...
    def end(self) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """What came of running a study.

    Attributes:
        study: what was run.
        table: the stored runs among those asked for.
        trained: runs trained now.
        stored_before: runs that were stored already.
        diverged: of the stored runs asked for, how many diverged.
        pending: of the runs asked for, how many are still to be trained.
        seconds: this took, all in all.
        signal: what asked to stop before the end (SIGINT, SIGTERM), 0 for nothing.
        quarantined: runs found damaged and trained again.
        failures: packs that could not be made, with what they wrote; their runs are pending.
    """

    study: Study
    table: Table
    trained: int
    stored_before: int
    diverged: int
    pending: int
    seconds: float
    signal: int = 0
    quarantined: int = 0
    failures: tuple[Failure, ...] = ()

    @property
    def interrupted(self) -> bool:
        return self.signal != 0

    @cached_property
    def analysis(self) -> Analysis:
        """What the study makes of the runs; empty before all of them are done."""
        return self.study.analysis(self.table) if not self.pending else Analysis()

    @property
    def findings(self) -> list[Finding]:
        """Of the analysis."""
        return list(self.analysis.findings)

    def _repr_html_(self) -> str:
        said = f"{self.trained} runs trained, {self.stored_before} stored before, "
        said += f"{self.diverged} diverged, {self.pending} pending"
        said += f", {len(self.failures)} packs failed" if self.failures else ""
        return f"<p><b>{escape(self.study.title)}</b>: {said}</p>{findings_html(self.findings)}"

    @property
    def exit_code(self) -> int:
        """0; 130 after Ctrl-C, 143 after SIGTERM, as a shell shows it; 70 where runs failed."""
        if self.signal:
            return 128 + self.signal
        return FAILED if self.failures else 0


def run(
    study: Study | str | Path,
    size: str = "quick",
    *,
    seeds: int | None = None,
    store: str | Path = "allometry.db",
    changes: Changes | None = None,
    engine: Engine | Callable[[], Engine] | None = None,
    progress: Progress | None = None,
    checkpoint_every: float | None = None,
) -> Outcome:
    """Train the runs of a study that are not stored yet, and store each pack at once.

    Ctrl-C, or SIGTERM, finishes and stores the pack in flight; a second one stops
    at once. Stopped in any way, the next call goes on where this one was; a long pack
    goes on from its last checkpoint, in a folder beside the store.

    Args:
        study: a study, or its name or the path of its file.
        size: one of its sizes.
        seeds: how many, counted from its first; None for its own.
        store: file the results are kept in.
        changes: dotted field to new value, for every run: ``{"train.epochs": 3}``.
        engine: where to train, or what gives it once there is something to train; None
            for this process.
        progress: told how far it is.
        checkpoint_every: minutes between the checkpoints of a pack under way, 0 for none;
            None for five where the engine keeps any (`local` does).

    Raises:
        UsageError, DataError, DiskError, StoreBusyError: in words for people.
        KeyboardInterrupt: after the second signal.
    """
    began = time.perf_counter()
    study = study if isinstance(study, Study) else _named(study)
    specs = study.specs(size, seeds, changes)
    with Store(store, write=True) as keep:
        name = stored_variant(keep, study.name, size, changes or {})
        damaged = keep.check(specs)
        if damaged:
            # What is damaged besides these runs is mended in the same go.
            keep.quarantine(keep.verify().damaged)
        pending = keep.pending(specs)
        keep.declare(study.name, size, name, specs)
        stopped, failures = 0, tuple[Failure, ...]()
        checkpoints = _checkpoints(Path(store), checkpoint_every)
        if checkpoints.any():
            # Left by a process that was killed between storing a pack and removing its own.
            checkpoints.remove(set(run_ids(specs)) - set(run_ids(pending)))
        checkpoints.sweep()
        if pending:
            chosen = engine() if callable(engine) else engine or _local_engine()
            _keep_under_way(chosen, checkpoints, asked=checkpoint_every is not None)
            told = progress or Silent()
            stopped, failures = _train(keep, study, specs, pending, chosen, told, checkpoints)
            checkpoints.sweep()
        left = len(keep.pending(pending))
        table = keep.table(study.name, size, name, only={spec.run_id for spec in specs})
    return Outcome(
        study=study,
        table=table,
        trained=len(pending) - left,
        stored_before=len(specs) - len(pending),
        diverged=int((table["status"] == "diverged").sum()),
        pending=left,
        seconds=time.perf_counter() - began,
        signal=stopped,
        quarantined=len(damaged),
        failures=failures,
    )


def _train(
    keep: Store,
    study: Study,
    specs: Sequence[Experiment],
    pending: Sequence[Experiment],
    engine: Engine,
    progress: Progress,
    checkpoints: Checkpoints,
) -> tuple[int, tuple[Failure, ...]]:
    """Train and store; the signal that asked to stop, 0 for none, and what failed."""
    packs = pending_packs(engine.packs(specs, study), pending)
    failures: list[Failure] = []
    stored, steps = len(specs) - len(pending), engine.updates(pending, study)
    progress.begin(len(pending), stored, len(packs), steps)
    try:
        with _Drain(progress) as drain:
            for finished in engine.run(packs, study, drain.advance, drain.asked):
                failures += finished.failures
                if finished.results:
                    keep.commit(finished.results, finished.provenance)
                    if checkpoints.any():
                        checkpoints.remove(run_ids([r.spec for r in finished.results]))
                    progress.finished(finished.results)
            return drain.signal, tuple(failures)
    finally:
        progress.end()


def _checkpoints(store: Path, minutes: float | None) -> Checkpoints:
    every = CHECKPOINT_MINUTES if minutes is None else minutes
    if not 0 <= every < math.inf:
        raise UsageError(f"checkpoint_every: minutes, 0 or more, expected, got {minutes!r}")
    return Checkpoints(store.with_name(store.name + ".checkpoints"), 60 * every or math.inf)


def _keep_under_way(engine: Engine, checkpoints: Checkpoints, *, asked: bool) -> None:
    """Have the engine keep packs under way; one that cannot need not, unless it was asked for."""
    if isinstance(engine, KeepsCheckpoints):
        engine.checkpoints = checkpoints
    elif asked:
        raise UsageError(
            "checkpoints of packs under way (--checkpoint-every) are kept by the local "
            "engine alone: leave them out"
        )


class _Drain:
    """The first signal asks to stop after the pack in flight, the second stops at once."""

    def __init__(self, progress: Progress):
        self.signal = 0
        self._progress = progress
        self._told = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # Python delivers signals to the main thread alone. One that is ignored
        # stays so: that is how a shell keeps Ctrl-C from its background jobs.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def asked(self) -> bool:
        return self.signal != 0

    def advance(self, model_steps: int) -> None:
        # Workers elsewhere say only that they still work.
        if model_steps:
            self._progress.advance(model_steps)
        if self.signal and not self._told:
            self._told = True
            self._progress.draining()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number


def _named(study: str | Path) -> Study:
    # Studies import nearly everything, so they are loaded when one is asked for.
    from allometry import studies

    return studies.study(study)


def _local_engine() -> Engine:
    # Brings JAX and takes a second, which a finished study does not need.
    from allometry.engines.local import LocalEngine

    return LocalEngine()
