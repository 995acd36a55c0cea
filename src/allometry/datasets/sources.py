"""Places a data set's files can be read from: a folder, a web address.

A source only opens streams. `allometry.datasets.cache` hashes their content, limits its
length and writes it, in the same way for every source.

Many small text files can be one file of a data set: `members`, where a source has it, is a
regular expression. Files whose paths below the folder match it are joined in the order of these
paths, with `SEPARATOR` between them. It is matched with paths without their suffix, so that the
joined bytes do not depend on which of the files a package has compressed.
"""

import gzip
import io
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, cast
from urllib.request import urlopen

from allometry.errors import UnavailableError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["SEPARATOR", "Folder", "Source", "Streams", "Web", "decompressed", "joined"]

SEPARATOR = b"\x1e"
"""Between files that are joined: the record separator of ASCII, which text does not use."""

GZIP = (".gz", ".dz")  # dictzip is gzip with an index in its header

# Each file's name with its decompressed bytes.
Streams = Generator[tuple[str, IO[bytes]], None, None]


class Source(Protocol):
    """Somewhere files can be read from."""

    @property
    def where(self) -> str:
        """The place in words, for messages."""

    def open(self, names: Sequence[str]) -> Streams:
        """Each file's name with a stream of its decompressed bytes, one after the other.

        A generator, so that nothing is fetched before it is asked for and temporary
        files live as long as the streams.

        Raises:
            UnavailableError: why this source cannot serve, in one line.
            OSError: from the network or the disk.
        """


@dataclass(frozen=True)
class Folder:
    """A folder on this machine, such as the one a system package fills.

    Args:
        path: the folder.
        suffix: what the file names end in there; `.gz` and `.dz` files are decompressed.
        members: regular expression of the paths, without the suffix, of the files below the folder
            that are joined. Each of them may have the suffix or not.
    """

    path: Path
    suffix: str = ".gz"
    members: str = ""

    @property
    def where(self) -> str:
        return f"the folder {self.path}"

    def open(self, names: Sequence[str]) -> Streams:
        if self.members:
            files = (path for path in self.path.rglob("*") if path.is_file())
            inner = [path.relative_to(self.path).as_posix() for path in files]
            stream = joined(inner, self.members, self.suffix, lambda n: (self.path / n).open("rb"))
            for name in names:
                yield name, stream
            return
        for name in names:
            path = self.path / (name + self.suffix)
            if not path.is_file():
                raise UnavailableError(f"there is no file {path}")
            with path.open("rb") as stream:
                yield name, decompressed(stream, self.suffix)


@dataclass(frozen=True)
class Web:
    """A web address below which the files lie.

    Args:
        url: the address, ending in a slash.
        suffix: what the file names end in there; `.gz` files are decompressed.
        timeout: seconds without an answer after which the source fails.
    """

    url: str
    suffix: str = ".gz"
    timeout: float = 10.0

    @property
    def where(self) -> str:
        return self.url

    def open(self, names: Sequence[str]) -> Streams:
        for name in names:
            address = self.url + name + self.suffix
            # The address is the catalogue's, and every byte is checked against its hash.
            with urlopen(address, timeout=self.timeout) as stream:  # noqa: S310
                yield name, decompressed(stream, self.suffix)


def decompressed(stream: IO[bytes], suffix: str) -> IO[bytes]:
    """The stream itself, or its gunzipped bytes where the suffix is `.gz` or `.dz`."""
    if suffix not in GZIP:
        return stream
    return cast(IO[bytes], gzip.GzipFile(fileobj=stream, mode="rb"))


def joined(
    paths: Iterable[str],
    pattern: str,
    suffix: str,
    opened: Callable[[str], AbstractContextManager[IO[bytes]]],
) -> IO[bytes]:
    """The files whose paths without the suffix match a pattern, one after the other.

    Args:
        paths: of all files of the source.
        pattern: a regular expression of the whole path.
        opened: function from a path to its file, as it is in the source.

    Raises:
        UnavailableError: no path matches.
    """
    members = {path.removesuffix(suffix): path for path in paths}
    names = sorted(name for name in members if re.fullmatch(pattern, name))
    if not names:
        raise UnavailableError(f"there is no file whose path fits {pattern}")

    def pieces() -> Iterator[bytes]:
        for i, name in enumerate(names):
            if i:
                yield SEPARATOR
            path = members[name]
            with opened(path) as stream:
                yield from _pieces(decompressed(stream, suffix if path != name else ""))

    return io.BufferedReader(_Joined(pieces()))


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(1 << 16):
        yield piece


class _Joined(io.RawIOBase):
    """Pieces of bytes as a stream; no more is read than is asked for."""

    def __init__(self, pieces: Iterator[bytes]):
        self._pieces, self._left = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        self._left = self._left or next(self._pieces, b"")
        place = memoryview(buffer)
        n = min(len(place), len(self._left))
        place[:n], self._left = self._left[:n], self._left[n:]
        return n
