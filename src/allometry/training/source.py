"""The package's own source: its folder, and a hash of all of it."""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path

__all__ = ["package_root", "source_sha256"]


@cache
def package_root() -> Path:
    """The folder of the package `allometry`."""
    return Path(str(files("allometry")))


@cache
def source_sha256() -> str:
    """SHA-256 over the paths and contents of all Python files of the package."""
    root, digest = package_root(), hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
