"""The cache of data sets: every file is checked by its SHA-256 when written and when read.

Files are stored decompressed in `<root>/datasets/<name>/`.
"""

import errno
import gzip
import hashlib
import logging
import os
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPException
from io import BufferedReader
from pathlib import Path
from typing import IO

import platformdirs

from allometry.datasets.description import DataFile, DataSet
from allometry.datasets.sources import Source
from allometry.errors import DataError, DiskError, UnavailableError, UsageError
from allometry.files.durable import PART, written

__all__ = ["cache_root", "fetch", "folder_of", "is_whole", "read"]

Progress = Callable[[str], None]

_log = logging.getLogger(__name__)

_BLOCK = 1 << 20
_STALE_SECONDS = 24 * 3600
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# Raised where a damaged archive is read; a broken connection raises other exceptions.
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError)


def cache_root() -> Path:
    """The folder `$ALLOMETRY_CACHE`, or where this system keeps a user's caches.

    Raises:
        UsageError: it is in the home folder of an unknown user.
    """
    folder = os.environ.get("ALLOMETRY_CACHE")
    try:
        return Path(folder).expanduser() if folder else platformdirs.user_cache_path("allometry")
    except RuntimeError as error:
        raise UsageError(f"ALLOMETRY_CACHE: the path of a folder expected: {error}") from error


def folder_of(data_set: DataSet, root: Path) -> Path:
    """The folder of a data set in the cache."""
    return root / "datasets" / data_set.name


def is_whole(data_set: DataSet, root: Path) -> bool:
    """Whether every file is in the cache with the right hash. Nothing is changed."""
    folder = folder_of(data_set, root)
    return all(_hash_on_disk(folder / file.name, file) == file.sha256 for file in data_set.files)


def fetch(data_set: DataSet, root: Path, progress: Progress | None = None) -> Path:
    """The folder of a data set in the cache, with every file present and checked.

    Missing and damaged files are fetched from the sources in their order.

    Args:
        data_set: what to get, with its sources.
        root: the cache folder.
        progress: called with a line for each step; None: the lines are logged.

    Raises:
        UnavailableError: no source could serve; every one is listed with its reason.
        DiskError: a file could not be read, written or removed.
    """
    tell = progress or _log.info
    folder = folder_of(data_set, root)
    wanted = _wanted(data_set, folder, progress or _log.warning)
    if not wanted:
        return folder
    missing = ", ".join(file.name for file in wanted.values())
    tried = [f"the cache {folder}: lacks {missing}"]
    with _disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder)
    for source in data_set.sources:
        tell(f"{data_set.name}: trying {source.where}")
        for reason in _take(source, wanted, folder):
            tell(f"{data_set.name}: {source.where}: {reason}")
            tried.append(f"{source.where}: {reason}")
        if not wanted:
            tell(f"{data_set.name}: complete in {folder}")
            return folder
    raise UnavailableError(_by_hand(data_set, tuple(wanted.values()), folder, tried))


def read(data_set: DataSet, root: Path, progress: Progress | None = None) -> dict[str, bytes]:
    """The bytes of every file by name, fetched where needed.

    The bytes that are returned are the bytes that were hashed, so a file damaged since it
    was fetched is replaced and never used.

    Raises:
        DataError: a file changes while it is read.
        UnavailableError, DiskError: as for `fetch`.
    """
    folder = folder_of(data_set, root)
    contents = _whole_contents(data_set, folder)
    if len(contents) < len(data_set.files):
        contents.clear()
        fetch(data_set, root, progress)
        contents = _whole_contents(data_set, folder)
    for file in data_set.files:
        if file.name not in contents:
            raise DataError(
                f"{folder / file.name} changed while it was read: "
                f"expected SHA-256 {file.sha256}; another program writes there, "
                "choose another cache folder with ALLOMETRY_CACHE"
            )
    return contents


def _whole_contents(data_set: DataSet, folder: Path) -> dict[str, bytes]:
    contents = {}
    for file in data_set.files:
        path = folder / file.name
        with _disk_errors(path):
            try:
                with _opened(path) as stream:
                    content = stream.read(file.size + 1)
            except FileNotFoundError:
                continue
        if hashlib.sha256(content).hexdigest() == file.sha256:
            contents[file.name] = content
    return contents


