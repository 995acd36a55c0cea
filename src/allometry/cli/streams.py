"""The standard streams of a command: opened if closed, safe in any locale, flushed at the end."""

import io
import logging
import os
import sys
import traceback
import warnings
from contextlib import suppress
from functools import cache

import click

from allometry.cli.output import in_a_line, say_lines
from allometry.errors import printable

__all__ = ["close_stdout", "in_words_of_click", "open_streams", "tell"]


def open_streams() -> None:
    """Open closed standard streams, and make messages of libraries on stderr printable.

    A stream that the shell has closed (``>&-``) is opened on the null device. Otherwise the next
    opened file, a store for example, would get its descriptor and the printed text. Writing to
    such a stdout is an error. A character that the locale cannot encode is escaped.
    """
    for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
        if stream is None:
            _open_on_nothing(number)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    _say_printably()


def _open_on_nothing(number: int) -> None:
    name, mode, access = (
        ("stdin", "r", os.O_RDONLY),
        ("stdout", "w", os.O_RDONLY),
        ("stderr", "w", os.O_WRONLY),
    )[number]
    nothing = os.open(os.devnull, access)
    if nothing != number:
        os.dup2(nothing, number)
        os.close(nothing)
    setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


class _Printable(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        return in_a_line(super().formatMessage(record))

    def formatException(self, ei: object) -> str:
        return printable(super().formatException(ei))  # type: ignore[arg-type]


@cache  # `main` may be called many times in one process
def _say_printably() -> None:
    """Make warnings, tracebacks, and log records of unconfigured logging printable."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Printable())
    formatted = warnings.formatwarning
    warnings.formatwarning = lambda *args, **options: printable(formatted(*args, **options))
    sys.excepthook = lambda *error: say_lines("".join(traceback.format_exception(*error)).rstrip())


def close_stdout() -> None:
    """Flush stdout now: an error at interpreter exit could only be shown as a traceback."""
    try:
        sys.stdout.flush()
    except OSError:  # the failed write has already been reported
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell(text: str) -> None:
    """Print why a command ends on stderr."""
    with suppress(OSError):  # if stderr cannot be written, only the exit code tells
        say_lines(text)


def in_words_of_click(error: click.ClickException) -> str:
    """The usage line and the error, as Click shows them."""
    text = io.StringIO()
    error.show(text)
    return text.getvalue().rstrip("\n")
