"""A disk that forgets: what of a recorded sequence of system calls is left by a loss of power.

Written data are on the disk once the file was synced, names once their folder was. Of what was not
synced any part may be there: each write whole, torn at a sector, or not at all; names in the order
they were made, up to some point. This is the model of LazyFS and of SQLite's own crash tests.
"""

import codecs
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512  # bytes, written whole or not at all
CALLS = (
    "openat,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,"
    "link,linkat"
)
_CALL = re.compile(r"(?:\d+ +)?(\w+)\((.*)\) += (\d+)(?:<(.*)>)?$")
_FD = re.compile(r"(?:AT_FDCWD|\d+)<([^>]*)>")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True)
class Event:
    """One system call that changed the disk, or synced it.

    Attributes:
        kind: open, write, truncate, sync, rename, unlink or link.
        path: of the file. other: the new name of a rename or a link.
        at: byte where a write begins, None at the end; or the new length. data: written.
    """

    kind: str
    path: str
    other: str = ""
    at: int | None = None
    data: bytes = b""


def events(trace: str) -> Iterator[Event]:
    """The events of a trace by ``strace -y -xx -s 10000000 -e trace=CALLS``."""
    for line in trace.splitlines():
        found = _CALL.match(line)
        if found is None:
            continue
        name, arguments, result, opened = found.groups()
        texts = [_bytes(text) for text in _STRING.findall(arguments)]
        files = [_decoded(file) for file in _FD.findall(arguments)]
        names = [text.decode("utf-8", "surrogateescape") for text in texts]
        numbers = arguments.rpartition('"')[2].strip(", ").split(", ")
        if name == "openat" and opened and "O_CREAT" in arguments:
            yield Event("open", _decoded(opened))
            if "O_TRUNC" in arguments:
                yield Event("truncate", _decoded(opened), at=0)
        elif name == "write":
            yield Event("write", files[0], data=texts[0][: int(result)])
        elif name == "pwrite64":
            yield Event("write", files[0], at=int(numbers[-1]), data=texts[0][: int(result)])
        elif name == "ftruncate":
            yield Event("truncate", files[0], at=int(arguments.rpartition(",")[2]))
        elif name in ("fsync", "fdatasync"):
            yield Event("sync", files[0])
        elif name.startswith("rename"):
            yield Event("rename", names[0], names[1])
        elif name.startswith("unlink"):
            yield Event("unlink", names[0])
        elif name.startswith("link"):
            yield Event("link", names[0], names[1])


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def _decoded(path: str) -> str:
    return codecs.decode(path, "unicode_escape")


@dataclass
class _File:
    synced: bytes = b""
    pending: list[Event] = field(default_factory=list)

    def now(self) -> bytes:
        return _apply(self.synced, self.pending)

    def after_loss(self, draw: random.Random) -> bytes:
        """The content with some part of what was not synced."""
        kept = [event for event in self.pending if draw.random() < 0.5]
        if draw.random() < 0.3:  # in order, as most disks do
            kept = self.pending[: draw.randrange(len(self.pending) + 1)]
        return _apply(self.synced, [_torn(event, draw) for event in kept])


def _torn(event: Event, draw: random.Random) -> Event:
    if event.kind != "write" or len(event.data) <= SECTOR or draw.random() < 0.7:
        return event
    return Event("write", event.path, at=event.at, data=event.data[: _sectors(event, draw)])


def _sectors(event: Event, draw: random.Random) -> int:
    return SECTOR * draw.randrange(1, len(event.data) // SECTOR + 1)


def _apply(content: bytes, changes: list[Event]) -> bytes:
    data = bytearray(content)
    for event in changes:
        if event.kind == "truncate":
            assert event.at is not None
            data = data[: event.at].ljust(event.at, b"\0")
            continue
        at = len(data) if event.at is None else event.at
        data = data.ljust(at, b"\0")
        data[at : at + len(event.data)] = event.data
    return bytes(data)


class Disk:
    """The files of one folder, as they are seen and as they are kept."""

    def __init__(self, folder: Path):
        self._folder = str(folder)
        self._seen: dict[str, _File] = {}
        self._kept: dict[str, _File] = {}
        self._since: list[tuple[Event, _File]] = []  # names changed since the folder was synced

    def do(self, event: Event) -> None:
        """One event; those in other folders change nothing."""
        if event.path == self._folder and event.kind == "sync":
            self._kept, self._since = dict(self._seen), []
        elif str(Path(event.path).parent) != self._folder:
            return
        elif event.kind in ("write", "truncate"):
            self._seen[event.path].pending.append(event)
        elif event.kind == "sync":
            file = self._seen[event.path]
            file.synced, file.pending = file.now(), []
        elif event.kind != "open" or event.path not in self._seen:
            file = self._seen.get(event.path, _File())
            _name(self._seen, event, file)
            self._since.append((event, file))

    def after_loss(self, draw: random.Random) -> dict[str, bytes]:
        """Name to content of what is found when the power is back."""
        names = dict(self._kept)
        for event, file in self._since[: draw.randrange(len(self._since) + 1)]:
            _name(names, event, file)
        contents = {id(file): file.after_loss(draw) for file in names.values()}
        return {Path(name).name: contents[id(file)] for name, file in names.items()}


def _name(names: dict[str, _File], event: Event, file: _File) -> None:
    """Change the names in a folder as an event does."""
    if event.kind in ("unlink", "rename"):
        names.pop(event.path, None)
    if event.kind != "unlink":
        names[event.other or event.path] = file
