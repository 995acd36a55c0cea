"""The stored form of a run: strict JSON, safetensors bytes and a SHA-256 over everything."""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii as _ascii
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from allometry.errors import DataError, Rule, UsageError, check_fields
from allometry.files.strict_json import LARGEST, SMALLEST
from allometry.training.result import ARRAY_DTYPES, RESERVED, Cell, RunResult, Status

__all__ = [
    "RESERVED", "STATUSES", "Record", "canonical", "check_storable", "damage", "decode_arrays",
    "decode_row", "decoded", "digest", "encode_arrays", "encode_row", "parsed", "records",
]  # fmt: skip

STATUSES = get_args(Status)
LONGEST = 1e15  # largest number of seconds stored
_CELLS = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # a surrogate: half of a character beyond 16 bits
_DECODER = json.JSONDecoder()
_SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


class Record(NamedTuple):
    """The columns of table ``runs``, in order.

    Attributes:
        provenance: SHA-256 of the provenance document.
        arrays_sha256: SHA-256 of `trajectories`, empty if the run has none. It allows a row
            to be checked without reading its arrays.
        sha256: hash of all other fields except `trajectories` (`digest`).
        trajectories: safetensors bytes; None if the run has none.
    """

    run_id: str
    spec: str
    status: str
    row: str
    seconds: float
    provenance: str
    finished_at: str
    arrays_sha256: str
    sha256: str
    trajectories: bytes | None


def records(results: Sequence[RunResult], provenance: str, finished_at: str) -> list[Record]:
    """The records of finished runs.

    Raises:
        UsageError: a value cannot be stored; the message names the column or array.
    """
    from allometry.spec import run_ids, texts

    specs = [result.spec for result in results]
    named = zip(results, run_ids(specs), texts(specs), strict=True)
    return [_record(*one, provenance, finished_at) for one in named]


def _are_seconds(value: Any) -> bool:
    is_number = isinstance(value, int | float | np.integer | np.floating)
    return is_number and bool(abs(value) <= LONGEST)


RULES = {
    "status": Rule(
        lambda status: isinstance(status, str) and status in STATUSES,
        " or ".join(map(repr, STATUSES)),
    ),
    "row": Rule(lambda row: isinstance(row, Mapping), "{'loss': 1.5}, columns by name,"),
    "seconds": Rule(_are_seconds, "a finite number"),
    "trajectories": Rule(
        lambda arrays: isinstance(arrays, Mapping) and all(isinstance(n, str) for n in arrays),
        "{'loss': array}, arrays by name,",
    ),
}


def check_storable(result: RunResult) -> None:
    """Refuse a result that cannot be stored.

    Raises:
        UsageError: names the field, column or array.
    """
    check_fields("a RunResult", result, RULES)
    encode_row(result.row)
    _dense(result.trajectories)


def _record(result: RunResult, run_id: str, spec: str, provenance: str, finished_at: str) -> Record:
    check_fields("a RunResult", result, RULES)
    arrays = encode_arrays(result.trajectories)
    fields = (
        run_id,
        spec,
        result.status,
        encode_row(result.row),
        float(result.seconds) + 0.0,  # SQLite keeps no negative zero
        provenance,
        finished_at,
        "" if arrays is None else hashlib.sha256(arrays).hexdigest(),
    )
    return Record(*fields, digest(*fields), arrays)


def digest(*fields: str | float) -> str:
    """SHA-256 (hex) of the fields as a JSON array in ASCII, so that other programs can check it."""
    # Equal to json.dumps with separators (",", ":"), several times faster.
    parts = [_ascii(f) if isinstance(f, str) else repr(f) for f in fields]
    return hashlib.sha256(f"[{','.join(parts)}]".encode("ascii")).hexdigest()


def damage(stored: Record, *, arrays: bool = True) -> str | None:
    """The damage of a stored run in words; None if it matches its hashes.

    Args:
        stored: values as SQLite returned them, of any type.
        arrays: whether to check the bytes of the trajectories too.
    """
    texts = (*stored[:4], *stored[5:9])
    if {*map(type, texts)} != {str} or type(stored.seconds) is not float:
        return "a field no longer has its type"
    if digest(*stored[:8]) != stored.sha256:
        return "its content no longer matches its SHA-256"
    if arrays:
        blob = stored.trajectories
        if not isinstance(blob, bytes | None):
            return "its trajectories are no longer bytes"
        if (hashlib.sha256(blob).hexdigest() if blob is not None else "") != stored.arrays_sha256:
            return "its trajectories no longer match their SHA-256"
    return None


