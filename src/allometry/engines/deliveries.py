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

from allometry.engines import Failure, sorted_out
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
from allometry.training.result import Cell, RunFailure, RunResult, Status

__all__ = ["Delivery", "fail", "read_delivery", "write_delivery"]

SCHEMA = "allometry/delivery/2"
STATUSES = get_args(Status)
HASH, LENGTH = 64, 8


@dataclass(frozen=True)
class Delivery:
    """One pack that came back.

    Attributes:
        results: of its runs, in the order of the pack.
        provenance: of the worker, as JSON data.
        failures: of the runs that have no result, or of the pack as a whole.
    """

    results: tuple[RunResult, ...]
    provenance: Mapping[str, object]
    failures: tuple[Failure, ...] = ()


def write_delivery(
    order: bytes, made: Sequence[RunResult | RunFailure], provenance: Mapping[str, object]
) -> bytes:
    """The delivery of what was made of an order; what cannot be kept is a failure, by name."""
    results, failures = sorted_out(made)
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
            return Delivery((), {}, (Failure(names, reason, log),))
        failures = tuple(
            Failure((failed["run_id"],), str(failed["reason"]), str(failed["log"]))
            for failed in head["failed"]
        )
        specs = _specs_with_results(head["runs"], failures, pack)
        results = _results(head["runs"], memoryview(body)[LENGTH + length :], specs)
        return Delivery(results, dict(head["provenance"]), failures)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"a delivery is not as a worker writes it: {error!r}") from error


def _specs_with_results(
    runs: Sequence[Mapping[str, Any]], failures: Sequence[Failure], pack: Pack
) -> list[Any]:
    """The specs of the pack that have a result; each of the others has a failure."""
    names = run_ids(pack.specs)
    failed = [failure.run_ids[0] for failure in failures]
    left = [name for name in names if name not in failed]
    if [run["run_id"] for run in runs] != left or len(left) + len(failed) != len(names):
        raise DataError("a delivery holds other runs than were ordered")
    return [spec for spec, name in zip(pack.specs, names, strict=True) if name not in failed]


def _results(
    runs: Sequence[Mapping[str, Any]], blobs: memoryview, specs: Sequence[Any]
) -> tuple[RunResult, ...]:
    if sum(run["bytes"] for run in runs) != len(blobs):
        raise DataError("a delivery's arrays are cut short")
    results, first = [], 0
    for run, spec in zip(runs, specs, strict=True):
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
