"""Compiled programs kept on disk, so that the next process need not compile them again."""

import hashlib
import os
import platform
import re
import zlib
from collections.abc import MutableMapping
from pathlib import Path

from allometry.datasets.cache import cache_root

__all__ = ["keep_programs"]

LARGEST = 1 << 30  # bytes of all programs; the oldest go first
ZLIB = 0x78  # first byte of what JAX packs with zlib


def keep_programs(environ: MutableMapping[str, str] = os.environ) -> Path:
    """Have JAX keep what it compiles; call it in a process of our own before JAX is imported.

    Set through the environment, so that worker processes do the same. What the
    user has set stays as it is.

    Returns:
        the folder, one for each kind of processor: a program may use instructions
        that another lacks.
    """
    folder = cache_root() / "programs" / _processor()
    if "JAX_COMPILATION_CACHE_DIR" not in environ:
        environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
        _sweep(folder)
    # Most of our programs take less than the second below which JAX keeps none.
    environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    return Path(environ["JAX_COMPILATION_CACHE_DIR"])


def _sweep(folder: Path) -> None:
    """Remove what a killed process left half written, and the oldest of too many.

    JAX writes in place, and a program cut short would be warned of at every start.
    """
    files = [(path, path.stat()) for path in folder.glob("*-cache")]
    left = sum(status.st_size for _, status in files)
    for path, status in sorted(files, key=lambda file: file[1].st_mtime):
        if left > LARGEST or not _is_whole(path):
            # Another process may sweep as well.
            path.unlink(missing_ok=True)
            left -= status.st_size


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
    """A name for the machine's instruction set: its family, and a hash of its features."""
    features = re.search(r"^(?:flags|Features)\s*:(.*)$", _text(cpuinfo), re.M)
    named = features.group(1) if features else platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(named.encode()).hexdigest()[:12]}"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
