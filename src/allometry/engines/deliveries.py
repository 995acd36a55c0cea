"""What a worker sends back: results as JSON and safetensors under a SHA-256.

A delivery is ``SHA-256 (64 hex digits) | length of the header (8 bytes, little endian)
| header (JSON) | the runs' safetensors one after another``; the hash is over all
that follows it. The header names the order it answers, by the order's SHA-256.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from allometry.engines import Failure
from allometry.errors import DataError
from allometry.spec import run_ids
from allometry.store.record import (
    RESERVED,
    decode_arrays,
    decode_row,
    encode_arrays,
    encode_row,
)
from allometry.training.procedure import Pack
from allometry.training.result import Cell, RunResult, Status

__all__ = ["Delivery", "fail", "read_delivery", "write_delivery"]

SCHEMA = "allometry/delivery/1"
STATUSES = get_args(Status)
HASH, LENGTH = 64, 8


@dataclass(frozen=True)
class Delivery:
    """One pack that came back.

    Attributes:
        results: of its runs, in the order of the pack; empty if it failed.
        provenance: of the worker, as JSON data.
        failure: why there are no results; None for a pack that was trained.
    """

    results: tuple[RunResult, ...]
    provenance: Mapping[str, object]
    failure: Failure | None = None


def write_delivery(
    order: bytes, results: Sequence[RunResult], provenance: Mapping[str, object]
) -> bytes:
    """The delivery of the results of an order.

    Raises:
        UsageError: naming a column or array that cannot be kept.
    """
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
    return _sealed(order, {"provenance": dict(provenance), "runs": runs}, b"".join(blobs))


def fail(order: bytes, reason: str, log: str) -> bytes:
    """The delivery that says why the pack of an order failed."""
    return _sealed(order, {"failure": {"reason": reason, "log": log}}, b"")


def _sealed(order: bytes, document: Mapping[str, object], blobs: bytes) -> bytes:
    header = {"schema": SCHEMA, "order": hashlib.sha256(order).hexdigest(), **document}
    head = json.dumps(header, allow_nan=False).encode()
    body = len(head).to_bytes(LENGTH, "little") + head + blobs
    return hashlib.sha256(body).hexdigest().encode() + body


def read_delivery(data: bytes, order: bytes, pack: Pack) -> Delivery:
    """Read a delivery and check every part of it against the order.

    Raises:
        DataError: when it is damaged, answers another order, or holds other runs.
    """
    seal, body = data[:HASH], data[HASH:]
    if hashlib.sha256(body).hexdigest().encode() != seal:
        raise DataError("a delivery does not match its SHA-256")
    length = int.from_bytes(body[:LENGTH], "little")
    try:
        head = json.loads(body[LENGTH : LENGTH + length])
        if head["schema"] != SCHEMA or head["order"] != hashlib.sha256(order).hexdigest():
            raise DataError("a delivery answers another order")
        if "failure" in head:
            names = tuple(run_ids(pack.specs))
            failure = head["failure"]
            reason, log = str(failure["reason"]), str(failure["log"])
            return Delivery((), {}, Failure(names, reason, log))
        results = _results(head["runs"], memoryview(body)[LENGTH + length :], pack)
        return Delivery(results, dict(head["provenance"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"a delivery is not as a worker writes it: {error!r}") from error


def _results(
    runs: Sequence[Mapping[str, Any]], blobs: memoryview, pack: Pack
) -> tuple[RunResult, ...]:
    if [run["run_id"] for run in runs] != run_ids(pack.specs):
        raise DataError("a delivery holds other runs than were ordered")
    if sum(run["bytes"] for run in runs) != len(blobs):
        raise DataError("a delivery's arrays are cut short")
    results, first = [], 0
    for run, spec in zip(runs, pack.specs, strict=True):
        seconds, size = run["seconds"], run["bytes"]
        if run["status"] not in STATUSES or not math.isfinite(seconds) or size < 0:
            raise DataError(f"a delivery has a run of status {run['status']!r}, {seconds!r} s")
        arrays = decode_arrays(bytes(blobs[first : first + size]) if size else None)
        row = _row(run["row"])
        results.append(RunResult(spec, run["status"], row, float(seconds), arrays))
        first += size
    return tuple(results)


def _row(text: str) -> dict[str, Cell]:
    """The cells of a row. Any that the store would refuse are refused here, before the commit."""
    row = decode_row(text)
    for name, value in row.items():
        if name in RESERVED or not isinstance(value, bool | int | float | str | None):
            raise DataError(f"a delivery has a column {name!r} with {type(value).__name__}")
    return row
