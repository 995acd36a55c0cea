"""The output of commands: a JSON document or columns on stdout, messages on stderr, files.

All text for the terminal passes `printable`, here or in `terminal.Screen`: text from files and
stores may hold control characters. No other module of the command line writes to the terminal.
"""

import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TypeVar

import click

from allometry.errors import DiskError, printable
from allometry.files.documents import json_document

if TYPE_CHECKING:
    from allometry.findings import Finding
    from allometry.tables.table import Table

__all__ = [
    "columns", "finding_document", "in_a_line", "on_stdout", "print_csv", "print_json",
    "print_line", "print_text", "prints_on_stderr", "say", "say_lines", "write",
    "write_table",
]  # fmt: skip

T = TypeVar("T")
STDOUT, STDERR = 1, 2
MARGIN = "  "  # before names, and between names and texts
LEAST_ROOM = 40  # with fewer columns left, a text stands below its name


def write(path: Path, make: Callable[[Path], T]) -> T:
    """Make the folder of the path, call `make` with the path and return its result.

    Raises:
        DiskError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return make(path)
    except OSError as error:
        raise DiskError(f"cannot write {path}: {error.strerror or error}") from error


def write_table(path: Path, table: "Table") -> None:
    """Write a table as Parquet if the name ends in .parquet, else as CSV.

    Raises:
        DiskError: the file cannot be written.
    """
    write(path, table.to_parquet if path.suffix.lower() == ".parquet" else table.to_csv)


def print_json(schema: str, **fields: object) -> None:
    """Print one JSON document with its schema on stdout."""
    _print(json_document(schema, **fields))


def print_csv(table: "Table") -> None:
    """A table on stdout, as `print_text` writes it."""
    print_text(table.to_csv() or "")


def print_text(text: str) -> None:
    """Print text on stdout: made `printable` on a terminal, else unchanged in UTF-8."""
    if sys.stdout.isatty():
        _print(printable(text), end="")
        return
    with on_stdout():
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()


def print_line(text: object) -> None:
    """Print one line of a result on stdout."""
    _print(in_a_line(str(text)))


def in_a_line(text: str) -> str:
    """The text made `printable`, with line feeds escaped as well."""
    return printable(text).replace("\n", r"\n")


@contextmanager
def on_stdout() -> Iterator[None]:
    """Translate errors of writing to stdout.

    Raises:
        Exit: the reader has closed the pipe (`| head`), so there is nobody to write for.
        DiskError: stdout cannot be written.
    """
    try:
        yield
    except BrokenPipeError:
        raise click.exceptions.Exit(0) from None
    except OSError as error:
        raise DiskError(f"cannot write to stdout: {error.strerror or error}") from error


def _print(text: str, end: str = "\n") -> None:
    with on_stdout():
        sys.stdout.write(text + end)
        sys.stdout.flush()


def finding_document(finding: "Finding") -> dict[str, Any]:
    """The fields of a finding."""
    return asdict(finding)


def columns(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print a title, and rows of a name and its text, on stdout.

    On a terminal texts are wrapped between words, and stand below their names if there is little
    room beside them. Elsewhere each row is one line.
    """
    width = max((len(name) for name, _ in rows), default=0)
    across = get_terminal_size().columns if sys.stdout.isatty() else None
    beside = f"{MARGIN}{'':<{width}}{MARGIN}"
    below = across is not None and across - len(beside) < LEAST_ROOM
    print_line(title)
    for name, text in rows:
        if below and name:
            print_line(f"{MARGIN}{name}")
        first = 2 * MARGIN if below else f"{MARGIN}{name:<{width}}{MARGIN}"
        for line in _wrapped(text, first, 2 * MARGIN if below else beside, across):
            print_line(line)


def _wrapped(text: str, first: str, later: str, across: int | None) -> list[str]:
    """Wrap a text to `across` columns; None leaves it in one line."""
    if across is None:
        return [first + text]
    return textwrap.wrap(
        text, across, initial_indent=first, subsequent_indent=later, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def say(text: str) -> None:
    """Print one line of a message on stderr."""
    say_lines(in_a_line(text))


def say_lines(text: str) -> None:
    """Print a message of several lines on stderr."""
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()


@contextmanager
def prints_on_stderr() -> Iterator[None]:
    """Redirect stdout to stderr, for a study's code and the programs it starts."""
    sys.stdout.flush()
    stdout = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(stdout, STDOUT)
        os.close(stdout)
