"""Shell completion of studies, sizes, laws and columns. It only reads, and prints no messages.

The tab key waits for completion, so no numerical library is loaded. Names come from the listing of
the package, from the declared runs in the store, and from the first lines of the typed table. A
study's file is parsed, never run. If something cannot be read, nothing is completed, and the
command itself reports the error.
"""

import ast
import json
import os
import re
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

from allometry.cli.names import FLOPS, listed
from allometry.errors import AllometryError, printable
from allometry.files.foreign import expanded, is_file, is_folder, read_bytes
from allometry.fitting.options import ObjectiveName
from allometry.spec.sizes import SIZES

__all__ = [
    "Bash", "columns", "data_sets", "flops", "laws", "list_of_laws", "mapped_columns", "objectives",
    "sizes", "stored_columns", "studies",
]  # fmt: skip

Items = list[CompletionItem[str]]
R = TypeVar("R")
LARGEST = 1_000_000  # bytes read of a study's file
# Characters that bash interprets: outside quotation marks, and inside each kind.
SPECIAL = {"": r"[^\w@%+=:,./-]", "'": r"(?!)", '"': r'[$`"\\]'}
BREAKS = frozenset("=:")  # characters at which bash splits a word


class Bash(BashComplete):
    """Completion for bash, which splits words at ``=`` and ``:`` and completes the last part."""

    before = ""  # the part of the last word that bash does not replace
    quote = ""  # the quotation mark that opens the last word

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor, and the word at the cursor."""
        parts, last = super().get_completion_args()
        typed = os.environ["COMP_WORDS"].split("\n")[-1]
        self.quote = typed[:1] if typed[:1] in ("'", '"') else ""
        words: list[str] = []
        joined = False
        for part in [*parts, last]:
            is_break = bool(part) and {*part} <= BREAKS
            joined = bool(words) and bool(part) and (is_break or joined)
            words[-1:] = [words[-1] + part] if joined else [*words[-1:], part]
            joined = is_break
        word = words.pop()
        self.before = word if last and {*last} <= BREAKS else word.removesuffix(last)
        return words, word

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """The text that replaces the last part, with characters escaped that bash interprets."""
        value = str(item.value).removeprefix(self.before)
        if item.type == "plain":
            value = re.sub(SPECIAL[self.quote], r"\\\g<0>", value)
        return super().format_completion(CompletionItem(value, item.type))


add_completion_class(Bash)


def studies(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Shipped and stored studies by name, and the user's studies by file or folder."""
    if os.sep in incomplete or incomplete[:1] in (".", "~"):
        return [CompletionItem(incomplete, type="file")]
    titles = {entry["name"]: entry["title"] for entry in listed()["studies"]}
    titles |= {name: "stored" for name, _ in _declared(ctx) if name not in titles}
    files = {path.name: "a study of yours" for path in _own_studies()}
    items = _beginning(incomplete, titles | files)
    return items or [CompletionItem(incomplete, type="file")]