def _wanted(data_set: DataSet, folder: Path, warn: Progress) -> dict[str, DataFile]:
    """The files to fetch by name; a damaged one is reported and removed."""
    wanted = {}
    for file in data_set.files:
        path = folder / file.name
        sha256 = _hash_on_disk(path, file)
        if sha256 == file.sha256:
            continue
        wanted[file.name] = file
        if sha256 is not None:
            warn(
                f"{data_set.name}: {path} is damaged: expected SHA-256 {file.sha256}, "
                f"found {sha256}; removed, to be fetched again"
            )
            with _disk_errors(path):
                path.unlink(missing_ok=True)
    return wanted


def _take(source: Source, wanted: dict[str, DataFile], folder: Path) -> list[str]:
    """Store the intact files of a source, removing them from `wanted`; the reasons for others."""
    reasons = []
    try:
        with closing(source.open(tuple(wanted))) as opened:
            for name, stream in opened:
                try:
                    _store(wanted[name], stream, folder)
                    del wanted[name]
                except DataError as damage:
                    reasons.append(f"{name} is damaged, or of another version: {damage}")
    except (UnavailableError, HTTPException, OSError, *_DAMAGE) as error:
        if isinstance(error, OSError) and error.errno in _FULL_DISK:
            raise DiskError(f"no room for the files of {source.where}: {error}") from error
        reasons.append(" ".join(str(error).split()) or type(error).__name__)
    return reasons


def _store(file: DataFile, stream: IO[bytes], folder: Path) -> None:
    """Write a stream to the cache.

    Raises:
        DataError: it is not the file expected; nothing is written.
    """
    path = folder / file.name
    with _disk_errors(path), written(path, follow=False) as part, part.open("wb") as out:
        _copy(file, stream, out)


def _copy(file: DataFile, stream: IO[bytes], out: IO[bytes]) -> None:
    """Copy block by block, hashing; stop where the stream is longer than the file.

    Only writing raises OSError: the reader's becomes UnavailableError, so that a
    broken connection is never taken for a full disk.

    Raises:
        DataError: it is not the file expected.
    """
    digest, size = hashlib.sha256(), 0
    expected = f"expected SHA-256 {file.sha256}"
    while size <= file.size:
        try:
            block = stream.read(_BLOCK)
        except _DAMAGE as error:
            raise DataError(
                f"{expected}, found a broken archive after {size} bytes: {error}"
            ) from error
        except OSError as error:
            raise UnavailableError(f"{file.name} broke off after {size} bytes: {error}") from error
        if not block:
            sha256 = digest.hexdigest()
            if sha256 != file.sha256:
                raise DataError(f"{expected}, found {sha256} ({size} bytes)")
            return
        digest.update(block)
        size += len(block)
        out.write(block)
    raise DataError(f"{expected} of {file.size} bytes, found a longer file")


def _hash_on_disk(path: Path, file: DataFile) -> str | None:
    """Hex SHA-256 of a file, or "a longer file" in words; None where there is no file."""
    with _disk_errors(path):
        try:
            with _opened(path) as stream:
                content = stream.read(file.size + 1)
                is_longer = len(content) > file.size
                return "a longer file" if is_longer else hashlib.sha256(content).hexdigest()
        except FileNotFoundError:
            return None


def _opened(path: Path) -> BufferedReader:
    # Opening a pipe would block.
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "a regular file was expected", str(path))
    return path.open("rb")


def _remove_stale(folder: Path) -> None:
    """Remove parts that killed downloads left; a recent part may be another process's."""
    for part in folder.iterdir():
        with suppress(FileNotFoundError):  # another process was quicker
            if PART.fullmatch(part.name) and time.time() - part.lstat().st_mtime > _STALE_SECONDS:
                part.unlink()


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"{path}: {error.strerror or error}; free space or allow access there, "
            "or choose another cache folder with ALLOMETRY_CACHE"
        ) from error


def _by_hand(
    data_set: DataSet, missing: tuple[DataFile, ...], folder: Path, tried: list[str]
) -> str:
    lines = [f"{data_set.name} could not be fetched. Tried in turn:"]
    lines += [f"  - {reason}" for reason in tried]
    lines.append(f"To place the files by hand, put them decompressed into {folder}:")
    lines += [f"  {file.name}  {file.size} bytes  SHA-256 {file.sha256}" for file in missing]
    return "\n".join(lines)
