"""Runs in the SQLite file of MLflow (``mlflow.db``).

MLflow stores infinities as the largest float, and NaN as a mark beside the number; both are read as
the original values. It stores parameters as texts; plain numbers among them are read as numbers.
"""

import math
import sys
from collections.abc import Iterator
from pathlib import Path

from allometry.tables.cells import number_in
from allometry.tables.trackers.database import Database, reading
from allometry.tables.trackers.tracked import FINISHED, Cell, Curves, TrackedRun

__all__ = ["MLFLOW_TABLES", "mlflow_runs", "parameter", "status_of"]

MLFLOW_TABLES = {
    "experiments": "experiment_id name lifecycle_stage",
    "runs": "run_uuid name status lifecycle_stage experiment_id",
    "params": "key value run_uuid",
    "metrics": "key value timestamp step is_nan run_uuid",
}

RUNS = """SELECT r.run_uuid, r.name, r.status, e.name FROM runs r
    LEFT JOIN experiments e ON e.experiment_id = r.experiment_id
    WHERE r.lifecycle_stage = 'active' ORDER BY r.start_time, r.rowid"""
METRICS = """SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ?
    ORDER BY timestamp, rowid"""


def mlflow_runs(source: Path) -> Iterator[TrackedRun]:
    """The runs that were not deleted, in the order in which they were started."""
    with reading(source, "an SQLite file of MLflow") as database:
        for run_id, name, status, experiment in list(database.rows(RUNS)):
            yield TrackedRun(
                name or run_id,
                status_of(status),
                about={"run_id": run_id, "experiment": experiment},
                config=_parameters(database, run_id),
                curves=_curves(database, run_id).curves(),
            )


def _parameters(database: Database, run_id: str) -> dict[str, Cell]:
    query = "SELECT key, value FROM params WHERE run_uuid = ? ORDER BY rowid"
    return {key: parameter(value) for key, value in database.rows(query, run_id)}


def _curves(database: Database, run_id: str) -> Curves:
    curves = Curves(database.path)
    for key, step, value, is_nan in database.rows(METRICS, run_id):
        curves.add(key, step, math.nan if is_nan else _kept(float(value)))
    return curves


def _kept(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) == sys.float_info.max else value


def parameter(text: str) -> Cell:
    """The number that a text is, None for ``None``, else the text."""
    number = number_in(text)
    return None if text == "None" else text if number is None else number


def status_of(status: str | None) -> str:
    """MLflow's word in lower case."""
    return FINISHED if status == "FINISHED" else str(status).lower()
