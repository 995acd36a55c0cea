"""Training state on disk: arrays and a JSON document, one safetensors file, a SHA-256 over both.

A file may come from anywhere: whatever is wrong with it is said in words.
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

# What comes of arrays whose type, shape or place in the file is not one that NumPy has.
_BROKEN = (
    SafetensorError, AttributeError, KeyError, MemoryError, OverflowError, TypeError, ValueError,
)  # fmt: skip


class Saved(NamedTuple):
    """What was kept: numbers and short lists in `facts`, the rest in `arrays`."""

    facts: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


def write(path: Path, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Put all of it into a file, whole whenever it is seen under its name.

    Args:
        path: its folder is made where there is none; a file of ours is replaced.
        document: JSON data.
        arrays: by name, of types that safetensors keeps.

    Raises:
        OSError: it cannot be written, or something else has its name.
        SafetensorError: an array is of another type.
    """
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(document, sort_keys=True)
    dense = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    # In memory first: written to a file, safetensors would choose the name of a temporary one.
    content = save(dense, {"document": text, "sha256": _digest(text, dense)})
    with written(path, follow=False) as part:
        part.write_bytes(content)


def read(path: Path, *, bare: bool = False) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Document and arrays of a file, as they were written.

    Args:
        bare: take arrays without document and SHA-256 too, as earlier versions kept weights.

    Raises:
        DataError: it is not what was written.
        OSError: it cannot be read.
    """
    with _opened(path) as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata() or {}
    if bare and not {"document", "sha256"} & metadata.keys():
        return {}, arrays
    document = _document(metadata)
    if metadata.get("sha256") != _digest(metadata["document"], arrays):
        raise DataError("its SHA-256 is not that of its content")
    return document, arrays


def read_document(path: Path) -> dict[str, Any]:
    """The document alone, from the head of a file; whether the arrays are whole is not looked at.

    Raises:
        DataError: there is none.
        OSError: it cannot be read.
    """
    with _opened(path) as file:
        return _document(file.metadata() or {})


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "no regular file", str(path))
    path.open("rb").close()  # safetensors says of any file it may not read that it is not there
    try:
        with safe_open(path, framework="np") as file:
            yield file
    except _BROKEN as error:
        raise DataError(in_one_line(error)) from error


def _document(metadata: Mapping[str, str]) -> dict[str, Any]:
    if "document" not in metadata:
        raise DataError("no document in it")
    document = read_json(metadata["document"])
    if not isinstance(document, dict):
        raise DataError("its document is no object of JSON")
    return document


def _digest(document: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(document.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
