"""The default engine: packs in threads of this process, or in a pool of processes."""

import traceback
from collections.abc import Callable, Iterator, Sequence

from allometry.engines import Failure, Finished
from allometry.engines.coordinator import Coordinator
from allometry.engines.hung import HUNG_AFTER
from allometry.engines.pool import pool
from allometry.engines.provenance import collect
from allometry.engines.threads import at_once, in_threads
from allometry.errors import UsageError
from allometry.processors import processors
from allometry.spec import Experiment, run_ids
from allometry.study import Study, procedure_of
from allometry.training.checkpoints import Checkpoints, keeping
from allometry.training.function import Function
from allometry.training.procedure import Concurrent, Pack, Procedure

__all__ = ["LocalEngine"]


class LocalEngine:
    """Makes runs here.

    Args:
        procedure: instead of every study's own; then without workers.
        workers: processes to make packs in, with the processors shared out between
            them; 0 for this process, with a thread for each processor. A study that
            trains by a function of its own always gets a process of its own, so that what
            fails there fails there.
        hung_after: minutes without a sign of life after which a worker is ended (`watch`).
    """

    def __init__(
        self,
        procedure: Procedure | None = None,
        workers: int = 0,
        *,
        hung_after: float = HUNG_AFTER,
    ):
        if procedure is not None and workers:
            raise UsageError("a procedure from memory cannot be sent to workers: put it in a study")
        self.checkpoints: Checkpoints | None = None
        self._instead = procedure
        self._workers = workers
        self._hung_after = hung_after

    def packs(self, specs: Sequence[Experiment], study: Study) -> list[Pack]:
        return self._procedure(study).packs(specs)

    def updates(self, specs: Sequence[Experiment], study: Study) -> int:
        procedure = self._procedure(study)
        return sum(procedure.updates(spec) for spec in specs)

    def run(
        self,
        packs: Sequence[Pack],
        study: Study,
        advance: Callable[[int], None],
        stop: Callable[[], bool],
    ) -> Iterator[Finished]:
        procedure = self._procedure(study)
        alone = isinstance(procedure, Function)
        workers = self._workers or int(alone and bool(study.origin))
        if workers:
            if self.checkpoints:
                # Here, since what a worker writes is shown only when it fails.
                self.checkpoints.warn()
            processes = Coordinator(
                lambda: pool(workers, self.checkpoints, self._hung_after), "local"
            )
            yield from processes.run(packs, study, advance, stop)
            return
        kept, provenance = keeping(procedure, self.checkpoints), collect()

        def make(pack: Pack, tell: Callable[[int], None]) -> Finished:
            try:
                results = kept.run(pack, study.measures, study.trajectory, tell)
            except Exception as error:
                if not alone:
                    raise
                reason = f"{type(error).__name__}: {error}".split("\n")[0]
                failure = Failure(tuple(run_ids(pack.specs)), reason, traceback.format_exc())
                return Finished((), provenance, (failure,))
            return Finished(results, provenance)

        several = isinstance(kept, Concurrent) and kept.concurrent(packs)
        threads = at_once(packs, len(processors())) if several else 1
        yield from in_threads(packs, make, advance, stop, threads)

    def _procedure(self, study: Study) -> Procedure:
        return self._instead or procedure_of(study)
