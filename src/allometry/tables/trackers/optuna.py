"""Trials in an SQLite storage of Optuna: a row is a trial, its parameters the configuration.

The value of the objective is ``value``, or ``value_0`` and so on where there are several, or the
names that the study gave them. Values reported along a trial are ``intermediate``.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from allometry.errors import DataError
from allometry.files.strict_json import read_json
from allometry.tables.trackers.database import Database, reading
from allometry.tables.trackers.tracked import FINISHED, Curves, TrackedRun

__all__ = ["OPTUNA_TABLES", "optuna_runs"]

OPTUNA_TABLES = {
    "studies": "study_id study_name",
    "study_system_attributes": "study_id key value_json",
    "trials": "trial_id number study_id state",
    "trial_params": "trial_id param_name param_value distribution_json",
    "trial_user_attributes": "trial_id key value_json",
    "trial_values": "trial_id objective value value_type",
    "trial_intermediate_values": "trial_id step intermediate_value intermediate_value_type",
}
TRIALS = """SELECT t.trial_id, t.number, t.state, s.study_name, a.value_json FROM trials t
    JOIN studies s ON s.study_id = t.study_id
    LEFT JOIN study_system_attributes a
        ON a.study_id = t.study_id AND a.key = 'study:metric_names'
    ORDER BY t.study_id, t.number"""
KINDS = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}


def optuna_runs(source: Path) -> Iterator[TrackedRun]:
    """The trials of every study, by number."""
    with reading(source, "an SQLite storage of Optuna 3 or later") as database:
        for trial, number, state, study, names in list(database.rows(TRIALS)):
            curves = Curves(source)
            query = (
                "SELECT step, intermediate_value, intermediate_value_type "
                "FROM trial_intermediate_values WHERE trial_id = ? ORDER BY step"
            )
            for step, value, kind in database.rows(query, trial):
                curves.add("intermediate", step, _number(value, kind))
            yield TrackedRun(
                f"trial {number}",
                FINISHED if state == "COMPLETE" else state.lower(),
                about={"experiment": study, "trial": number},
                config=_parameters(database, trial) | _attributes(database, trial),
                curves=curves.curves(),
                summary=_values(database, trial, _json(database.path, names) if names else None),
            )


def _values(database: Database, trial: int, names: list[str] | None) -> dict[str, float]:
    query = (
        "SELECT objective, value, value_type FROM trial_values WHERE trial_id = ? "
        "ORDER BY objective"
    )
    rows = [(place, _number(value, kind)) for place, value, kind in database.rows(query, trial)]
    if names is None:
        named = "value" if len(rows) == 1 else "value_{}"
        return {named.format(place): value for place, value in rows}
    if not isinstance(names, list) or len(names) < len(rows):
        raise DataError(f"{database.path}: {len(rows)} names of metrics expected, got {names!r}")
    return {str(names[place]): value for place, value in rows}


def _number(value: float | None, kind: str) -> float:
    return KINDS.get(kind, math.nan if value is None else float(value))


def _parameters(database: Database, trial: int) -> dict[str, Any]:
    query = (
        "SELECT param_name, param_value, distribution_json FROM trial_params "
        "WHERE trial_id = ? ORDER BY param_id"
    )
    return {
        name: _parameter(database.path, name, value, _json(database.path, distribution))
        for name, value, distribution in database.rows(query, trial)
    }


def _parameter(path: Path, name: str, value: float, distribution: Any) -> Any:
    """The value of a parameter; a categorical one is stored as its index in the choices."""
    try:
        kind, attributes = distribution["name"], distribution["attributes"]
        if kind == "CategoricalDistribution":
            return attributes["choices"][int(value)]
        is_whole = kind in (
            "IntDistribution",
            "IntUniformDistribution",
            "IntLogUniformDistribution",
        )
        return int(value) if is_whole else float(value)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        raise DataError(
            f"{path}: parameter {name[:60]!r}: a value of a distribution of Optuna was expected, "
            f"got {value!r} of {str(distribution)[:100]}"
        ) from None


def _attributes(database: Database, trial: int) -> dict[str, Any]:
    query = "SELECT key, value_json FROM trial_user_attributes WHERE trial_id = ?"
    attributes = {key: _json(database.path, text) for key, text in database.rows(query, trial)}
    return {"user_attrs": attributes} if attributes else {}


def _json(path: Path, text: str | bytes) -> Any:
    try:
        return read_json(text, any_number=True)
    except DataError as error:
        raise DataError(f"{path}: JSON was expected in a cell: {error}") from None
