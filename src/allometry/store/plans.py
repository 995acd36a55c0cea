"""Plans in a store: predictions about runs, written before the runs are declared."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from allometry.errors import DataError, UsageError
from allometry.files.strict_json import read_json
from allometry.store.declarations import Key, matches_its_hash
from allometry.store.record import canonical, digest
from allometry.tables.plans import CommittedPlan

__all__ = ["INSERT", "PLANS", "committed", "damage", "insert"]

PLANS = "id, study, size, variant, stage, document, made_at, sha256"
INSERT = f"INSERT OR IGNORE INTO plans ({PLANS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

Row = tuple[Any, ...]  # of table ``plans``


def insert(
    connection: sqlite3.Connection,
    key: Key,
    stage: str,
    runs: Sequence[str],
    predicted: Mapping[str, object],
    made_at: str,
) -> bool:
    """Store a plan; call inside a transaction. A plan that is already stored keeps its time.

    Args:
        runs: run_ids of the planned runs.
        predicted: predictions about them, as JSON data.

    Returns:
        whether the plan is new.

    Raises:
        UsageError: `predicted` is no JSON data.
    """
    try:
        document = canonical({"predicted": predicted, "runs": list(runs)})
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"stage {stage!r}: predicted= takes JSON data, finite numbers, texts, lists and "
            f"dictionaries, got something else: {error}"
        ) from error
    named = (*key, stage, document)
    row = (digest(*named), *named, made_at)
    return connection.execute(INSERT, (*row, digest(*row))).rowcount == 1


def damage(row: Row) -> str | None:
    """The damage of a row of table ``plans`` in words; None if it is intact."""
    return None if matches_its_hash(row) else "the plan of a stage is damaged"


def committed(rows: Iterable[Row], key: Key) -> list[CommittedPlan]:
    """The plans of a key, the oldest first.

    Raises:
        DataError: a plan is not as allometry writes it; other programs may have written the store.
    """
    plans = [_plan(*row[4:7]) for row in rows if row[1:4] == key]
    return sorted(plans, key=lambda plan: plan.made_at)


def _plan(stage: str, document: str, made_at: str) -> CommittedPlan:
    match read_json(document):
        case {"predicted": dict(predicted), "runs": list(runs)} if all(
            isinstance(run, str) for run in runs
        ):
            return CommittedPlan(stage, made_at, tuple(runs), predicted)
    raise DataError(f"the plan of stage {stage[:40]!r} is not as allometry writes it")
