"""Progress of the runs of each study in a store."""

import math
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from allometry.errors import DataError
from allometry.store.declarations import Key
from allometry.store.record import Record

__all__ = ["StudyStatus", "counted", "statuses"]


class StudyStatus(NamedTuple):
    """Progress of the runs that one size of a study declares.

    Attributes:
        study, size: their names. variant: the changes (``--set``), empty for none.
        declared: number of declared runs, the sum of the next four. An excluded run counts as
            neither done nor diverged.
        first_finished, last_finished: ISO 8601 times (UTC), empty if no run is stored.
        seconds: time to train and measure the stored runs; each counts its share of its pack.
        reasons: reasons for exclusion, each with its number of runs.
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

    def document(self) -> dict[str, object]:
        """JSON data, as in `allometry status --json`."""
        reasons = [{"reason": reason, "runs": runs} for reason, runs in self.reasons]
        times = {name: getattr(self, name) or None for name in ("first_finished", "last_finished")}
        return {**self._asdict(), **times, "reasons": reasons}


def statuses(
    declared: Iterable[tuple[str, ...]], runs: Iterable[Record], reasons: Mapping[str, str]
) -> list[StudyStatus]:
    """One entry for each declared study, size and variant, sorted by name.

    Args:
        declared: study, size, variant and run_id of every declared run.
        runs: all stored runs.
        reasons: reasons of excluded runs, by run_id.
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


_COUNTS = """
    SELECT d.study, d.size, d.variant, count(*), total(r.status = 'done' AND e.run_id IS NULL),
        total(r.status = 'diverged' AND e.run_id IS NULL),
        total(r.run_id IS NOT NULL AND e.run_id IS NOT NULL),
        min(r.finished_at), max(r.finished_at), total(r.seconds)
    FROM declared d LEFT JOIN runs r ON r.run_id = d.run_id
        LEFT JOIN excluded e ON e.run_id = d.run_id
    GROUP BY 1, 2, 3"""
_REASONS = """
    SELECT d.study, d.size, d.variant, e.reason, count(*) FROM declared d
        JOIN runs r ON r.run_id = d.run_id JOIN excluded e ON e.run_id = d.run_id
    GROUP BY 1, 2, 3, 4 ORDER BY 4"""


def counted(connection: sqlite3.Connection, path: Path) -> list[StudyStatus]:
    """The result of `statuses`, counted by SQLite: twelve times as fast, without hash checks.

    Args:
        path: the store, for the message.

    Raises:
        DataError: names or times are not as allometry writes them.
    """
    rows = connection.execute(_COUNTS).fetchall()
    reasons = connection.execute(_REASONS).fetchall() if any(row[6] for row in rows) else []
    texts = [text for *key, _, _ in reasons for text in key]
    texts += [text for row in rows for text in (*row[:3], *(time or "" for time in row[7:9]))]
    times = [time for row in rows for time in row[7:9] if time]
    if not all(isinstance(text, str) for text in texts) or not all(map(_is_time, times)):
        raise DataError(
            f"store {path} is damaged: its names or times are not as allometry writes them; "
            f"`allometry verify --store {path}` lists all damage"
        )
    reasons_by_key: dict[Key, list[tuple[str, int]]] = defaultdict(list)
    for *key, reason, runs in reasons:
        reasons_by_key[key[0], key[1], key[2]].append((str(reason), runs))
    return [_entry(row, reasons_by_key[row[:3]]) for row in sorted(rows)]


def _entry(row: tuple[Any, ...], reasons: Sequence[tuple[str, int]]) -> StudyStatus:
    declared, done, diverged, excluded = map(int, row[3:7])
    pending = declared - done - diverged - excluded
    first, last = (time or "" for time in row[7:9])
    counts = (declared, done, diverged, excluded, pending)
    return StudyStatus._make((*row[:3], *counts, first, last, row[9], tuple(reasons)))


def _is_time(text: str) -> bool:
    try:
        return bool(datetime.fromisoformat(text))
    except ValueError:
        return False
