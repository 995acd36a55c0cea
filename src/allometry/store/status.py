"""How far the runs of each study in a store are."""

import sqlite3
from collections import defaultdict
from typing import NamedTuple

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


_JOINED = (
    "FROM declared d LEFT JOIN runs r ON r.run_id = d.run_id "
    "LEFT JOIN excluded x ON x.run_id = r.run_id"
)


_REASONS = (
    f"SELECT d.study, d.size, d.variant, x.reason, count(*) {_JOINED} "
    "WHERE x.run_id IS NOT NULL GROUP BY d.study, d.size, d.variant, x.reason"
)
_COUNTS = (
    "SELECT d.study, d.size, d.variant, count(*), "
    "count(x.run_id IS NULL AND r.status = 'done' OR NULL), "
    "count(x.run_id IS NULL AND r.status = 'diverged' OR NULL), count(x.run_id), "
    "coalesce(min(r.finished_at), ''), coalesce(max(r.finished_at), ''), total(r.seconds) "
    f"{_JOINED} GROUP BY d.study, d.size, d.variant"
)


def statuses(connection: sqlite3.Connection) -> list[StudyStatus]:
    """One entry for each size of each study that was declared, by name."""
    reasons = defaultdict(list)
    for *key, reason, runs in connection.execute(_REASONS):
        reasons[tuple(key)].append((reason, runs))
    return [
        StudyStatus(
            *(study, size, variant, declared, done, diverged, excluded),
            pending=declared - done - diverged - excluded,
            first_finished=first,
            last_finished=last,
            seconds=seconds,
            reasons=tuple(reasons[study, size, variant]),
        )
        for study, size, variant, declared, done, diverged, excluded, first, last, seconds in (
            connection.execute(_COUNTS)
        )
    ]
