"""Run a study: what it declares, minus what is stored, is trained and stored."""

import logging
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

from allometry.engines import Engine, Failure, Finished
from allometry.errors import UsageError
from allometry.findings import Analysis, Finding, findings_html
from allometry.spec import Changes, Experiment, run_ids
from allometry.spec.code import UserCode, is_known
from allometry.spec.code import changes as changes_of_code
from allometry.store import EarlierCode, Store
from allometry.store.results import stored_variant
from allometry.study import Study, procedure_of
from allometry.tables.table import Table
from allometry.training.checkpoints import Checkpoints
from allometry.training.procedure import pending_packs
from allometry.training.result import RunResult

__all__ = ["Outcome", "Progress", "Silent", "run"]

FAILED = 70  # EX_SOFTWARE of sysexits.h
CHECKPOINT_MINUTES = 5.0  # the most work a kill costs; writing takes a second or less

_log = logging.getLogger(__name__)  # warnings go to stderr unless a program says otherwise


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
    specs, codes = study.specs_and_code(size, seeds, changes)
    checkpoints = _checkpoints(Path(store), checkpoint_every)
    with Store(store, write=True) as opened:
        name = stored_variant(opened, study.name, size, changes or {})
        damaged = opened.check(specs)
        if damaged:
            # The whole store is checked, so that other damaged runs are quarantined too.
            opened.quarantine(opened.verify().damaged)
        pending = opened.pending(specs)
        earlier = opened.declare(study.name, size, name, specs)
        _warn_of_code(study, codes, earlier, opened)
        _sweep(checkpoints, done=set(run_ids(specs)) - set(run_ids(pending)))
        stopped, failures = 0, tuple[Failure, ...]()
        if pending:
            trainer = _engine(engine, keeps=checkpoint_every is not None)
            packs = _Packs(study, specs, codes, pending, checkpoints)
            stopped, failures = packs.train(trainer, opened, progress or Silent())
            checkpoints.sweep()
        left = len(opened.pending(pending))
        table = opened.table(study.name, size, name, only={spec.run_id for spec in specs})
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


@dataclass(frozen=True)
class _Packs:
    """What is to be trained: of all the runs asked for, those that are not stored."""

    study: Study
    specs: Sequence[Experiment]
    codes: Sequence[UserCode]
    pending: Sequence[Experiment]
    checkpoints: Checkpoints

    def train(
        self, engine: Engine, store: Store, progress: Progress
    ) -> tuple[int, tuple[Failure, ...]]:
        """Train and store; the signal that asked to stop, 0 for none, and what failed."""
        procedure = procedure_of(self.study)
        packs = pending_packs(procedure.packs(self.specs), self.pending)
        steps = sum(procedure.updates(spec) for spec in self.pending)
        progress.begin(len(self.pending), len(self.specs) - len(self.pending), len(packs), steps)
        failures: list[Failure] = []
        try:
            with _Drain(progress) as drain:
                for finished in engine.run(
                    packs, self.study, drain.advance, drain.asked, self.checkpoints
                ):
                    failures += finished.failures
                    if finished.results:
                        provenance = self._with_code(finished)
                        store.commit(finished.results, provenance)
                        if self.checkpoints.any():
                            self.checkpoints.remove(run_ids([r.spec for r in finished.results]))
                        progress.finished(finished.results)
                return drain.signal, tuple(failures)
        finally:
            progress.end()

    def _with_code(self, finished: Finished) -> dict[str, object]:
        """Provenance with the parts of the code that made these runs."""
        digests = {result.spec.code for result in finished.results}
        parts = {code.digest: code.parts for code in self.codes if code.digest in digests - {""}}
        return {**finished.provenance, **({"code": parts} if parts else {})}


def _warn_of_code(
    study: Study, codes: Sequence[UserCode], earlier: Sequence[EarlierCode], store: Store
) -> None:
    """Say in a line each what code has no source, and which stored runs have other code."""
    for code in codes:
        if not is_known(code.digest):
            _log.warning(
                "%s: %s: no source to be read, so these runs are never taken for stored ones; "
                "write the study to a file, or load it again if it was edited",
                study.name, ", ".join(code.unknown),
            )  # fmt: skip
    now = {name: part for code in codes for name, part in code.parts.items()}
    for before in earlier:
        changed = changes_of_code(before.parts, now)
        _log.warning(
            "%s: %s since %d stored runs were made; they stay: allometry table %s --set code=%s "
            "--store %s",
            study.name, changed or "its code is another", before.runs, study.name, before.name,
            store.path,
        )  # fmt: skip


def _checkpoints(store: Path, minutes: float | None) -> Checkpoints:
    every = CHECKPOINT_MINUTES if minutes is None else minutes
    if not 0 <= every < math.inf:
        raise UsageError(f"checkpoint_every: minutes, 0 or more, expected, got {minutes!r}")
    return Checkpoints(store.with_name(store.name + ".checkpoints"), 60 * every or math.inf)


def _sweep(checkpoints: Checkpoints, done: set[str]) -> None:
    """Remove checkpoints of stored runs, left by a process that was killed after storing them."""
    if checkpoints.any():
        checkpoints.remove(done)
    checkpoints.sweep()


def _engine(engine: Engine | Callable[[], Engine] | None, *, keeps: bool) -> Engine:
    """The engine to train with.

    Args:
        keeps: whether it was asked to keep packs under way, which one that cannot is refused for.
    """
    if engine is None:
        # Brings JAX and takes a second, which a finished study does not need.
        from allometry.engines.local import LocalEngine

        return LocalEngine()
    chosen = engine() if callable(engine) else engine
    if keeps and not chosen.keeps_checkpoints:
        raise UsageError(
            "checkpoints of packs under way (--checkpoint-every) are kept by the local "
            "engine alone: leave them out"
        )
    return chosen


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
