"""What a data set is: its files with their checksums, its licence, its sources."""

from dataclasses import dataclass

from allometry.datasets.sources import Source

__all__ = ["DataFile", "DataSet"]


@dataclass(frozen=True)
class DataFile:
    """One file of a data set, decompressed, as in the cache.

    Args:
        name: the file's name in the cache.
        sha256: hex SHA-256 of the decompressed bytes, the same from every source
            (archives of one file differ between sources by their gzip headers).
        size: decompressed length in bytes.
    """

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class DataSet:
    """A data set that can be fetched.

    Args:
        name: as a user types it, and the folder's name in the cache.
        title: one line for a list.
        licence: under which terms the data may be used.
        origin: who made it, and where it was published.
        files: all the files, every one needed.
        sources: where the files can come from, in the order they are tried
            after the cache; `source.where` says each in words.
    """

    name: str
    title: str
    licence: str
    origin: str
    files: tuple[DataFile, ...]
    sources: tuple[Source, ...]
