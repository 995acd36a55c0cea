"""Run a study: train and store the declared runs that are not stored yet."""

import logging
import math
import signal
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Literal, NoReturn, get_args

from allometry.engines import Engine, Failure, Finished
from allometry.engines.displays import display
from allometry.engines.progress import Drain, Progress
from allometry.engines.watched import Watched
from allometry.errors import UsageError, printable
from allometry.findings import Analysis, Finding, findings_html, findings_text
from allometry.spec import Changes, Experiment, run_ids
from allometry.spec.code import UserCode
from allometry.store import Store
from allometry.store.place import resolved
from allometry.store.results import stored_variant
from allometry.study import Study, noticed, procedure_of
from allometry.study_runs import Declared
from allometry.tables.printed import shortened
from allometry.tables.table import Table
from allometry.training.checkpoints import Checkpoints
from allometry.training.kept import Keep, Kept
from allometry.training.live import Live
from allometry.training.phases import phase
from allometry.training.procedure import Pack, pending_packs, total_updates

__all__ = ["Outcome", "run"]

FAILED = 70  # EX_SOFTWARE of sysexits.h
CHECKPOINT_MINUTES = 5.0  # the most work lost when killed; writing takes a second or less

_log = logging.getLogger(__name__)  # warnings go to stderr unless a program says otherwise


@dataclass(frozen=True)
class Outcome:
    """The result of running a study.

    Attributes:
        study: the study.
        table: the requested runs that are stored.
        trained: number of runs trained now.
        stored_before: number of runs that were already stored.
        diverged: number of stored requested runs that diverged.
        pending: number of requested runs still to be trained.
        seconds: total time of the call.
        signal: number of the signal that stopped training early (SIGINT, SIGTERM, SIGHUP); 0
            for none.
        quarantined: number of damaged runs that were set aside to be trained again.
        excluded: number of stored requested runs that are excluded; these never count as
            diverged.
        failures: packs that failed, with their logs; their runs are pending.
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
    excluded: int = 0

    @property
    def interrupted(self) -> bool:
        return self.signal != 0

    @cached_property
    def analysis(self) -> Analysis:
        """The study's analysis of the runs; empty while runs are pending."""
        return self.study.analysis(self.table) if not self.pending else Analysis()

    @property
    def findings(self) -> list[Finding]:
        """The findings of the analysis."""
        return list(self.analysis.findings)

    @property
    def notices(self) -> dict[str, int]:
        """Notices about runs with impossible values or no learning, each with its run count."""
        return noticed(self.table)

    @property
    def in_words(self) -> str:
        """The numbers of runs trained, stored before, diverged and pending."""
        counts = f"{self.trained} runs trained, {self.stored_before} stored before, "
        counts += f"{self.diverged} diverged, {self.pending} pending"
        counts += f", {self.excluded} excluded" if self.excluded else ""
        return counts + (f", {len(self.failures)} packs failed" if self.failures else "")

    def __repr__(self) -> str:
        """At most 12 lines: the counts, and the findings if no run is pending."""
        title = shortened(f"Outcome of {self.study.name}: {self.study.title}")
        counts = shortened(f"{self.in_words}; {self.seconds:.3g} s", 2, "  ")
        return "\n".join([*title, *counts, *findings_text(self.findings, 12 - 3)])

    def _repr_html_(self) -> str:
        heading = f"<p><b>{escape(self.study.title)}</b>: {self.in_words}</p>"
        return printable(heading) + findings_html(self.findings)

    @property
    def exit_code(self) -> int:
        """0; after a signal 128 plus its number (SIGINT 130, SIGTERM 143); 70 if runs failed."""
        if self.signal:
            return 128 + self.signal
        return FAILED if self.failures else 0


