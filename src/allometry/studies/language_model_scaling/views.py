"""The forecasts and the measured losses, as a table."""

from collections.abc import Iterator
from typing import Any

from allometry.studies.language_model_scaling.forecast import STAGE
from allometry.tables.plans import CommittedPlan
from allometry.tables.table import Table

__all__ = ["forecast_view", "forecasts"]


def forecasts(table: Table) -> list[CommittedPlan]:
    """The stored plan of each larger run; the oldest if a run has several."""
    first: dict[str, CommittedPlan] = {}
    for plan in table.plans:
        if plan.stage == STAGE:
            for run_id in plan.runs:
                first.setdefault(run_id, plan)
    return list({id(plan): plan for plan in first.values()}.values())


def forecast_view(table: Table) -> Table:
    """One row for each larger run and each approach and law that predicted its loss."""
    return Table.from_rows(_rows(table))


def _rows(table: Table) -> Iterator[dict[str, Any]]:
    losses = dict(zip(table["run_id"].tolist(), table["test_loss"].tolist(), strict=True))
    for plan in forecasts(table):
        for run_id in plan.runs:
            for prediction in plan.predicted["predictions"]:
                yield {
                    "approach": prediction["approach"],
                    "law": prediction["law"],
                    "compute": plan.predicted["compute"],
                    "predicted": prediction["predicted"],
                    "low": prediction["low"],
                    "high": prediction["high"],
                    "measured": losses.get(run_id),
                    "made_at": plan.made_at,
                    "trained_at": plan.trained_at.get(run_id),
                }