def decoded(stored: Record) -> tuple[int, dict[str, Cell]]:
    """Seed and cells of a record that matches its hashes.

    Anyone can compute a hash, so a store from elsewhere may have any content under a valid one.

    Raises:
        DataError: names the value that is not as allometry writes it.
    """
    if stored.status not in STATUSES:
        raise DataError(f"its status is {stored.status[:40]!r}")
    try:
        seed, row = parsed(stored.spec)["seed"], decode_row(stored.row)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"its content is not as allometry writes it ({_brief(error)})") from error
    if type(seed) is not int or not SMALLEST <= seed <= LARGEST:
        raise DataError("its seed is not an integer of 64 bits")
    for name, value in row.items():
        if name in RESERVED or not _is_cell(value):
            raise DataError(f"its column {name[:40]!r} is not as allometry writes it")
    return seed, row


def _is_cell(value: object) -> bool:
    if isinstance(value, int):
        return SMALLEST <= value <= LARGEST
    return isinstance(value, float | str | None)


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:100]


def canonical(document: Mapping[str, object]) -> str:
    """Strict JSON with sorted keys: equal documents have equal text."""
    return _SORTED(document)


def encode_row(row: Mapping[str, Cell]) -> str:
    """Strict JSON with columns in their order; a non-finite float becomes ``{"float": "nan"}``.

    Raises:
        UsageError: a column's name is reserved, or its value is neither a number nor a string.
    """
    taken = [name for name in RESERVED if name in row]
    if taken:
        raise UsageError(
            f"a measure gave column {taken[0]!r}, which every table already has; rename it"
        )
    text = _CELLS({name: _encode_cell(name, value) for name, value in row.items()})
    if _HALF.search(text):
        _refuse_halves(row)
    return text


def _refuse_halves(row: Mapping[str, Cell]) -> None:
    """Refuse lone surrogates, which UTF-8 cannot encode."""
    for name, value in row.items():
        for text in (name, value):
            if isinstance(text, str) and text != text.encode("utf-8", "replace").decode():
                raise UsageError(f"column {name!a}: text in Unicode expected, got {text[:40]!a}")


def _encode_cell(name: str, value: object) -> object:
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if not isinstance(name, str) or not isinstance(value, bool | int | float | str | None):
        raise UsageError(
            f"column {name!r}: a number or a string expected, got {type(value).__name__}; "
            "arrays belong to a trajectory"
        )
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if isinstance(value, int) and not SMALLEST <= value <= LARGEST:
        raise UsageError(
            f"column {name!r}: an integer from -2**63 to 2**64-1 expected, since others cannot be "
            f"stored exactly, got one of {value.bit_length()} bits; give a float or a string"
        )
    return value


def parsed(text: str) -> Any:
    """Parse JSON whose hash has been checked, so that text around the document is impossible."""
    return _DECODER.raw_decode(text)[0]


def decode_row(text: str) -> dict[str, Cell]:
    """The inverse of `encode_row`."""
    row: dict[str, Any] = parsed(text)
    if type(row) is not dict:
        raise TypeError(f"a row that is a {type(row).__name__}")
    if '{"float":' in text:
        row = {n: float(v["float"]) if isinstance(v, dict) else v for n, v in row.items()}
    return row


def encode_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes | None:
    """Safetensors bytes; None without arrays.

    Raises:
        UsageError: safetensors cannot store an array exactly; the message names it.
    """
    if not arrays:
        return None
    dense = _dense(arrays)
    try:
        return bytes(save(dense))
    except (SafetensorError, UnicodeEncodeError) as error:
        raise UsageError(f"trajectories {', '.join(map(repr, dense))}: {error}") from error


def _dense(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    # safetensors reads a contiguous block from the array's address and ignores its
    # strides, so a transposed view would be written as wrong numbers.
    dense = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in dense.items():
        if array.dtype.name not in ARRAY_DTYPES:
            raise UsageError(
                f"trajectory {name!r}: numbers of {', '.join(sorted(ARRAY_DTYPES))} expected, got "
                f"{array.dtype}; convert it in the measure"
            )
    return dense


def decode_arrays(data: bytes | None) -> dict[str, NDArray[Any]]:
    """The inverse of `encode_arrays`.

    Raises:
        DataError: the bytes are not safetensors, or have a type that NumPy lacks.
    """
    if data is None:
        return {}
    try:
        return dict(load(data))
    # KeyError: a type that NumPy lacks.
    except (SafetensorError, KeyError, ValueError) as error:
        raise DataError(f"its trajectories are not readable ({_brief(error)})") from error
