"""What running a study would train: its packs, their predicted costs, and the reasons."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from allometry.spec import Changes
from allometry.store import Store
from allometry.store.place import resolved
from allometry.study import Study, procedure_of
from allometry.tables.display import as_html, as_text
from allometry.training.procedure import pending_packs

if TYPE_CHECKING:
    from allometry.training.packing.explain import Plan

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True)
class Explanation:
    """How the runs of a study that are not stored yet would be trained.

    Attributes:
        study: name of the study.
        size: the requested size.
        runs: number of runs still to be trained.
        pack_sizes: number of runs in each pack, in the order of training.
        predicted: whether costs are predicted, which requires the default procedure: networks
            trained by gradient descent.
        plans: layout, cost and reason of each pack; empty without predictions.
    """

    study: str
    size: str
    runs: int
    pack_sizes: tuple[int, ...]
    predicted: bool
    plans: "tuple[Plan, ...]"

    def _digest(self) -> tuple[str, list[list[str]], list[str]]:
        """Title, and a row for each pack."""
        packs = len(self.pack_sizes)
        title = f"{self.study} ({self.size}): {self.runs} runs to train in {packs} packs"
        if not self.predicted:
            runs = ", ".join(map(str, self.pack_sizes))
            title += " by the study's own procedure, whose cost is unknown"
            return title, [["runs in each pack"], [runs]], []
        rows = [["runs", "layout", "seconds", "padding", "MiB", "why"]]
        for plan in self.plans:
            cost = (f"{plan.seconds:.3g}", f"{plan.waste:.1%}", f"{plan.memory / 2**20:.0f}")
            rows.append([str(plan.runs), plan.layout, *cost, plan.why])
        return f"{title}; predicted {self.seconds:.3g} s", rows, []

    def __repr__(self) -> str:
        return as_text(*self._digest())

    def _repr_html_(self) -> str:
        return as_html(*self._digest())

    @property
    def seconds(self) -> float:
        """Predicted time of all packs, without loading and measures; NaN without predictions."""
        return sum(plan.seconds for plan in self.plans) if self.predicted else math.nan


def explain(
    study: Study | str | Path,
    size: str | None = None,
    *,
    seeds: int | Sequence[int] | None = None,
    store: str | Path = "allometry.db",
    changes: Changes | None = None,
) -> Explanation:
    """Predict how a run would pack the runs that are not stored yet; trains and writes nothing.

    The first call on a machine measures its speed, which takes a few seconds.

    Args:
        study: a study, its name, or the path of its file or folder.
        size: one of the study's sizes; None for the first.
        seeds: the seeds; or their number, counted from the study's first seed; None for the
            study's default seeds.
        store: the SQLite file; a missing file counts as empty.
        changes: dotted field to new value, for every run.

    Raises:
        UsageError: the study, size or field does not exist.
        DataError: the store is damaged.
    """
    from allometry import studies  # imports nearly everything; the two below import JAX
    from allometry.training.loop import Training
    from allometry.training.packing.explain import plans

    study = study if isinstance(study, Study) else studies.study(study, store=store)
    size = size or study.sizes[0]
    pending = declared = study.specs(size, seeds, changes)
    if resolved(store).exists():
        with Store(store) as opened:
            pending = opened.pending(declared)
    procedure = procedure_of(study)
    packs = pending_packs(procedure.packs(declared), pending)
    predicted = isinstance(procedure, Training)
    return Explanation(
        study=study.name,
        size=size,
        runs=len(pending),
        pack_sizes=tuple(len(pack.specs) for pack in packs),
        predicted=predicted,
        plans=tuple(plans(packs)) if predicted and packs else (),
    )
