"""Where a store is: one name for it, however a person calls it, and for what lies beside it."""

import errno
from pathlib import Path

from allometry.errors import UsageError

__all__ = ["resolved"]

_NO_PLACE = {errno.ELOOP, errno.ENAMETOOLONG}


def resolved(path: str | Path) -> Path:
    """The path of a store without ``~``, symbolic links and ``..``.

    Two names of one file are one path, so that they share a lock, and checkpoints and kept
    networks lie beside the file itself.

    Args:
        path: of the SQLite file, which need not be there.

    Raises:
        UsageError: there can be no file of this name.
    """
    try:
        place = Path(path).expanduser().resolve()
        place.stat()  # from Python 3.13 on a loop of links is still there
    except RuntimeError as error:  # a user who is not known; a loop of links before Python 3.13
        raise UsageError(f"store {path}: {error}; give the path of a file") from error
    except ValueError as error:  # a null byte
        raise UsageError(f"store {str(path)!r} cannot be the path of a file: {error}") from error
    except OSError as error:
        if error.errno in _NO_PLACE:
            raise UsageError(
                f"store {path} cannot be the path of a file: {error.strerror}; give another"
            ) from error
        # That it is not there, or cannot be opened, is said by who opens it.
    return place
