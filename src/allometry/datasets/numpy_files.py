"""Your own data from NumPy's files; headers are checked before values are read."""

import io
import math
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from allometry.datasets.arrays import Arrays
from allometry.datasets.bounds import Room
from allometry.errors import DataError, UsageError
from allometry.files.foreign import check_regular, expanded, opened
from allometry.tables.limits import listed

__all__ = ["existing_file", "read_npy", "read_npz"]

PARTS = ("train", "test", "valid")
KNOWN = frozenset(("x", "y", *(f"{p}_{a}" for p in PARTS for a in "xy"),
                   *(f"{a}_{p}" for p in PARTS for a in "xy")))  # fmt: skip
MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 2000  # bytes; that of an array of numbers with 64 dimensions is shorter
LARGEST_PIECE = 1 << 20  # bytes of a zip file at once; the names of its arrays are one piece
PACKED_AS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others cannot be unpacked with a limit
# What zipfile, zlib and NumPy raise on damaged or malicious files.
DAMAGE = (
    ValueError, OSError, EOFError, OverflowError, MemoryError, RuntimeError, zlib.error,
    zipfile.BadZipFile,
)  # fmt: skip


def read_npz(
    path: str | Path, *, test: float | None = None, name: str = "arrays", **options: Any
) -> Arrays:
    """Data of the arrays in an ``.npz`` file, as `numpy.savez` writes it.

    Args:
        path: of a file with ``train_x, train_y, test_x, test_y`` and perhaps ``valid_x,
            valid_y`` (or ``x_train, y_train``, ...); or with ``x`` and ``y``.
        test: of ``x`` and ``y``, the share or number of examples held out to test on.
        name, options: as for `Arrays.of`.

    Raises:
        UsageError: no such file, other names, or arrays that do not fit.
        DataError: the file is of another kind or damaged, or has more than 4 GiB of arrays.
    """
    path = existing_file(path)
    arrays, names = _npz(path, Room())
    if {"x", "y"} <= arrays.keys():
        if test is None:
            raise UsageError(
                f"{path}: x and y, and nothing to test on; say test=0.2, or save train_x, train_y, "
                "test_x and test_y"
            )
        return Arrays.of(arrays["x"], arrays["y"], test=test, name=name, **options)
    parts = {part: _part(arrays, part) for part in PARTS}
    if parts["train"] is None or parts["test"] is None:
        raise UsageError(
            f"{path}: arrays train_x, train_y, test_x, test_y, or x and y, expected, got "
            f"{listed(names) or 'none'}"
        )
    if test is not None:
        raise UsageError(f"{path} has a test set of its own; leave test={test} out")
    return Arrays.of(
        *parts["train"], test=parts["test"], valid=parts["valid"], name=name, **options
    )


def read_npy(
    x: str | Path,
    y: str | Path,
    *,
    test: float | tuple[str | Path, str | Path],
    name: str = "arrays",
    **options: Any,
) -> Arrays:
    """Data of two ``.npy`` files, as `numpy.save` writes them.

    Args:
        x, y: files of features ``(n, ...)`` and targets ``(n,)`` or ``(n, d)``.
        test: two more files to test on; or the share or number of examples held out for the test.
        name, options: as for `Arrays.of`.

    Raises:
        UsageError: no such file, or arrays that do not fit.
        DataError: a file is of another kind or damaged, or they have more than 4 GiB of arrays.
    """
    held_out: Any = test
    room = Room()
    if isinstance(test, tuple):
        held_out = tuple(_npy(path, room) for path in test)
    return Arrays.of(_npy(x, room), _npy(y, room), test=held_out, name=name, **options)


def existing_file(path: str | Path) -> Path:
    """The path, with ``~`` as the home folder, if there is a regular file.

    Raises:
        UsageError: no such file, saying where it was looked for. DataError: no access to it.
    """
    path = expanded(path)
    try:
        check_regular(path.absolute())
    except UsageError as error:
        raise UsageError(f"{error}{beside(path)}") from None
    return path


