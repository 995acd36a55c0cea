"""Documents: the texts of a corpus, or of your own files, as UTF-8 with line feeds."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from allometry.datasets.bounds import Room
from allometry.datasets.cache import cache_root, read
from allometry.datasets.catalogue import describe
from allometry.datasets.numpy_files import beside
from allometry.datasets.sources import SEPARATOR
from allometry.datasets.text.corpora import CORPORA, LATIN_1
from allometry.errors import DataError, UsageError
from allometry.files.foreign import expanded, is_folder, read_bytes

__all__ = ["content_sha256", "corpus", "documents_at"]

LARGEST_FILE = 500_000_000  # bytes
BYTES_OF_TOKEN = 8  # four as a feature and four as a target


@lru_cache(maxsize=2)
def corpus(name: str) -> tuple[bytes, ...]:
    """The documents of a corpus of the catalogue, fetched if it is not in the cache.

    Raises:
        UsageError: no corpus of that name.
        UnavailableError, DiskError, DataError: as for `datasets.cache.read`.
    """
    names = [data_set.name for data_set in CORPORA]
    if name not in names:
        raise UsageError(
            f"there is no text {name!r}; there are {', '.join(names)}, and "
            "al.datasets.read_text(path) for a file or a folder of your own"
        )
    contents = read(describe(name), cache_root())
    return tuple(
        _plain(document.decode("latin-1" if file in LATIN_1 else "utf-8"))
        for file, content in contents.items()
        for document in content.split(SEPARATOR)
        if document.strip()
    )


def documents_at(path: str | Path, encoding: str) -> tuple[bytes, ...]:
    """Your own documents: one file, or the `.txt` and `.md` files below a folder.

    Args:
        path: of the file, or of the folder, whose files are taken in the order of their paths.
        encoding: of the files, by one of Python's names.

    Raises:
        UsageError: there is no such file or folder, or no text in it.
        DataError: naming a file that cannot be read or decoded; or more than 500 MB in a file or
            512 MiB in all.
    """
    place = expanded(path)
    files = _files_below(place) if is_folder(place) else [place]
    room = Room()
    documents = tuple(_decoded(file, encoding, room) for file in files)
    if not any(document.strip() for document in documents):
        raise UsageError(f"text expected, and {_shown(files, place)} empty")
    return tuple(document for document in documents if document.strip())


def content_sha256(documents: Sequence[bytes]) -> str:
    """SHA-256 of documents, as `documents_at` reads them, in their order."""
    digest = hashlib.sha256(b"allometry/text/1\n")
    for document in documents:
        digest.update(f"{len(document)}\n".encode())
        digest.update(document)
    return digest.hexdigest()


def _shown(files: Sequence[Path], place: Path) -> str:
    return f"the {len(files)} files in {place} are" if is_folder(place) else f"{place} is"


def _files_below(folder: Path) -> list[Path]:
    room, files = Room(), []
    try:
        for path in folder.rglob("*"):
            room.take_file(folder)
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if path.suffix in (".txt", ".md") and not hidden:
                files.append(path)
    except OSError as error:
        raise DataError(f"{folder} could not be read: {error.strerror or error}") from None
    if not files:
        raise UsageError(f"files of text, NAME.txt or NAME.md, expected in {folder}, found none")
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def _decoded(path: Path, encoding: str, room: Room) -> bytes:
    try:
        content = read_bytes(path, LARGEST_FILE)
    except UsageError as error:
        raise UsageError(f"{error}{beside(path)}") from None
    room.take(path, len(content), BYTES_OF_TOKEN)
    try:
        text = content.decode(encoding)
    except LookupError:
        raise UsageError(
            f"encoding: one of Python's names, such as utf-8 or latin-1, expected, got {encoding!r}"
        ) from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}: text in {encoding} expected, got the byte 0x{content[error.start]:02x} at "
            f"position {error.start}, in line {line}; give its encoding, such as "
            "encoding='latin-1'"
        ) from None
    return _plain(text.removeprefix("\ufeff"))


def _plain(text: str) -> bytes:
    """The text as UTF-8 whose lines all end in a line feed alone, the last one too."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return (lines if lines.endswith("\n") else lines + "\n").encode()
