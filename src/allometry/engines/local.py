"""The default engine: one pack after another in this process."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from allometry.procedure import Pack, Procedure
from allometry.provenance import collect
from allometry.result import RunResult
from allometry.spec import Experiment
from allometry.study import Study
from allometry.train import Training

__all__ = ["LocalEngine"]


class LocalEngine:
    """Trains here.

    Args:
        procedure: instead of every study's own.
    """

    def __init__(self, procedure: Procedure | None = None):
        self._instead = procedure

    def packs(self, specs: Sequence[Experiment], study: Study) -> list[Pack]:
        return self._procedure(study).packs(specs)

    def updates(self, specs: Sequence[Experiment], study: Study) -> int:
        return sum(self._procedure(study).updates(spec) for spec in specs)

    def provenance(self) -> dict[str, Any]:
        return collect()

    def run(
        self,
        packs: Sequence[Pack],
        study: Study,
        advance: Callable[[int], None],
        stop: Callable[[], bool],
    ) -> Iterator[list[RunResult]]:
        procedure = self._procedure(study)
        for pack in packs:
            if stop():
                return
            yield procedure.run(pack, study.measures, study.trajectory, advance)

    def _procedure(self, study: Study) -> Procedure:
        return self._instead or study.procedure or Training()