def run(
    study: Study | str | Path,
    size: str | None = None,
    *,
    seeds: int | Sequence[int] | None = None,
    store: str | Path = "allometry.db",
    changes: Changes | None = None,
    engine: Engine | Callable[[], Engine] | None = None,
    progress: Progress | bool | None = None,
    checkpoint_every: float | None = None,
    keep: Keep | None = None,
    when_stopped: Literal["raise", "return"] = "raise",
) -> Outcome:
    """Train the runs of a study that are not stored yet, and store each pack when it is done.

    Once all are stored, the runs that the study plans from them (`Study.later`) are trained too.

    After Ctrl-C, SIGTERM or SIGHUP (a closed terminal) the packs in flight are finished and
    stored, a message says so, and the program ends as the signal asks. A second signal stops at
    once. However the call was stopped, the next call continues from there; a long pack continues
    from its last checkpoint, which is kept in a folder beside the store.

    Args:
        study: a study, or its name, or the path of its file or folder.
        size: one of the study's sizes; None for the first.
        seeds: the seeds, such as ``[0, 1]``; or their number, counted from the study's first
            seed; None for the study's default seeds.
        store: file that keeps the results.
        changes: dotted field to new value, for every run: ``{"train.epochs": 3}``.
        engine: engine that trains, or a function that returns it, called only if there are runs
            to train; None for the local engine.
        progress: None shows progress in a notebook cell, or on stderr if that is a terminal;
            True also prints plain lines elsewhere; False shows nothing; or an object that is
            notified (`allometry.engines.progress.Progress`).
        checkpoint_every: minutes between checkpoints of a pack in training; 0 for none;
            None for five minutes if the engine keeps checkpoints (`local` does).
        keep: what to keep of each trained network, in a folder beside the store: its
            ``weights`` (`allometry.weights` reads them), or its ``state`` as well, from which
            the same run with a longer length continues.
        when_stopped: what to do after one signal, once the pack in flight is stored: ``raise``
            KeyboardInterrupt or SystemExit, or ``return`` an `Outcome` with runs pending.

    Raises:
        UsageError, DataError, DiskError, StoreBusyError: see `allometry.errors`.
        KeyboardInterrupt: after Ctrl-C, and after a second signal.
        SystemExit: with code 143 after SIGTERM, 129 after SIGHUP.
    """
    began = time.perf_counter()
    study = study if isinstance(study, Study) else _named(study, store)
    shown = display(progress)
    size = size or study.sizes[0]
    with phase("plan"):
        specs, codes = study.specs_and_code(size, seeds, changes)
    place = resolved(store)
    kept = _kept(study, place, keep, codes)
    live = Live.beside(place)
    checkpoints = replace(_checkpoints(place, checkpoint_every, kept), live=live)
    keeps = checkpoint_every is not None or keep is not None
    with Store(store, write=True) as opened:
        name = stored_variant(opened, study.name, size, changes or {})
        runs = Declared(study, size, name, changes, opened, [specs], codes)
        runs.mend(specs)
        runs.add_stages()
        stored_before = len(runs.specs) - len(opened.pending(runs.specs))
        while True:
            pending = runs.declare()
            done = set(run_ids(runs.specs)) - set(run_ids(pending))
            if keep:
                _warn_of_networks(kept, done)
            _sweep(checkpoints, done)
            stopped, failures = 0, tuple[Failure, ...]()
            if pending:
                packs = _Packs(study, runs.stages, runs.codes, pending, checkpoints)
                trainer = _engine(engine, keeps=keeps)
                with Watched(shown, live, (study.name, size, name)) as watched:
                    stopped, failures = packs.train(trainer, opened, watched)
                checkpoints.sweep()
            if stopped or not runs.add_stages():
                break
        left = len(opened.pending(runs.specs))
        only = {spec.run_id for spec in runs.specs}
        table = opened.table(study.name, size, name, only=only)
    if stopped and when_stopped == "raise":
        _end_program(stopped, left)
    return Outcome(
        study=study,
        table=table,
        trained=len(runs.specs) - stored_before - left,
        stored_before=stored_before,
        diverged=int((table["status"] == "diverged").sum()),
        pending=left,
        seconds=time.perf_counter() - began,
        signal=stopped,
        quarantined=runs.quarantined,
        failures=failures,
        excluded=int((table["status"] == "excluded").sum()),
    )


