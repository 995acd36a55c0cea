"""Results that take seconds to compute from a text, kept in the folder `tokens` of the cache.

A file has the SHA-256 of its content in its name, and is used only where both agree.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from allometry.datasets.cache import cache_root
from allometry.errors import DiskError
from allometry.files.durable import written

__all__ = ["kept"]

_log = logging.getLogger(__name__)


def kept(key: str, suffix: str, make: Callable[[], bytes]) -> bytes:
    """The content made for a key, from disk where it was made before.

    Args:
        key: text of everything that decides the content.
        suffix: of the file's name.
        make: computes the content where no intact file has it.

    Raises:
        DiskError: the file could not be read or written.
    """
    folder = cache_root() / "tokens"
    stem = hashlib.sha256(key.encode()).hexdigest()[:32]
    content = _intact(folder, stem, suffix)
    if content is None:
        content = make()
        with _disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with written(folder / _name(stem, content, suffix), follow=False) as part:
                part.write_bytes(content)
    return content


def _intact(folder: Path, stem: str, suffix: str) -> bytes | None:
    """The content of the first intact file of a key; damaged ones are reported and removed."""
    with _disk_errors(folder):
        for path in sorted(folder.glob(f"{stem}-*{suffix}")):
            content = path.read_bytes()
            if path.name == _name(stem, content, suffix):
                return content
            _log.warning("%s is damaged: its SHA-256 is not that of its name; removed", path)
            path.unlink(missing_ok=True)
    return None


def _name(stem: str, content: bytes, suffix: str) -> str:
    return f"{stem}-{hashlib.sha256(content).hexdigest()}{suffix}"


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"{folder}: {error.strerror or error}; free space or allow access there, "
            "or choose another cache folder with ALLOMETRY_CACHE"
        ) from error