def beside(path: Path) -> str:
    """The end of a message on a missing path: how a study names a file beside its own."""
    if not 0 < len(path.name) < 256:
        return ""
    return f"; for one beside the study's file: Path(__file__).with_name({path.name!r})"


def _part(arrays: dict[str, NDArray[Any]], part: str) -> tuple[NDArray[Any], NDArray[Any]] | None:
    for x, y in ((f"{part}_x", f"{part}_y"), (f"x_{part}", f"y_{part}")):
        if x in arrays and y in arrays:
            return arrays[x], arrays[y]
    return None


def _npz(path: Path, room: Room) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """The arrays whose names are known, and the names of all arrays."""
    with _in_words(path), opened(path) as file:
        if file.read(len(MAGIC)) == MAGIC:
            raise DataError(f"{path} holds one array; read_npy reads such a file")
        file.seek(0)
        pieces = _Pieces(io.FileIO(file.fileno(), closefd=False))
        with pieces, zipfile.ZipFile(pieces) as archive:
            infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            arrays = {
                name: _member(archive, info, f"{path}, array {name!r}", room)
                for name, info in infos.items()
                if name in KNOWN
            }
            return arrays, sorted(infos)


class _Pieces(io.BufferedReader):
    """A file that refuses to read a large piece at once, which limits the list of a zip file."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > LARGEST_PIECE:
            raise ValueError(f"a piece of {size:,} bytes, more than {LARGEST_PIECE:,}")
        return super().read(size)


def _member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str, room: Room
) -> NDArray[Any]:
    if info.compress_type not in PACKED_AS or info.flag_bits & 1:
        raise DataError(
            f"{where}: stored or deflated was expected, as numpy.savez and savez_compressed write "
            "it, got another compression or a password; save it again"
        )
    with archive.open(info) as file:
        return _array(file, info.file_size, where, room)


def _npy(path: str | Path, room: Room) -> NDArray[Any]:
    path = existing_file(path)
    with _in_words(path), opened(path) as file:
        if file.read(2) == b"PK":
            raise DataError(f"{path} holds several arrays; read_npz reads such a file")
        file.seek(0)
        return _array(file, os.fstat(file.fileno()).st_size, str(path), room)


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise DataError(_unlike(path, str(error) or type(error).__name__)) from None


def _unlike(where: str | Path, reason: str) -> str:
    return (
        f"{where}: a file of numpy.save or numpy.savez with arrays of numbers is expected, and "
        f"this is of another kind or damaged ({reason[:100]})"
    )


def _array(file: IO[bytes], size: int, where: str, room: Room) -> NDArray[Any]:
    """The array in a file of `size` bytes, as `numpy.save` writes it."""
    shape, dtype = _header(file, where)
    if dtype.hasobject:
        raise DataError(_unlike(where, "Object arrays are pickles, which may run any program"))
    if dtype.kind == "V" or not dtype.itemsize or min(shape, default=0) < 0:
        raise DataError(_unlike(where, f"an array of {str(dtype)[:40]} of shape {shape}"))
    numbers, available = math.prod(shape), size - file.tell()
    if numbers * dtype.itemsize > available:
        expected = f"{numbers * dtype.itemsize:,} of shape {shape}"
        raise DataError(_unlike(where, f"{available:,} bytes of values, expected were {expected}"))
    room.take(where, numbers, dtype.itemsize)
    file.seek(0)
    content: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return content


def _header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array in a file; a header that is too long is refused unread."""
    version = np.lib.format.read_magic(file)
    width = 2 if version == (1, 0) else 4
    stated = file.read(width)
    length = int.from_bytes(stated, "little")
    if length > LONGEST_HEADER or version not in ((1, 0), (2, 0)):
        raise DataError(_unlike(where, f"a header of {length:,} bytes, version {version[0]}"))
    header = io.BytesIO(stated + file.read(length))
    try:
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(header)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(header)
    except Exception as error:  # the header is evaluated as Python: any text raises anything
        raise DataError(_unlike(where, f"its header: {error or type(error).__name__}")) from None
    return shape, dtype
