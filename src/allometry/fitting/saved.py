"""From a fit document to the fields of a fit; documents with other keys or types are refused."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from allometry import laws
from allometry.errors import DataError
from allometry.fitting.certificate import Certificate, Status, StatusCode
from allometry.fitting.intervals import Estimate, IntervalMethod, MethodName, Verdict
from allometry.fitting.mapping import law_of_columns
from allometry.fitting.objectives import FittedObjective
from allometry.fitting.options import ObjectiveName
from allometry.fitting.problem import Problem
from allometry.fitting.rows import Rows
from allometry.laws import Array, Law

__all__ = ["saved_fields"]

Number = float | None  # None stands for a number that is not finite


class _Part(BaseModel):
    """A part of a document, with exactly these types."""

    model_config = ConfigDict(strict=True, frozen=True)


class _Estimate(_Part):
    value: Number
    low: Number
    high: Number
    verdict: Verdict


class _Dropped(_Part):
    row: int
    rule: str


class _Objective(_Part):
    name: ObjectiveName
    delta: float | None
    value: Number
    reason: str = ""


class _Status(_Part):
    code: StatusCode
    advice: str


class _Certificate(_Part):
    starts: int
    converged: Number
    best_basin_share: Number
    runner_up_value: Number
    gradient_norm: Number
    polished: bool
    active_bounds: tuple[str, ...]
    runner_up: dict[str, Number]
    one_basin: bool


class _Interval(_Part):
    method: MethodName
    level: float
    resamples: int
    converged: Number
    cluster: tuple[str, ...]
    redrawn: int
    groups: tuple[int, ...] = ()


class _Document(_Part):
    law: str
    columns: dict[str, str]
    rows: int
    dropped: list[_Dropped]
    objective: _Objective
    parameters: dict[str, _Estimate]
    derived: dict[str, _Estimate]
    status: _Status
    certificate: _Certificate
    interval: _Interval
    variance: dict[str, Number]
    notes: tuple[str, ...]
    data_hash: str
    seconds: dict[str, Number]
    data: dict[str, list[float]]
    endings: list[Number]
    draws: dict[str, list[Number]]


def saved_fields(document: Mapping[str, Any], law: Law | None) -> dict[str, Any]:
    """The fields of the fit in a document, by name.

    Args:
        law: the fitted law; None for a shipped law, which the document names.

    Raises:
        DataError: a missing key, a value of the wrong type, or data that do not match the
            `data_hash`. UsageError: no law of that name.
    """
    try:
        d = _Document.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors()[0]
        place, received = ".".join(map(str, first["loc"])), repr(first["input"])
        raise DataError(
            f"the fit document is incomplete or damaged at {place[:80]}: {first['msg']}, got "
            f"{received[:60]}"
        ) from None
    try:
        return _fields(d, law or law_of_columns(laws.named(d.law), d.columns))
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"the fit document is incomplete or damaged at {error}") from error


def _fields(d: _Document, law: Law) -> dict[str, Any]:
    parameters = _estimates(d.parameters)
    data = {symbol: np.array(values, float) for symbol, values in d.data.items()}
    draws = {name: _numbers(values) for name, values in d.draws.items()}
    dropped = [(item.row, item.rule) for item in d.dropped]
    objective = FittedObjective(
        d.objective.name, d.objective.delta, _number(d.objective.value), d.objective.reason
    )
    problem = _problem(law, objective, parameters, data, dropped, d.notes, d.data_hash)
    if len(problem.rows.y) != d.rows:
        raise ValueError(f"rows: {d.rows}, but the data have {len(problem.rows.y)} rows")
    if len({len(values) for values in draws.values()}) > 1:
        raise ValueError("draws: the parameters have different numbers of draws")
    if draws and (missing := [name for name in law.names if name not in draws]):
        raise ValueError(f"draws: no draws of {missing[0]}")
    if not 0 < d.interval.level < 1:
        raise ValueError(f"interval.level: {d.interval.level}, which is not between 0 and 1")
    certificate = d.certificate.model_dump()
    for name in ("converged", "best_basin_share", "gradient_norm"):
        certificate[name] = _number(certificate[name])
    certificate["runner_up"] = _all_numbers(d.certificate.runner_up)
    interval = {**d.interval.model_dump(), "converged": _number(d.interval.converged)}
    return {
        "law": law,
        "columns": d.columns,
        "parameters": parameters,
        "derived": _estimates(d.derived),
        "objective": objective,
        "rows": d.rows,
        "dropped": dropped,
        "status": Status(d.status.code, d.status.advice),
        "certificate": Certificate(**certificate),
        "interval": IntervalMethod(**interval),
        "data_hash": d.data_hash,
        "draws": draws,
        "data": data,
        "problem": problem,
        "endings": _numbers(d.endings),
        "notes": d.notes,
        "variance": _all_numbers(d.variance),
        "seconds": _all_numbers(d.seconds),
    }


def _problem(
    law: Law,
    objective: FittedObjective,
    parameters: Mapping[str, Estimate],
    data: Mapping[str, Array],
    dropped: list[tuple[int, str]],
    notes: tuple[str, ...],
    data_hash: str,
) -> Problem:
    """The problem that a saved fit solved, from the data in its document."""
    y = data[law.response]
    if any(len(v) != len(y) for v in data.values()):
        raise ValueError(f"data: every column must have {len(y)} rows")
    places = np.setdiff1d(np.arange(len(y) + len(dropped)), [row - 1 for row, _ in dropped])
    rows = Rows(
        sizes={s: data[s] for s in law.sizes},
        y=y,
        weights=data.get("weight", np.ones(len(y))),
        kept=places,
        dropped=dropped,
        notes=notes,
    )
    fixed = {
        name: parameters[name].value for name in law.names if parameters[name].verdict == "fixed"
    }
    if rows.digest() != data_hash:
        raise ValueError("data: their SHA-256 is not the document's data_hash")
    return Problem(law, objective.objective(), rows, fixed)


def _estimates(part: Mapping[str, _Estimate]) -> dict[str, Estimate]:
    return {
        name: Estimate(_number(e.value), _number(e.low), _number(e.high), e.verdict)
        for name, e in part.items()
    }


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _numbers(values: list[Number]) -> Array:
    return np.array([_number(value) for value in values])


def _all_numbers(values: Mapping[str, Number]) -> dict[str, float]:
    return {name: _number(value) for name, value in values.items()}
