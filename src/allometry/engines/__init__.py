"""Where packs are made: in this process, in others, on other machines.

`local` is this process or a pool of processes beside it, `ray` a Ray cluster,
`slurm` a SLURM cluster, `executor` anything with a ``submit`` as in
`concurrent.futures`. All but the first send an order (`orders`) and get a delivery
(`deliveries`) back, as bytes; `coordinator` keeps account of them for all.
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
    """Runs that could not be made; they stay pending.

    Attributes:
        run_ids: of the pack that failed.
        reason: one line: the exception, or how the worker died.
        log: the last lines it wrote, its traceback among them.
    """

    run_ids: tuple[str, ...]
    reason: str
    log: str = ""


@dataclass(frozen=True)
class Finished:
    """What an engine hands back: one pack, or several that came in together.

    Attributes:
        results: stored in one transaction.
        provenance: what made them, as JSON data (`allometry.engines.provenance`).
        failures: packs, or runs of them, that could not be made.
    """

    results: Sequence[RunResult]
    provenance: Mapping[str, Any]
    failures: tuple[Failure, ...] = ()


def check_made(made: object, specs: Sequence[Experiment]) -> Sequence[RunResult | RunFailure]:
    """What a procedure made of the specs of a pack, if it is what it is to give.

    Raises:
        UsageError: it is no list of results and failures, or not one of each spec.
    """
    gives = "the procedure's run(pack, ...) gives a RunResult or RunFailure of each spec"
    if not np.iterable(made):
        raise UsageError(f"{gives}, in a list; got {quoted(made)}")
    given: list[RunResult | RunFailure] = list(made)
    for one in given:
        if not isinstance(one, RunResult | RunFailure) or not isinstance(one.spec, Experiment):
            raise UsageError(f"{gives}; got one of {quoted(one)}")
    if sorted(run_ids([one.spec for one in given])) != sorted(run_ids(specs)):
        raise UsageError(f"{gives}; got {len(given)} for {len(specs)} specs, or of other specs")
    return given


def sorted_out(
    made: object, specs: Sequence[Experiment]
) -> tuple[list[RunResult], tuple[Failure, ...]]:
    """The results and the failures of a pack; a result that cannot be stored is a failure.

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
    """Makes packs somewhere and hands the runs back; it never touches the store.

    Which runs share a pack, and how much work a run is, the study's procedure says.

    Attributes:
        keeps_checkpoints: whether packs under way are kept on disk, where the procedure can.
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
        """Finished packs, in the order they come in.

        Args:
            packs: of the study's procedure.
            study: whose procedure and measures to use.
            advance: told of units of work done since it was last told.
            stop: when true, finish what is in flight, hand it back and start no more.
            checkpoints: where packs under way are kept, by an engine that keeps any.
        """
        raise NotImplementedError
