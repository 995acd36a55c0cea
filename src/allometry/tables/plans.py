"""A plan that was kept before the runs it speaks of were declared."""

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["CommittedPlan"]


class CommittedPlan(NamedTuple):
    """What was expected of some runs, and when that was written.

    Attributes:
        stage: its name.
        made_at: when it was first written to the store (UTC, ISO 8601).
        runs: run_ids of the runs planned.
        predicted: what was expected of them, as the study wrote it.
        trained_at: when each of these runs was finished, by run_id; of a run that is not
            stored there is none.
    """

    stage: str
    made_at: str
    runs: tuple[str, ...]
    predicted: Mapping[str, Any]
    trained_at: Mapping[str, str] = {}
