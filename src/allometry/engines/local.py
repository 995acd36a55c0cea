"""The default engine: packs in threads of this process, or in a pool of processes."""

import traceback
from collections.abc import Callable, Iterator, Sequence

from allometry.engines import Engine, Failure, Finished, sorted_out
from allometry.engines.coordinator import Coordinator
from allometry.engines.hung import HUNG_AFTER
from allometry.engines.pool import pool
from allometry.engines.provenance import collect
from allometry.engines.threads import at_once, in_threads
from allometry.errors import AllometryError, UsageError, in_one_line
from allometry.spec import run_ids
from allometry.study import Study, procedure_of
from allometry.training.checkpoints import Checkpoints
from allometry.training.phases import (
    count_compiling,
    kept_seconds,
    phase,
    seconds_of_thread,
)
from allometry.training.procedure import Pack

__all__ = ["LocalEngine"]


class LocalEngine(Engine):
    """Trains packs on this machine.

    Args:
        workers: number of worker processes; the processors are divided among them. With 0 packs
            are trained in threads of this process. A study whose procedure is isolated (one
            that trains by its own function) always gets a worker process, so that a crash does
            not reach this one.
        hung_after: minutes without a sign of life after which a worker is ended (`hung`).
    """

    keeps_checkpoints = True

    def __init__(self, workers: int = 0, *, hung_after: float = HUNG_AFTER):
        self._workers = workers
        self._hung_after = hung_after

    def run(
        self,
        packs: Sequence[Pack],
        study: Study,
        advance: Callable[[int], None],
        stop: Callable[[], bool],
        checkpoints: Checkpoints | None = None,
    ) -> Iterator[Finished]:
        procedure = procedure_of(study)
        workers = self._workers or int(procedure.isolated and bool(study.origin))
        if workers:
            if checkpoints:
                # Warn here, because a worker's output is shown only if the worker fails.
                checkpoints.warn()
            processes = Coordinator(lambda: pool(workers, checkpoints, self._hung_after), "local")
            yield from processes.run(packs, study, advance, stop)
            return
        count_compiling()
        provenance = collect()
        finished: list[Pack] = []

        def make(pack: Pack, advance: Callable[[int], None]) -> Finished:
            before = seconds_of_thread()
            try:
                with phase("train"):
                    made = procedure.run(
                        pack, study.measures, study.trajectory, advance, checkpoints
                    )
                results, failures = sorted_out(made, pack.specs)
            except Exception as error:
                # A usage error in the first pack would occur in the other packs too.
                refused = isinstance(error, UsageError) and bool(finished)
                if isinstance(error, AllometryError) and not refused:
                    raise
                log = traceback.format_exc()
                failure = Failure(tuple(run_ids(pack.specs)), in_one_line(error), log)
                return Finished((), provenance, (failure,))
            finished.append(pack)
            return Finished(results, {**provenance, **kept_seconds(before)}, failures)

        several = len(packs) > 1 and procedure.concurrent(packs)
        threads = at_once(packs) if several else 1
        if threads > 1:
            yield from in_threads(packs, make, advance, stop, threads)
            return
        for pack in packs:  # in this thread, so that Ctrl-C works within a pack too
            if stop():
                return
            yield make(pack, advance)
