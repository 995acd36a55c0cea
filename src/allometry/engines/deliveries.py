"""Deliveries of workers: results as JSON and safetensors, with a SHA-256.

A delivery is ``SHA-256 (64 hex digits) | length of the header (8 bytes, little endian)
| header (JSON) | the runs' safetensors one after another``. The hash is over everything
after it. The header names the order it answers by the order's SHA-256.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from allometry.engines import Failure, sorted_out
from allometry.errors import DataError, UsageError
from allometry.files.strict_json import read_json
from allometry.spec import Experiment, run_ids
from allometry.store.record import decode_arrays, decode_row, encode_arrays, encode_row
from allometry.training.procedure import Pack
from allometry.training.result import Cell, RunFailure, RunResult, Status

__all__ = ["Delivery", "fail", "read_delivery", "write_delivery"]

SCHEMA = "allometry/delivery/2"
HASH, LENGTH = 64, 8
MOST_OF_A_RUN = 10**9  # bytes of a run's row or of its arrays: SQLite's SQLITE_MAX_LENGTH
# Cells of NaN and infinities as the store writes them (`encode_row`).
NOT_FINITE = [
    json.loads(encode_row({"x": value}))["x"] for value in (math.nan, math.inf, -math.inf)
]


class _Strict(BaseModel):
    """A part of a header with exactly these fields and types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Run(_Strict):
    run_id: str
    status: Status
    row: str = Field(max_length=MOST_OF_A_RUN)
    seconds: float = Field(ge=0, allow_inf_nan=False)
    bytes: int = Field(ge=0, le=MOST_OF_A_RUN)


class _Why(_Strict):
    reason: str
    log: str


class _Failed(_Why):
    run_id: str


class _Header(_Strict):
    schema_name: str = Field(alias="schema")
    order: str


class _Whole(_Header):
    """The header for a pack that failed as a whole."""

    failure: _Why


class _Made(_Header):
    # Only plain values, as from `provenance.collect`; the coordinator adds the parts of the code.
    provenance: dict[str, bool | int | float | str | None]
    runs: list[_Run]
    failed: list[_Failed]

    @field_validator("provenance")
    @classmethod
    def _no_code(cls, given: dict[str, Any]) -> dict[str, Any]:
        if "code" in given:
            raise ValueError("only the coordinator may set the code")
        return given


@dataclass(frozen=True)
class Delivery:
    """The content of a delivery.

    Attributes:
        results: results of the runs, in the order of the pack.
        provenance: software and hardware of the worker, as JSON data.
        failures: failures of the runs without a result, or of the pack as a whole.
    """

    results: tuple[RunResult, ...]
    provenance: Mapping[str, object]
    failures: tuple[Failure, ...] = ()


def write_delivery(
    order: bytes, made: Sequence[RunResult | RunFailure], provenance: Mapping[str, object]
) -> bytes:
    """The delivery for an order; a result that cannot be stored becomes a failure of its run."""
    results, failures = sorted_out(made, [one.spec for one in made])
    blobs = [encode_arrays(result.trajectories) or b"" for result in results]
    names = run_ids([result.spec for result in results])
    runs = [
        {
            "run_id": name,
            "status": result.status,
            "row": encode_row(result.row),
            "seconds": float(result.seconds),
            "bytes": len(blob),
        }
        for name, result, blob in zip(names, results, blobs, strict=True)
    ]
    failed = [
        {"run_id": failure.run_ids[0], "reason": failure.reason, "log": failure.log}
        for failure in failures
    ]
    head = {"provenance": dict(provenance), "runs": runs, "failed": failed}
    return _sealed(order, head, b"".join(blobs))


def fail(order: bytes, reason: str, log: str) -> bytes:
    """The delivery for an order whose pack failed as a whole."""
    return _sealed(order, {"failure": {"reason": reason, "log": log}}, b"")


def _sealed(order: bytes, document: Mapping[str, object], blobs: bytes) -> bytes:
    header = {"schema": SCHEMA, "order": hashlib.sha256(order).hexdigest(), **document}
    head = json.dumps(header, allow_nan=False).encode()
    body = len(head).to_bytes(LENGTH, "little") + head + blobs
    return hashlib.sha256(body).hexdigest().encode() + body


