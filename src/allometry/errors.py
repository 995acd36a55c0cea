"""The errors meant for users, each with its exit code.

Every message says what was expected, what came, and what to do. The command
line prints the message and exits with `exit_code`.
"""

import os
import re
import reprlib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known name, or nothing."""
    import difflib  # imported here because only errors need it

    folded = {name.casefold(): name for name in names}
    nearest = difflib.get_close_matches(word.casefold(), folded, n=1)
    return f"; did you mean {folded[nearest[0]]!r}?" if nearest else ""


def printable(text: str) -> str:
    """The text with every character escaped that could control a terminal.

    Names, cells and messages come from files of other people. Escape sequences, control
    characters, bidirectional marks, zero-width characters and lone surrogates become Python
    escapes such as ``\\x1b``. Line feeds, tabs and all kinds of spaces stay. A text without such
    characters is returned unchanged.
    """
    return _UNUSUAL.sub(lambda match: _written_out(match[0]), text)


_UNUSUAL = re.compile(r"[^\n\t -~]")  # ASCII control characters, and everything beyond ASCII


def _written_out(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()


def quoted(value: object) -> str:
    """A value as messages quote it: its `repr`, cut where it is long, and safe if it fails."""
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 120
LONGEST = 1000  # characters of an exception's message


def _cut(text: str) -> str:
    """The text, or its first `LONGEST` characters."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


class Rule(NamedTuple):
    """The values that a field of a user's object may have.

    Attributes:
        fits: whether a value is allowed. expected: an example or a description, for the message.
    """

    fits: Callable[[Any], bool]
    expected: str


def check_fields(what: str, value: object, rules: Mapping[str, Rule]) -> None:
    """Refuse a value with a field that does not fit its rule.

    Args:
        what: description of the value for the message, such as "study mine".

    Raises:
        UsageError: names the field, its value, and what was expected.
    """
    for name, rule in rules.items():
        given = getattr(value, name)
        if not rule.fits(given):
            raise UsageError(f"{what}: {name}={rule.expected} expected, got {quoted(given)}")


def called(what: str, function: Callable[..., Any], *arguments: object) -> Any:
    """Call a user-defined function and return its result.

    Args:
        what: description of the function and of its arguments, for the message.

    Raises:
        UsageError: the function failed outside its author's code, because of its signature or
            of the values it passed to a library. An exception raised in the author's own code
            is passed on unchanged.
    """
    try:
        return function(*arguments)
    except AllometryError:
        raise
    except Exception as error:
        if raised_at(error) is not None:
            raise
        raise UsageError(f"{what}: {in_one_line(error)}") from error


def lacking(part: object, member: str) -> "UsageError":
    """The error for a user-defined class that lacks a method every such class must define."""
    return UsageError(
        f"{type(part).__name__} does not define {member}: define it, see its base class"
    )


def raised_at(error: BaseException) -> str | None:
    """Where in the user's own code an exception was raised: file, line and function.

    The user's own code is all code outside this package, the standard library and installed
    packages.

    Returns:
        The innermost such place, ``mine.py, line 12, in runs``; None if no frame is the user's.
    """
    import sysconfig  # imported here because only errors need it
    import traceback
    from pathlib import Path

    if isinstance(error, SyntaxError) and error.filename and error.filename[0] != "<":
        return f"{error.filename}, line {error.lineno}"
    libraries = (Path(__file__).parent, sysconfig.get_path("stdlib"))
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = frame.f_code.co_filename
        is_installed = {"site-packages", "dist-packages"} & {*Path(file).parts}
        is_generated = file.startswith("<") and file != "<stdin>"
        in_library = any(Path(file).is_relative_to(folder) for folder in libraries)
        if not (is_installed or is_generated or in_library):
            functions = frame.f_code.co_qualname.split(".<locals>.")
            named = [name for name in functions if name[0] != "<"]  # drops lambdas, comprehensions
            return f"{file}, line {line}" + (f", in {named[-1]}" if named else "")
    return None


def in_one_line(error: BaseException) -> str:
    """The message of an exception, with the place in the user's own code where it was raised.

    The message of an `AllometryError` is kept; other messages begin with the exception's type.
    """
    place = raised_at(error)
    where = f" ({place})" if place else ""
    if isinstance(error, AllometryError):
        return _cut(str(error)) + where
    message = _words(error)
    if hasattr(error, "errors") and hasattr(error, "title"):  # a field of a spec, by pydantic
        wrong = []
        for e in error.errors():
            field = f"{'.'.join(map(str, e['loc']))}: " if e["loc"] else ""
            wrong.append(field + e["msg"].removeprefix("Value error, "))
        message = f"{error.title}: {'; '.join(wrong)}"
    if isinstance(error, AttributeError) and error.name is not None:
        members = (name for name in dir(error.obj) if not name.startswith("_"))
        message += did_you_mean(error.name, members)
    return _cut(f"{type(error).__name__}: {message}") + where


def _words(error: BaseException) -> str:
    """The first line of an exception's message, even if its own `__str__` fails."""
    import traceback

    if isinstance(error, SyntaxError):
        return error.msg
    message = str(traceback.TracebackException(type(error), error, None))
    return message.strip().partition("\n")[0]


class AllometryError(Exception):
    """Base class of errors meant for users. `exit_code` follows sysexits.h."""

    exit_code = 1


class UsageError(AllometryError):
    """A name, option or value that does not exist or does not fit."""

    exit_code = 2


class DataError(AllometryError):
    """Data that must not be used: a damaged file, a bad cell, a changed spec."""

    exit_code = 65


class UnavailableError(AllometryError):
    """Something needed could not be fetched or started."""

    exit_code = 69


class DiskError(AllometryError):
    """A file could not be written, because the disk is full or permission is missing."""

    exit_code = 74


class StoreBusyError(AllometryError):
    """Another process holds the store for writing."""

    exit_code = 75


def as_told(error: BaseException) -> AllometryError | None:
    """The `AllometryError` for an uncaught `OSError` or `UnicodeError`.

    Returns:
        None for any other exception: it is a defect, and its traceback should be shown.
    """
    if isinstance(error, OSError):
        path, what = error.filename, error.strerror or str(error) or type(error).__name__
        where = f"{os.fsdecode(path)}: " if isinstance(path, str | bytes) else ""
        return DiskError(f"{where}{what}; choose another file, or make room and try again")
    if isinstance(error, UnicodeError):
        return DataError(f"text in UTF-8 expected: {error}")
    return None
