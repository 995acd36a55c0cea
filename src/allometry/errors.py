"""The situations a person can be told about, each with its exit code.

Every message says what was expected, what came, and what to do. The command
line prints the message and exits with `exit_code`; nothing else is caught.
"""

from collections.abc import Iterable


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """The end of a message on an unknown name: the nearest there is, or nothing."""
    import difflib  # here: only where something is wrong

    folded = {name.casefold(): name for name in names}
    nearest = difflib.get_close_matches(word.casefold(), folded, n=1)
    return f"; did you mean {folded[nearest[0]]!r}?" if nearest else ""


class AllometryError(Exception):
    """Base of every error meant for a person. `exit_code` follows sysexits.h."""

    exit_code = 1


class UsageError(AllometryError):
    """A name, option or value that does not exist or does not fit."""

    exit_code = 2


class DataError(AllometryError):
    """Data that must not be used: a damaged file, a bad cell, a changed spec."""

    exit_code = 65


class UnavailableError(AllometryError):
    """Something that had to be fetched or started could not be."""

    exit_code = 69


class DiskError(AllometryError):
    """A file could not be written: the disk is full or the place is not ours."""

    exit_code = 74


class StoreBusyError(AllometryError):
    """Another process holds the store for writing."""

    exit_code = 75
