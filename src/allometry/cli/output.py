"""What commands write: one JSON document or columns on stdout, talk on stderr, files."""

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from allometry.errors import DiskError

if TYPE_CHECKING:
    from allometry.findings import Finding

__all__ = ["columns", "finding_document", "plain", "print_json", "prints_on_stderr", "say", "write"]

T = TypeVar("T")
STDOUT, STDERR = 1, 2


def write(path: Path, make: Callable[[Path], T]) -> T:
    """What `make` gives for the path; its folder is made first.

    Raises:
        DiskError: when the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return make(path)
    except OSError as error:
        raise DiskError(f"cannot write {path}: {error.strerror or error}") from error


def print_json(schema: str, **fields: object) -> None:
    """One JSON document with its schema, on stdout."""
    document = {"schema": f"allometry/{schema}/1", **plain(fields)}
    click.echo(json.dumps(document, allow_nan=False, ensure_ascii=False))


def plain(value: Any) -> Any:
    """The value as JSON data; a float that is not finite becomes null."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def finding_document(finding: "Finding") -> dict[str, Any]:
    """The fields of a finding."""
    return asdict(finding)


def columns(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """A title and rows of a name and its text, on stdout."""
    width = max((len(name) for name, _ in rows), default=0)
    click.echo(title)
    for name, text in rows:
        click.echo(f"  {name:<{width}}  {text}")


def say(text: str) -> None:
    """One line of talk, on stderr."""
    click.echo(text, err=True)


@contextmanager
def prints_on_stderr() -> Iterator[None]:
    """While a study's code runs: what it prints is talk, and what programs print that it starts."""
    sys.stdout.flush()
    stdout = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(stdout, STDOUT)
        os.close(stdout)
