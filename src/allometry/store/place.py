"""The canonical path of a store, from which the paths of the files beside it are derived."""

import errno
from pathlib import Path

from allometry.errors import UsageError

__all__ = ["resolved"]

_NO_PLACE = {errno.ELOOP, errno.ENAMETOOLONG}


def resolved(path: str | Path) -> Path:
    """The path of a store without ``~``, symbolic links and ``..``.

    Different names of one file become one path, so that they share a lock, and checkpoints and
    kept networks lie beside the file itself.

    Args:
        path: path of the SQLite file, which need not exist.

    Raises:
        UsageError: a file cannot have this path.
    """
    try:
        place = Path(path).expanduser().resolve()
        place.stat()  # from Python 3.13 on `resolve` accepts a loop of links; this does not
    except RuntimeError as error:  # an unknown user; a loop of links before Python 3.13
        raise UsageError(f"store {path}: {error}; give the path of a file") from error
    except ValueError as error:  # a null byte
        raise UsageError(f"store {str(path)!r} cannot be the path of a file: {error}") from error
    except OSError as error:
        if error.errno in _NO_PLACE:
            raise UsageError(
                f"store {path} cannot be the path of a file: {error.strerror}; give another"
            ) from error
        # The code that opens the file reports that it is missing or cannot be opened.
    return place