@dataclass(frozen=True)
class _Packs:
    """The packs of the requested runs that are not stored yet."""

    study: Study
    stages: Sequence[Sequence[Experiment]]
    codes: Sequence[UserCode]
    pending: Sequence[Experiment]
    checkpoints: Checkpoints

    def train(
        self, engine: Engine, store: Store, progress: Progress
    ) -> tuple[int, tuple[Failure, ...]]:
        """Train and store the packs; return the signal that stopped them (0: none) and failures."""
        procedure = procedure_of(self.study)
        with phase("plan"):
            packs = [pack for specs in self.stages for pack in self._of_stage(specs)]
        steps = total_updates(procedure, self.pending)
        failures: list[Failure] = []
        stored = sum(map(len, self.stages)) - len(self.pending)
        try:
            progress.begin(len(self.pending), stored, len(packs), steps)
            with Drain(progress.advance, progress.draining) as drain:
                for finished in engine.run(
                    packs, self.study, drain.advance, drain.asked, self.checkpoints
                ):
                    failures += finished.failures
                    if finished.results:
                        provenance = self._with_code(finished)
                        with phase("store"):
                            store.commit(finished.results, provenance)
                        if self.checkpoints.any():
                            self.checkpoints.remove(run_ids([r.spec for r in finished.results]))
                        if self.checkpoints.kept:
                            self.checkpoints.kept.measured([r.spec for r in finished.results])
                        progress.finished(finished.results)
                return drain.signal, tuple(failures)
        finally:
            progress.end()

    def _of_stage(self, specs: Sequence[Experiment]) -> list[Pack]:
        """The pending packs of one stage; packs never mix runs of different stages."""
        wanted = {id(spec) for spec in self.pending}
        if not any(id(spec) in wanted for spec in specs):
            return []
        return pending_packs(procedure_of(self.study).packs(specs), self.pending)

    def _with_code(self, finished: Finished) -> dict[str, object]:
        """The provenance of the pack, with the digests of the user code that made its runs."""
        digests = {result.spec.code for result in finished.results}
        parts = {code.digest: code.parts for code in self.codes if code.digest in digests - {""}}
        return {**finished.provenance, **({"code": parts} if parts else {})}


class _Interrupted(KeyboardInterrupt):
    """Raised after Ctrl-C or a notebook's interrupt; notebooks show it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {self}"]


def _end_program(number: int, pending: int) -> NoReturn:
    """End the program as the signal would if it were not handled."""
    if number == signal.SIGINT:
        raise _Interrupted(
            f"finished runs are stored; {pending} runs are pending, and the same call continues "
            "from there"
        )
    raise SystemExit(128 + number)


def _kept(study: Study, store: Path, keep: Keep | None, codes: Sequence[UserCode]) -> Kept:
    if keep not in (None, *get_args(Keep)):
        raise UsageError(f"keep: one of {', '.join(get_args(Keep))} expected, got {keep!r}")
    if keep and not procedure_of(study).keeps_networks:
        raise UsageError(
            f"study {study.name} has its own training procedure, which keeps no networks: leave "
            "out --keep (keep=), and let the procedure return the arrays to keep"
        )
    training_code = {code.digest: code.training for code in codes}
    return Kept.beside(store, keep, training_code)


def _warn_of_networks(kept: Kept, stored: Collection[str]) -> None:
    """Warn how many stored runs have no kept network."""
    missing = sum(not kept.has(run_id) for run_id in stored)
    if missing:
        _log.warning(
            "%d of the runs are stored without their weights: to train one again with --keep, "
            "remove it with `allometry forget --run ID`",
            missing,
        )


def _checkpoints(store: Path, minutes: float | None, kept: Kept) -> Checkpoints:
    every = CHECKPOINT_MINUTES if minutes is None else minutes
    if not 0 <= every < math.inf:
        raise UsageError(f"checkpoint_every: minutes expected, 0 or more; got {minutes!r}")
    folder = store.with_name(store.name + ".checkpoints")
    return Checkpoints(folder, 60 * every or math.inf, kept)


def _sweep(checkpoints: Checkpoints, done: set[str]) -> None:
    """Remove checkpoints of stored runs; a process killed right after storing leaves them."""
    if checkpoints.any():
        checkpoints.remove(done)
    checkpoints.sweep()


def _engine(engine: Engine | Callable[[], Engine] | None, *, keeps: bool) -> Engine:
    """The engine to train with.

    Args:
        keeps: whether checkpoints or networks were asked for.

    Raises:
        UsageError: they were asked for, and the engine cannot keep them.
    """
    if engine is None:
        # Imports JAX, which takes a second; a finished study does not need it.
        from allometry.engines.local import LocalEngine

        return LocalEngine()
    chosen = engine() if callable(engine) else engine
    if keeps and not chosen.keeps_checkpoints:
        raise UsageError(
            "only the local engine keeps checkpoints (--checkpoint-every) and networks (--keep): "
            "leave these options out, or use the local engine"
        )
    return chosen


def _named(study: str | Path, store: str | Path) -> Study:
    from allometry import studies

    return studies.study(study, store=store)
