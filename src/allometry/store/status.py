"""How far the runs of each study in a store are."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from allometry.store.declarations import Key
from allometry.store.record import Record

__all__ = ["StudyStatus", "statuses"]


class StudyStatus(NamedTuple):
    """How far the runs declared by one size of a study are.

    Attributes:
        study, size: their names. variant: the changes (``--set``), empty for none.
        declared: runs declared; the next four add up to it. A run that is excluded counts as
            neither done nor diverged.
        first_finished, last_finished: ISO 8601 times (UTC), empty where nothing is stored.
        seconds: of training and measuring the runs that are stored, each its share of its pack.
        reasons: why runs are excluded, each with its number of runs.
    """

    study: str
    size: str
    variant: str
    declared: int
    done: int
    diverged: int
    excluded: int
    pending: int
    first_finished: str = ""
    last_finished: str = ""
    seconds: float = 0.0
    reasons: tuple[tuple[str, int], ...] = ()


def statuses(
    declared: Iterable[tuple[str, ...]], runs: Iterable[Record], reasons: Mapping[str, str]
) -> list[StudyStatus]:
    """One entry for each size of each study that was declared, by name.

    Args:
        declared: study, size, variant and run_id of each.
        runs: all that are stored.
        reasons: of excluded runs, by run_id.
    """
    groups: dict[Key, list[str]] = defaultdict(list)
    for study, size, variant, run_id in declared:
        groups[study, size, variant].append(run_id)
    stored = {run.run_id: run for run in runs}
    return [_status(key, names, stored, reasons) for key, names in sorted(groups.items())]


def _status(
    key: Key, names: Sequence[str], stored: Mapping[str, Record], reasons: Mapping[str, str]
) -> StudyStatus:
    runs = [stored[name] for name in names if name in stored]
    excluded = Counter(reasons[name] for name in names if name in stored and name in reasons)
    counted = Counter(stored[n].status for n in names if n in stored and n not in reasons)
    done, diverged, left_out = counted["done"], counted["diverged"], excluded.total()
    return StudyStatus(
        *key,
        declared=len(names),
        done=done,
        diverged=diverged,
        excluded=left_out,
        pending=len(names) - done - diverged - left_out,
        first_finished=min((run.finished_at for run in runs), default=""),
        last_finished=max((run.finished_at for run in runs), default=""),
        seconds=math.fsum(run.seconds for run in runs),
        reasons=tuple(sorted(excluded.items())),
    )
