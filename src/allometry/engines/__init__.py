"""Where packs are trained."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from allometry.result import RunResult
from allometry.spec import Experiment
from allometry.study import Study

__all__ = ["Engine"]


class Engine(Protocol):
    """Trains runs somewhere and hands them back; it never touches the store."""

    def packs(self, specs: Sequence[Experiment], study: Study) -> Sequence[Any]:
        """Which runs are trained, and handed back, together."""
        ...

    def updates(self, specs: Sequence[Experiment], study: Study) -> int:
        """Optimiser updates summed over runs: the total that `advance` counts up to."""
        ...

    def provenance(self) -> Mapping[str, Any]:
        """What trains the runs, as JSON data."""
        ...

    def run(
        self,
        packs: Sequence[Any],
        study: Study,
        advance: Callable[[int], None],
        stop: Callable[[], bool],
    ) -> Iterator[list[RunResult]]:
        """Finished packs, one after another.

        Args:
            packs: as `packs` gave them.
            study: whose measures to take.
            advance: told of updates made since it was last told.
            stop: when true, finish what is in flight, hand it back and start no more.
        """
        ...