def read_delivery(data: bytes, order: bytes, pack: Pack) -> Delivery:
    """Read a delivery and check every part of it against the order.

    Content under a valid hash is checked too, so that neither the commit nor a later read fails
    on it.

    Raises:
        DataError: it is damaged, answers another order, or has content that no worker writes.
    """
    if not isinstance(data, bytes):  # a user's executor may return anything
        raise DataError(f"a delivery is bytes, got {type(data).__name__}")
    seal, body = data[:HASH], data[HASH:]
    if hashlib.sha256(body).hexdigest().encode() != seal:
        raise DataError("a delivery does not match its SHA-256")
    try:
        head, blobs = _parts(body)
        if head.get("schema") != SCHEMA or head.get("order") != hashlib.sha256(order).hexdigest():
            raise DataError("it answers another order")
        if "failure" in head:
            why = _Whole.model_validate(head).failure
            return Delivery((), {}, (Failure(tuple(run_ids(pack.specs)), why.reason, why.log),))
        made = _Made.model_validate(head)
        failures = tuple(Failure((one.run_id,), one.reason, one.log) for one in made.failed)
        specs = _specs_with_results(made.runs, failures, pack)
        return Delivery(_results(made.runs, blobs, specs), made.provenance, failures)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, wrong["loc"]))
        raise DataError(
            f"a delivery is not as a worker writes it: {place}: {wrong['msg']}"
        ) from error
    except (DataError, UsageError) as error:
        raise DataError(f"a delivery is not as a worker writes it: {error}") from error


def _parts(body: bytes) -> tuple[dict[str, Any], memoryview]:
    """The header of a delivery, and the bytes after it."""
    end = LENGTH + int.from_bytes(body[:LENGTH], "little")
    if not LENGTH < end <= len(body):
        raise DataError("its header would be longer than the delivery")
    head = read_json(body[LENGTH:end])
    if not isinstance(head, dict):
        raise DataError(f"its header is not a JSON object but {type(head).__name__}")
    return head, memoryview(body)[end:]


def _specs_with_results(
    runs: Sequence[_Run], failures: Sequence[Failure], pack: Pack
) -> list[Experiment]:
    """The specs of the pack that have a result; each other spec must have a failure."""
    names = run_ids(pack.specs)
    failed = {failure.run_ids[0] for failure in failures}
    left = [name for name in names if name not in failed]
    if [run.run_id for run in runs] != left or len(left) + len(failures) != len(names):
        raise DataError("its runs are not the ordered ones")
    return [spec for spec, name in zip(pack.specs, names, strict=True) if name not in failed]


def _results(
    runs: Sequence[_Run], blobs: memoryview, specs: Sequence[Experiment]
) -> tuple[RunResult, ...]:
    if sum(run.bytes for run in runs) != len(blobs):
        raise DataError("its arrays have another length than its header says")
    results, first = [], 0
    for run, spec in zip(runs, specs, strict=True):
        arrays = _arrays(bytes(blobs[first : first + run.bytes])) if run.bytes else {}
        seconds = run.seconds + 0.0  # SQLite keeps no negative zero
        results.append(RunResult(spec, run.status, _row(run.row), seconds, arrays))
        first += run.bytes
    return tuple(results)


def _row(text: str) -> dict[str, Cell]:
    """The cells of a row, checked to be storable."""
    cells = read_json(text)
    if not isinstance(cells, dict):
        raise DataError(f"a row is not a JSON object but {type(cells).__name__}")
    for name, cell in cells.items():
        if not isinstance(cell, bool | int | float | str | None) and cell not in NOT_FINITE:
            raise DataError(f"column {name[:60]!a} holds {type(cell).__name__}")
    row = decode_row(text)
    encode_row(row)
    return row


def _arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a run, checked to be encoded exactly as the store encodes them."""
    try:
        arrays = decode_arrays(data)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        # Raised by safetensors for types or shapes that NumPy lacks.
        raise DataError(f"trajectories are not readable: {error!r}") from error
    if encode_arrays(arrays) != data:
        raise DataError("trajectories are not as the store writes them")
    for name, array in arrays.items():
        if array.dtype == bool and array.view("uint8").max(initial=0) > 1:
            raise DataError(f"trajectory {name[:60]!a} has truth values that are neither 0 nor 1")
    return arrays