def sizes(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Sizes of the typed study: those it ships with, or those in its file and in the store."""
    study = _typed(ctx, "study")
    shipped = {entry["name"]: entry["sizes"] for entry in listed()["studies"]}
    if study in shipped:
        return _beginning(incomplete, shipped[study])
    of_file: Sequence[str] = ()
    if study is not None:
        name, of_file = _name_and_sizes(_file_of(study))
        study = name or study
    stored = [size for name, size in _declared(ctx) if study in (None, name)]
    return _beginning(incomplete, dict.fromkeys((*of_file, *stored)) or SIZES)


def laws(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Laws by name with their formulas, or files of user-defined laws."""
    if os.sep in incomplete or incomplete[:1] in (".", "~"):
        return [CompletionItem(incomplete, type="file")]
    formulas = {entry["name"]: entry["formula"] for entry in listed()["laws"]}
    return _beginning(incomplete, formulas) or [CompletionItem(incomplete, type="file")]


def data_sets(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Data sets by name."""
    return _beginning(
        incomplete, {entry["name"]: entry["title"] for entry in listed()["data_sets"]}
    )


def columns(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Columns of the typed table."""
    return _beginning(incomplete, _columns_of(_typed(ctx, "table", "source")))


def mapped_columns(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Columns after the equals sign of ``SYMBOL=COLUMN``."""
    symbol, equals, column = incomplete.partition("=")
    return _behind(f"{symbol}=", columns(ctx, param, column)) if equals else []


def stored_columns(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Columns of the stored runs of the typed study."""
    study = _typed(ctx, "study") or ""
    name = _name_and_sizes(_file_of(study))[0] or study
    return _beginning(incomplete, ["seed", *_measured(ctx, name), "status", "seconds"])


def list_of_laws(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """The last law of a comma-separated list."""
    before, comma, last = incomplete.rpartition(",")
    return _behind(before + comma, laws(ctx, param, last))


def flops(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """The last FLOP convention of a comma-separated list."""
    before, comma, last = incomplete.rpartition(",")
    return _behind(before + comma, _beginning(last, FLOPS))


def objectives(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Objectives by name."""
    return _beginning(incomplete, get_args(ObjectiveName))


def _behind(before: str, items: Items) -> Items:
    return [CompletionItem(before + item.value, item.type, item.help) for item in items]


def _beginning(incomplete: str, names: Iterable[str]) -> Items:
    """An item for each name that begins with the typed text; a mapping adds descriptions.

    Names may come from files of other people. Names with control characters are left out, and
    names with an apostrophe, which cannot be escaped between apostrophes.
    """
    beside = names if isinstance(names, dict) else {}
    return [
        CompletionItem(name, help=beside.get(name))
        for name in names
        if name.startswith(incomplete)
        and printable(name) == name
        and not {"\n", "\t", "'"} & {*name}
    ]


def _typed(ctx: click.Context, *names: str) -> str | None:
    """The argument of one of these names as typed; None if it is missing.

    If the last option lacks its value, Click leaves the arguments unparsed in `ctx.args`.
    """
    value = next((v for name in names if (v := ctx.params.get(name)) is not None), None)
    return str(value) if value is not None else next(iter(ctx.args), None)


def _columns_of(table: str | None) -> list[str]:
    from allometry.tables.head import column_names

    try:
        return column_names(expanded(table)) if table else []
    except AllometryError:  # no file, or no table: the command reports it
        return []


def _own_studies() -> list[Path]:
    """Python files in the current folder, and its subfolders with a study."""
    try:
        paths = sorted(Path().iterdir())
    except OSError:
        return []
    return [path for path in paths if path.suffix == ".py" or is_file(path / "study.py")]


def _file_of(study: str) -> Path:
    """The file of a user-defined study; it need not exist."""
    try:
        path = expanded(study)
    except AllometryError:  # ``~user`` of an unknown user
        return Path(study)
    return path / "study.py" if is_folder(path) else path


def _name_and_sizes(file: Path) -> tuple[str | None, tuple[str, ...]]:
    """Name and sizes that a study's file states literally; None and () if they are computed."""
    try:
        with warnings.catch_warnings(action="ignore"):  # shown when the study is run
            tree = ast.parse(read_bytes(file, LARGEST))
    except (AllometryError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None, ()
    written: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Study":
            for keyword in node.keywords:
                if keyword.arg in ("name", "sizes"):
                    try:
                        written[keyword.arg] = ast.literal_eval(keyword.value)
                    except ValueError:  # a computed value
                        continue
    return written.get("name"), tuple(written.get("sizes", ()))


def _declared(ctx: click.Context) -> list[tuple[str, str]]:
    """Study and size of the runs in the store."""

    def by_key(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
        # Each distinct value is searched for after the last: a store may declare a million runs.
        for study in _each(connection, "SELECT min(study) FROM declared WHERE study > ?"):
            query = "SELECT min(size) FROM declared WHERE study = ? AND size > ?"
            for size in _each(connection, query, study):
                yield study, size

    return _read(ctx, by_key)


def _each(connection: sqlite3.Connection, query: str, *values: str) -> Iterator[str]:
    """The texts found by repeating a query, each time with the last text, until it finds none."""
    text = ""
    while True:
        (text,) = connection.execute(query, (*values, text)).fetchone()
        if text is None:
            return
        yield text


def _measured(ctx: click.Context, study: str) -> list[str]:
    """Columns of one stored run of a study."""

    def names(connection: sqlite3.Connection) -> Iterator[str]:
        query = "SELECT row FROM declared JOIN runs USING (run_id) WHERE study = ? LIMIT 1"
        for (row,) in connection.execute(query, [study]):
            yield from json.loads(row)

    return _read(ctx, names)


def _read(ctx: click.Context, rows: Callable[[sqlite3.Connection], Iterator[R]]) -> list[R]:
    """The rows read from the store; none if the store is missing or damaged.

    `immutable` keeps SQLite from making a log, shared memory and locks beside the file. The last
    runs may be missing while another process writes.
    """
    path = ctx.params.get("store")
    if path is None or not is_file(path):
        return []
    address = f"{Path(path).resolve().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            return list(rows(connection))
    except (sqlite3.Error, ValueError):  # ValueError: damaged JSON
        return []
