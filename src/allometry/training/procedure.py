"""Procedures: how the runs of a study are computed from their specs.

The default, `allometry.training.loop.Training`, trains networks by gradient descent on a
data set. A study that needs something else (kernels at initialisation, samples
drawn inside the compiled step) defines its own procedure. Store, engines, fits and report work
with any procedure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from allometry.errors import UsageError, quoted
from allometry.training.checkpoints import Checkpoints
from allometry.training.result import RunFailure, RunResult

__all__ = ["Measures", "Pack", "Procedure", "pending_packs", "total_updates"]

# Name to function that returns columns; the procedure determines its argument.
Measures = Mapping[str, Callable[..., Mapping[str, Any]]]


@dataclass(frozen=True)
class Pack:
    """Runs computed together in one program.

    Attributes:
        specs: the specs of the runs.
        note: why the pack is smaller than it could be, if a test of its parts failed.
        divided: whether the batches of its only network are divided among the processors.
    """

    specs: tuple[Any, ...]
    note: str = ""
    divided: bool = False


def pending_packs(packs: Sequence[Pack], pending: Sequence[Any]) -> list[Pack]:
    """The packs restricted to pending runs.

    The packs are chosen for all runs and then restricted, so that pending runs stay in the packs
    they would have been in. Packs chosen only for the pending runs could differ.

    Args:
        packs: packs of all runs.
        pending: some of these runs, as the same objects.

    Raises:
        UsageError: a user-defined procedure did not return a list of packs.
    """
    if not np.iterable(packs) or not all(isinstance(pack, Pack) for pack in packs):
        raise UsageError(
            f"the procedure's packs(specs) must return a list of Pack, got {quoted(packs)}"
        )
    wanted = {id(spec) for spec in pending}
    left = (replace(pack, specs=tuple(s for s in pack.specs if id(s) in wanted)) for pack in packs)
    return [pack for pack in left if pack.specs]


def total_updates(procedure: "Procedure", specs: Sequence[Any]) -> int:
    """The total units of work in these runs.

    Raises:
        UsageError: a user-defined procedure returned a count that is no integer.
    """
    counts = [procedure.updates(spec) for spec in specs]
    for updates in counts:
        if not isinstance(updates, Integral):
            raise UsageError(
                f"the procedure's updates(spec) must return an integer, got {quoted(updates)}"
            )
    return sum(map(int, counts))


class Procedure:
    """Computes runs, several at once if that is faster. A subclass must define `run`.

    Attributes:
        isolated: whether packs are computed in a worker process, if the study can be loaded
            there, so that a crash affects no other pack.
        keeps_networks: whether the procedure can keep trained networks on disk (`Kept`).
    """

    isolated: ClassVar[bool] = False
    keeps_networks: ClassVar[bool] = False

    @property
    def code(self) -> object:
        """The object whose code decides the results and is part of each run; by default `self`."""
        return self

    def packs(self, specs: Sequence[Any]) -> list[Pack]:
        """Group runs that share a program, depending only on the specs; by default none do."""
        return [Pack((spec,)) for spec in specs]

    def updates(self, spec: Any) -> int:
        """Units of work in a run, such as optimiser updates; `run` passes them to `advance`."""
        return 1

    def concurrent(self, packs: Sequence[Pack]) -> bool:
        """Whether several threads of one process may compute these packs at once.

        Programs that call LAPACK for a batch of matrices (`jax.numpy.linalg`) must not run at
        once: on a CPU such a call holds one of XLA's threads while it waits for others, and as
        many calls at once as there are threads wait for each other forever.
        """
        return False

    def run(
        self,
        pack: Pack,
        measures: Measures,
        trajectory: Measures,
        advance: Callable[[int], None],
        checkpoints: Checkpoints | None = None,
    ) -> Sequence[RunResult | RunFailure]:
        """Compute every run of a pack; return a result or a failure for each spec.

        A failure must not affect the other runs of the pack.

        Args:
            measures: `Study.measures`, functions of the object this procedure passes to them.
            trajectory: `Study.trajectory`, measures taken along training.
            advance: called with units of work done, summed over the pack.
            checkpoints: where the pack may be saved during training, and resumed from; a procedure
                without checkpoints ignores it.
        """
        raise NotImplementedError
