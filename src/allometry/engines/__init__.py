"""Engines train packs: in this process, in other processes, or on other machines.

`local` is this process or a pool of processes on this machine, `ray` a Ray cluster,
`slurm` a SLURM cluster, `executor` anything with a ``submit`` as in
`concurrent.futures`. All but the first send an order (`orders`) and get a delivery
(`deliveries`) back, as bytes; `coordinator` tracks orders and deliveries for all of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from allometry.errors import UsageError, quoted
from allometry.spec import Experiment, run_ids
from allometry.store.record import check_storable
from allometry.study import Study
from allometry.training.checkpoints import Checkpoints
from allometry.training.procedure import Pack
from allometry.training.result import RunFailure, RunResult

__all__ = ["Engine", "Failure", "Finished", "check_made", "sorted_out"]


@dataclass(frozen=True)
class Failure:
    """Runs whose training failed; they stay pending.

    Attributes:
        run_ids: the failed runs of a pack.
        reason: one line: the exception, or how the worker died.
        log: the last lines of output, with the traceback.
    """

    run_ids: tuple[str, ...]
    reason: str
    log: str = ""


@dataclass(frozen=True)
class Finished:
    """The results of one pack, or of several packs that arrived together.

    Attributes:
        results: finished runs; they are stored in one transaction.
        provenance: software and hardware that trained them, as JSON data
            (`allometry.engines.provenance`).
        failures: packs, or runs of them, that failed.
    """

    results: Sequence[RunResult]
    provenance: Mapping[str, Any]
    failures: tuple[Failure, ...] = ()


def check_made(made: object, specs: Sequence[Experiment]) -> Sequence[RunResult | RunFailure]:
    """Check and return what a procedure returned for the specs of a pack.

    Raises:
        UsageError: it is not a list with one result or failure for each spec.
    """
    rule = "the procedure's run(pack, ...) must return a RunResult or RunFailure for each spec"
    if not np.iterable(made):
        raise UsageError(f"{rule}, in a list; got {quoted(made)}")
    outcomes: list[RunResult | RunFailure] = list(made)
    for one in outcomes:
        if not isinstance(one, RunResult | RunFailure) or not isinstance(one.spec, Experiment):
            raise UsageError(f"{rule}; got {quoted(one)} in the list")
    if sorted(run_ids([one.spec for one in outcomes])) != sorted(run_ids(specs)):
        raise UsageError(f"{rule}; got {len(outcomes)} for {len(specs)} specs, or for other specs")
    return outcomes


def sorted_out(
    made: object, specs: Sequence[Experiment]
) -> tuple[list[RunResult], tuple[Failure, ...]]:
    """Results and failures of a pack; a result that cannot be stored counts as a failure.

    Raises:
        UsageError: as `check_made`.
    """
    results: list[RunResult] = []
    failures: list[Failure] = []
    for one in check_made(made, specs):
        if isinstance(one, RunResult):
            try:
                check_storable(one)
                results.append(one)
                continue
            except UsageError as error:
                one = RunFailure.of(one.spec, error)
        failures.append(Failure((one.spec.run_id,), one.reason, one.log))
    return results, tuple(failures)


class Engine:
    """Trains packs and returns finished runs; an engine never accesses the store.

    The study's procedure decides which runs share a pack, and how much work a run is.

    Attributes:
        keeps_checkpoints: whether the engine can save checkpoints, if the procedure supports it.
    """

    keeps_checkpoints: ClassVar[bool] = False

    def run(
        self,
        packs: Sequence[Pack],
        study: Study,
        advance: Callable[[int], None],
        stop: Callable[[], bool],
        checkpoints: Checkpoints | None = None,
    ) -> Iterator[Finished]:
        """Train packs and yield them in the order in which they finish.

        Args:
            packs: packs made by the study's procedure.
            study: the study; its procedure and measures are used.
            advance: called with the units of work done since its last call.
            stop: once it returns True, the packs in flight are finished and no others started.
            checkpoints: where to save checkpoints, for engines that keep them.
        """
        raise NotImplementedError
