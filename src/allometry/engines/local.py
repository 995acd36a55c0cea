"""The default engine: one pack after another in this process."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from allometry import train
from allometry.packing import Pack, make_packs
from allometry.provenance import collect
from allometry.result import RunResult
from allometry.spec import RunSpec
from allometry.study import Study

__all__ = ["LocalEngine"]

Trainer = Callable[
    [Pack, Mapping[str, Any], Mapping[str, Any], Callable[[int], None]], list[RunResult]
]


class LocalEngine:
    """Trains here.

    Args:
        train: function of a pack, measures, trajectory and `advance`, such as
            `allometry.train.train_pack`.
    """

    def __init__(self, train: Trainer = train.train_pack):
        self._train = train

    def packs(self, specs: Sequence[RunSpec]) -> list[Pack]:
        return make_packs(specs)

    def updates(self, specs: Sequence[RunSpec]) -> int:
        return sum(train.updates(spec) for spec in specs)

    def provenance(self) -> dict[str, Any]:
        return collect()

    def run(
        self,
        packs: Sequence[Pack],
        study: Study,
        advance: Callable[[int], None],
        stop: Callable[[], bool],
    ) -> Iterator[list[RunResult]]:
        for pack in packs:
            if stop():
                return
            yield self._train(pack, study.measures, study.trajectory, advance)
