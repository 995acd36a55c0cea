"""How the runs of a study are made from their specs.

The default, `allometry.training.loop.Training`, trains networks by gradient descent on a
data set. A study that needs something else (kernels at initialisation, samples
drawn inside the compiled step) brings a procedure of its own; store, engines,
fits and report do not see the difference.
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

# Name to function giving columns; of what, the procedure says.
Measures = Mapping[str, Callable[..., Mapping[str, Any]]]


@dataclass(frozen=True)
class Pack:
    """Runs made together, in one program.

    Attributes:
        note: why they are not more, where something was found out about them.
        divided: whether the batches of its one network are divided among the processors.
    """

    specs: tuple[Any, ...]
    note: str = ""
    divided: bool = False


def pending_packs(packs: Sequence[Pack], pending: Sequence[Any]) -> list[Pack]:
    """What is left of packs chosen for all runs: so the rest is made as it would have been.

    Packs chosen for the rest alone may be others, once packs are done in any order.

    Args:
        packs: of all runs.
        pending: some of these, the same objects.

    Raises:
        UsageError: what a procedure of a person's own gave are no packs.
    """
    if not np.iterable(packs) or not all(isinstance(pack, Pack) for pack in packs):
        raise UsageError(f"the procedure's packs(specs) gives a list of Pack, got {quoted(packs)}")
    wanted = {id(spec) for spec in pending}
    left = (replace(pack, specs=tuple(s for s in pack.specs if id(s) in wanted)) for pack in packs)
    return [pack for pack in left if pack.specs]


def total_updates(procedure: "Procedure", specs: Sequence[Any]) -> int:
    """Units of work in these runs together.

    Raises:
        UsageError: a procedure of a person's own counts them by something else than integers.
    """
    counted = [procedure.updates(spec) for spec in specs]
    for updates in counted:
        if not isinstance(updates, Integral):
            raise UsageError(
                f"the procedure's updates(spec) gives a whole number, got {quoted(updates)}"
            )
    return sum(map(int, counted))


class Procedure:
    """Makes runs, many at once where that is faster. A subclass gives `run`.

    Attributes:
        isolated: each pack is made in a process of its own, where the study can be found there:
            what fails there fails there, and the other runs go on.
        keeps_networks: whether it can keep trained networks on disk (`Kept`).
    """

    isolated: ClassVar[bool] = False
    keeps_networks: ClassVar[bool] = False

    @property
    def code(self) -> object:
        """What decides the results, whose code is part of each run: the procedure itself."""
        return self

    def packs(self, specs: Sequence[Any]) -> list[Pack]:
        """Which runs share a program, a function of the specs alone; by default none do."""
        return [Pack((spec,)) for spec in specs]

    def updates(self, spec: Any) -> int:
        """Units of work in a run, which `run` counts for `advance`: optimiser updates, say."""
        return 1

    def concurrent(self, packs: Sequence[Pack]) -> bool:
        """Whether these packs may be made by several threads of one process at once.

        Not where the programs call LAPACK for a batch of matrices (`jax.numpy.linalg`): on a CPU
        such a call holds one of XLA's threads while it waits for others, and as many calls at
        once as there are threads wait for each other for ever.
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
        """Make every run of a pack: a result for each spec, or a failure that costs no other.

        Args:
            measures: `Study.measures`, functions of what this procedure hands them.
            trajectory: `Study.trajectory`, the same, taken along the way.
            advance: told of units of work done, summed over the pack.
            checkpoints: where the pack may be kept under way, and looked for; a procedure that
                keeps none leaves it.
        """
        raise NotImplementedError
