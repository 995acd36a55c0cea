"""Compiled programs kept on disk, so that the next process need not compile them again."""

import hashlib
import os
import platform
import re
from collections.abc import MutableMapping
from pathlib import Path

from allometry.datasets.cache import cache_root

__all__ = ["keep_programs"]

LARGEST = 1 << 30  # bytes; the programs not used for longest go first


def keep_programs(environ: MutableMapping[str, str] = os.environ) -> Path:
    """Have JAX keep what it compiles; call it in a process of our own before JAX is imported.

    Set through the environment, so that worker processes do the same. What the
    user has set stays as it is.

    Returns:
        the folder, one for each kind of processor: a program may use instructions
        that another lacks.
    """
    folder = cache_root() / "programs" / _processor()
    environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
    environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(LARGEST))
    # Most of our programs take less than the second below which JAX keeps none.
    environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    return Path(environ["JAX_COMPILATION_CACHE_DIR"])


def _processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """A name for the machine's instruction set: its family, and a hash of its features."""
    features = re.search(r"^(?:flags|Features)\s*:(.*)$", _text(cpuinfo), re.M)
    named = features.group(1) if features else platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(named.encode()).hexdigest()[:12]}"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
