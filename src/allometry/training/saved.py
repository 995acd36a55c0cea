"""Training state on disk: a safetensors file with arrays, a JSON document, and a SHA-256 of both.

A file may come from anywhere, so every defect raises an error with a clear message.
"""

import errno
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from allometry.errors import DataError, in_one_line
from allometry.files.durable import written
from allometry.files.strict_json import read_json

__all__ = ["Saved", "read", "read_document", "write"]

# Raised by safetensors for arrays with a type, shape or offset that NumPy does not support.
_BROKEN = (
    SafetensorError, AttributeError, KeyError, MemoryError, OverflowError, TypeError, ValueError,
)  # fmt: skip


class Saved(NamedTuple):
    """The content of a file: numbers and short lists in `facts`, everything else in `arrays`."""

    facts: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


def write(path: Path, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write document and arrays atomically into a file.

    Args:
        path: path of the file; its folder is made if it is missing, and an old file is replaced.
        document: JSON data.
        arrays: arrays by name, of types that safetensors supports.

    Raises:
        OSError: the file cannot be written, or the path is a link or not a regular file.
        SafetensorError: an array has another type.
    """
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(document, sort_keys=True)
    dense = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    # Encoded in memory, because safetensors would choose the name of a temporary file itself.
    content = save(dense, {"document": text, "sha256": _digest(text, dense)})
    with written(path, follow=False) as part:
        part.write_bytes(content)


def read(path: Path, *, bare: bool = False) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Document and arrays of a file.

    Args:
        bare: also accept arrays without document and SHA-256, as earlier versions kept weights.

    Raises:
        DataError: the file is damaged.
        OSError: the file cannot be read.
    """
    with _opened(path) as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata() or {}
    if bare and not {"document", "sha256"} & metadata.keys():
        return {}, arrays
    document = _document(metadata)
    if metadata.get("sha256") != _digest(metadata["document"], arrays):
        raise DataError("its SHA-256 does not match its content")
    return document, arrays


def read_document(path: Path) -> dict[str, Any]:
    """The document from the head of a file; the arrays are not checked.

    Raises:
        DataError: the file has no document.
        OSError: the file cannot be read.
    """
    with _opened(path) as file:
        return _document(file.metadata() or {})


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "no regular file", str(path))
    path.open("rb").close()  # raises the true error; safetensors would report a missing file
    try:
        with safe_open(path, framework="np") as file:
            yield file
    except _BROKEN as error:
        raise DataError(in_one_line(error)) from error


def _document(metadata: Mapping[str, str]) -> dict[str, Any]:
    if "document" not in metadata:
        raise DataError("it has no document")
    document = read_json(metadata["document"])
    if not isinstance(document, dict):
        raise DataError("its document is not a JSON object")
    return document


def _digest(document: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(document.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
