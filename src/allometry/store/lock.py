"""The lock of a store's only writer, and the filesystems a store may be on."""

import errno
import fcntl
import json
import os
import re
import socket
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

from allometry.errors import DataError, DiskError, StoreBusyError, UsageError
from allometry.files.foreign import read_bytes
from allometry.files.strict_json import read_json

__all__ = ["NETWORK", "WriterLock", "check_place", "filesystem_type", "names_a_holder"]

NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|ncpfs|afs|coda|ceph|lustre|beegfs|gpfs|panfs|pvfs2|orangefs|ocfs2"
    r"|gfs2?|glusterfs|9p|davfs2?|webdav"
    r"|fuse\.(sshfs|rclone|s3fs|gcsfuse|glusterfs|juicefs|ceph(-fuse)?|beegfs|davfs2?|mount-s3|.*nfs.*)"
)
"""Kinds of filesystem that several hosts may share, as the kernel names them."""


LOCK = ".lock"
LONGEST = 1 << 16  # bytes read of a lock file; its text includes a command line
_SIGNED = b'{"pid": '  # the beginning of every text that `WriterLock` writes
# Does not follow a link, and does not wait for the other end of a pipe.
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class WriterLock:
    """The lock of the only process that may write a store: ``flock`` on a file beside it.

    The kernel releases the lock when its holder dies, however it dies, so no lock can
    go stale. The lock file is never removed: removing it would let two processes lock two
    different files of one name. Its text says who holds the lock. A lock file with any other
    text is locked without changing its text. Links are not followed.

    Raises:
        StoreBusyError: another process holds the lock; the message names it and says what to do.
        DiskError: the lock file cannot be written.
    """

    def __init__(self, store: Path):
        self._store = store
        self.path = store.with_name(store.name + LOCK)
        try:
            self._file = os.open(self.path, _FLAGS, 0o644)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            os.close(self._file)
            raise DiskError(f"{self.path} is not a file, so it cannot be a lock: move it away")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sign()
        except OSError as error:
            os.close(self._file)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise StoreBusyError(self._who_holds_it()) from error
            raise _unwritable(self.path, error) from error

    def close(self) -> None:
        """Release the lock; a second call does nothing.

        Raises:
            DiskError: the disk fails; the lock is released all the same.
        """
        file, self._file = self._file, -1
        if file < 0:
            return
        try:
            os.close(file)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _sign(self) -> None:
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": " ".join(sys.orig_argv[1:]),
        }
        if not is_signed(os.pread(self._file, len(_SIGNED), 0)):
            return
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps(holder).encode(), 0)

    def _who_holds_it(self) -> str:
        try:
            holder = read_json(read_bytes(self.path, LONGEST))
            who = (
                f"process {holder['pid']} on {holder['host']} since {holder['since']} "
                f"({holder['command']})"
            )
            stop = f"stop it (kill {holder['pid']})"
        # A holder that has taken the lock may not have written its text yet.
        except (DataError, UsageError, KeyError, TypeError):
            who, stop = "another process", "stop it"
        return (
            f"store {self._store} is in use by {who}. Only one process can write a store: wait for "
            f"it, {stop}, or use another store (--store FILE). Reading works meanwhile"
        )


def is_signed(text: bytes) -> bool:
    """Whether the text of a lock file is empty, or begins as the text of a holder."""
    return _SIGNED.startswith(text[: len(_SIGNED)])


def names_a_holder(store: Path) -> bool:
    """Whether a process has ever written the store: its lock file then has a text."""
    path = store.with_name(store.name + LOCK)
    return path.is_file() and path.stat().st_size > 0


def _unwritable(path: Path, error: OSError) -> DiskError:
    return DiskError(
        f"cannot write {path}: {error.strerror}; make room, or choose a writable folder with "
        "--store FILE"
    )


def filesystem_type(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The kernel's name for the kind of filesystem of `path`; None if it is unknown.

    Args:
        path: an existing folder or file. mounts: the kernel's list of mounted filesystems.
    """
    if not mounts.exists():
        return None
    kind, longest = None, -1
    # In mount points the kernel escapes space, tab, newline and backslash as octal numbers.
    for line in filter(None, mounts.read_bytes().decode("utf-8", "surrogateescape").split("\n")):
        # proc(5): the mount point is field 5, the type the first field after " - ".
        left, _, right = line.partition(" - ")
        point = re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), left.split(" ")[4])
        # The last of several mounts on one mount point hides the others.
        if path.is_relative_to(point) and len(point) >= longest:
            kind, longest = right.split()[0], len(point)
    return kind


def check_place(store: Path, kind: str | None) -> None:
    """Refuse a filesystem on which SQLite's write-ahead log is not safe.

    The index of the log is memory shared by processes of one host, which a network
    filesystem does not provide (https://www.sqlite.org/wal.html, section 1).

    Raises:
        DiskError: the filesystem is a network filesystem.
    """
    if kind is not None and NETWORK.fullmatch(kind):
        raise DiskError(
            f"store {store} is on a network filesystem ({kind}), where SQLite can lose or damage "
            "results; keep it on a disk of this machine (--store FILE) and copy it when done"
        )
