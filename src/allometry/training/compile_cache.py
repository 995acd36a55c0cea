"""Compiled programs kept on disk, so that the next process need not compile them again."""

import hashlib
import os
import platform
import re
import zlib
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

from allometry.datasets.cache import cache_root

__all__ = ["keep_programs"]

JAX = "JAX_COMPILATION_CACHE_DIR"
OURS = "ALLOMETRY_PROGRAMS"  # what we put into JAX's variable, to be told from the user's choice
LARGEST = 1 << 30  # bytes of all programs; the oldest go first
# Lines of /proc/cpuinfo, on x86 and on ARM.
KIND = r"^(?:vendor_id|cpu family|model|flags|CPU implementer|CPU part|Features)\s*:.*$"
ZLIB = 0x78  # first byte of what JAX packs with zlib


def keep_programs(environ: MutableMapping[str, str] = os.environ, *, sweep: bool = True) -> Path:
    """Have JAX keep what it compiles; call it in a process of our own before JAX is imported.

    Set through the environment, which processes started from this one inherit, on other
    machines too where a queue carries it there; so each worker calls this for itself.
    What the user has set stays as it is.

    Args:
        environ: where it is set.
        sweep: remove damaged and surplus programs first; for one process, not for
            a thousand jobs that share the folder.

    Returns:
        the folder, one for each kind of processor: a program may use instructions
        that another lacks.
    """
    folder = cache_root() / "programs" / _processor()
    if environ.get(JAX) in (None, environ.get(OURS)):
        environ[JAX] = environ[OURS] = str(folder)
        if sweep:
            _sweep(folder.parent)
    # Most of our programs take less than the second below which JAX keeps none.
    environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    return Path(environ[JAX])


def _sweep(root: Path) -> None:
    """Remove what a killed process left half written, and the oldest of too many.

    JAX writes in place, and a program cut short would be warned of at every start.
    """
    files = []
    for path in root.glob("*/*-cache"):
        with suppress(FileNotFoundError):  # another process sweeps as well
            files.append((path, path.stat()))
    left = sum(status.st_size for _, status in files)
    for path, status in sorted(files, key=lambda file: file[1].st_mtime):
        with suppress(FileNotFoundError):
            if left > LARGEST or not _is_whole(path):
                left -= status.st_size
                path.unlink()


def _is_whole(path: Path) -> bool:
    content = path.read_bytes()
    if not content or content[0] != ZLIB:
        return bool(content)
    unpacked = zlib.decompressobj()
    try:
        unpacked.decompress(content)
    except zlib.error:
        return False
    return unpacked.eof


def _processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """A name for the kind of processor: its architecture, and a hash of model and features.

    The compiler goes by both: what a processor can do, and what it is good at.
    """
    first = _text(cpuinfo).partition("\n\n")[0]
    named = "\n".join(re.findall(KIND, first, re.M)) or platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(named.encode()).hexdigest()[:12]}"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
