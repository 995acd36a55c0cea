"""The situations a person can be told about, each with its exit code.

Every message says what was expected, what came, and what to do. The command
line prints the message and exits with `exit_code`; nothing else is caught.
"""

import os
import re
import reprlib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """The end of a message on an unknown name: the nearest there is, or nothing."""
    import difflib  # here: only where something is wrong

    folded = {name.casefold(): name for name in names}
    nearest = difflib.get_close_matches(word.casefold(), folded, n=1)
    return f"; did you mean {folded[nearest[0]]!r}?" if nearest else ""


def printable(text: str) -> str:
    """The text as a terminal may be given it: what would steer the terminal is written out.

    Names, cells and messages come from files of other people. Escape sequences, control
    characters, marks that turn the direction of writing, characters without width, and halves
    of surrogate pairs become what Python would write for them, ``\\x1b`` say. Ends of lines, tabs
    and all kinds of spaces stay, and a text without such characters comes back as it is.
    """
    return _UNUSUAL.sub(lambda match: _written_out(match[0]), text)


_UNUSUAL = re.compile(r"[^\n\t -~]")  # all of ASCII that can steer a terminal, and all beyond it


def _written_out(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()


def quoted(value: object) -> str:
    """What came, in a message: the beginning of its `repr`, also where that is long or fails."""
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 120
LONGEST = 1000  # characters of what an exception says


def _cut(text: str) -> str:
    """The text, or its beginning where it is longer than a person would read."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


class Rule(NamedTuple):
    """What a field of a value that a person makes may hold.

    Attributes:
        fits: whether a value may. expected: an example, or words.
    """

    fits: Callable[[Any], bool]
    expected: str


def check_fields(what: str, value: object, rules: Mapping[str, Rule]) -> None:
    """Refuse a value with a field that does not fit its rule.

    Args:
        what: the value is, for the message: "study mine".

    Raises:
        UsageError: naming the field, what it holds, and what was expected.
    """
    for name, rule in rules.items():
        given = getattr(value, name)
        if not rule.fits(given):
            raise UsageError(f"{what}: {name}={rule.expected} expected, got {quoted(given)}")


def called(what: str, function: Callable[..., Any], *arguments: object) -> Any:
    """What a function of a person's gives.

    Args:
        what: it is, and how it is called, for the message.

    Raises:
        UsageError: it fails in code that is not its author's: called so, or with these values.
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
    """What to raise where a class of one's own has not what every such class gives itself."""
    return UsageError(
        f"{type(part).__name__} has no {member} of its own: write one, as its base says"
    )


def raised_at(error: BaseException) -> str | None:
    """Where in a person's own code an exception was raised: file, line and function.

    Their own is what is neither this package, nor the standard library, nor an installed one.

    Returns:
        The innermost such place, ``mine.py, line 12, in runs``; None where there is none.
    """
    import sysconfig  # here: only where something is wrong
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
            named = [name for name in functions if name[0] != "<"]  # no comprehension, no lambda
            return f"{file}, line {line}" + (f", in {named[-1]}" if named else "")
    return None


def in_one_line(error: BaseException) -> str:
    """What an exception says, with the place in a person's own code where it was raised.

    An `AllometryError` is a sentence already, which gets its place alone.
    """
    place = raised_at(error)
    where = f" ({place})" if place else ""
    if isinstance(error, AllometryError):
        return _cut(str(error)) + where
    said = _words(error)
    if hasattr(error, "errors") and hasattr(error, "title"):  # a field of a spec, by pydantic
        wrong = []
        for e in error.errors():
            field = f"{'.'.join(map(str, e['loc']))}: " if e["loc"] else ""
            wrong.append(field + e["msg"].removeprefix("Value error, "))
        said = f"{error.title}: {'; '.join(wrong)}"
    if isinstance(error, AttributeError) and error.name is not None:
        there = (name for name in dir(error.obj) if not name.startswith("_"))
        said += did_you_mean(error.name, there)
    return _cut(f"{type(error).__name__}: {said}") + where


def _words(error: BaseException) -> str:
    """The first line of what an exception says of itself, also where its own code fails there."""
    import traceback

    if isinstance(error, SyntaxError):
        return error.msg
    said = str(traceback.TracebackException(type(error), error, None))
    return said.strip().partition("\n")[0]


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


def as_told(error: BaseException) -> AllometryError | None:
    """An error of files or of their text that nobody put into words, as a sentence.

    Returns:
        None for any other: a defect, of which the traceback is wanted.
    """
    if isinstance(error, OSError):
        path, what = error.filename, error.strerror or str(error) or type(error).__name__
        where = f"{os.fsdecode(path)}: " if isinstance(path, str | bytes) else ""
        return DiskError(f"{where}{what}; choose another file, or make room and try again")
    if isinstance(error, UnicodeError):
        return DataError(f"text in UTF-8 expected: {error}")
    return None
