"""Places a data set's files can be read from: a folder, a web address.

A source only opens streams. What comes out is hashed, limited in length and
written by `allometry.datasets.cache`, the same for every source.
"""

import gzip
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast
from urllib.request import urlopen

from allometry.errors import UnavailableError

__all__ = ["Folder", "Source", "Streams", "Web", "decompressed"]

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
        suffix: what the file names end in there; `.gz` files are decompressed.
    """

    path: Path
    suffix: str = ".gz"

    @property
    def where(self) -> str:
        return f"the folder {self.path}"

    def open(self, names: Sequence[str]) -> Streams:
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
        timeout: seconds without an answer after which the source is given up.
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
    """The stream itself, or its gunzipped bytes where the suffix is `.gz`."""
    if suffix != ".gz":
        return stream
    return cast(IO[bytes], gzip.GzipFile(fileobj=stream, mode="rb"))
