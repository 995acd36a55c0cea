"""A plan that was stored before its runs were declared."""

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["CommittedPlan"]


class CommittedPlan(NamedTuple):
    """What was expected of some runs, and when it was written.

    Attributes:
        stage: its name.
        made_at: when it was first written to the store (UTC, ISO 8601).
        runs: run_ids of the runs planned.
        predicted: what was expected of them, as the study wrote it.
        trained_at: when each of these runs was finished, by run_id, for the runs that are stored.
    """

    stage: str
    made_at: str
    runs: tuple[str, ...]
    predicted: Mapping[str, Any]
    trained_at: Mapping[str, str] = {}
