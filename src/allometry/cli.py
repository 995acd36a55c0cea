"""The command line: parse, one library call, print.

Data go to stdout, talk to stderr; with ``--json`` stdout holds one document
with a ``schema``. Libraries are imported inside the commands, so that
``--help`` answers at once.
"""

import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from allometry.errors import AllometryError, DiskError, UsageError

__all__ = ["main"]

SIZES = ("quick", "notebook", "paper")
INTERRUPTED = 130

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
in_store = click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("allometry.db"),
    envvar="ALLOMETRY_STORE",
    show_default=True,
    help="The SQLite file that holds the runs.",
)
of_size = click.option("--size", type=click.Choice(SIZES), help="Default: the largest one stored.")
to_file = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write."
)
with_changes = click.option(
    "--set", "changes", multiple=True, metavar="FIELD=VALUE",
    help="Change a field of every run, train.epochs=3 say; may be repeated.",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code; errors meant for people have no traceback."""
    try:
        code = commands.main(args=arguments, prog_name="allometry", standalone_mode=False)
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted; what was finished is stored, the same command goes on from there")
        code = INTERRUPTED
    except AllometryError as error:
        _say(f"allometry: {error}")
        code = error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="allometry")
def commands() -> None:
    """A workbench for neural scaling laws: train many small networks, keep every result, fit
    laws honestly, show it."""


@commands.command("list")
@as_json
def list_(as_json: bool) -> None:
    """Studies, laws and data sets there are."""
    from allometry import datasets, laws, studies

    shipped = [studies.study(name) for name in studies.names()]
    known, sets = laws.available(), datasets.available()
    if as_json:
        _print_json(
            "list",
            studies=[
                {"name": s.name, "title": s.title, "question": s.question, "sizes": s.sizes}
                for s in shipped
            ],
            laws=[{"name": name, "formula": law.formula} for name, law in sorted(known.items())],
            data_sets=[{"name": d.name, "title": d.title} for d in sets],
        )
        return
    _columns("Studies", [(s.name, f"{s.title} ({', '.join(s.sizes)})") for s in shipped])
    _columns("Laws", [(name, law.formula) for name, law in sorted(known.items())])
    _columns("Data sets", [(d.name, d.title) for d in sets])


@commands.command()
@click.argument("study")
@click.option("--size", type=click.Choice(SIZES), default="quick", show_default=True)
@click.option("--seeds", type=click.IntRange(1, 10_000), help="How many, counted from the first.")
@click.option("--engine", type=click.Choice(["local"]), default="local", show_default=True)
@with_changes
@in_store
@as_json
def run(
    study: str, size: str, seeds: int | None, engine: str, changes: Sequence[str], store: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Train what STUDY (a name, or a file of yours) still lacks, and say what it found."""
    from allometry.run import run as run_study
    from allometry.studies import study as find
    from allometry.terminal import Bar

    chosen = find(study)
    with Bar() as bar:
        outcome = run_study(
            chosen, size, seeds=seeds, store=store, changes=_changes(changes), progress=bar
        )
    findings = outcome.findings
    if as_json:
        _print_json(
            "outcome",
            study=chosen.name,
            size=size,
            store=str(store),
            runs=len(outcome.table),
            trained=outcome.trained,
            stored_before=outcome.stored_before,
            diverged=outcome.diverged,
            pending=outcome.pending,
            interrupted=outcome.interrupted,
            seconds=outcome.seconds,
            findings=[_finding(f) for f in findings],
        )
    else:
        _say(
            f"{chosen.name} ({size}): {outcome.trained} runs trained, {outcome.stored_before} "
            f"were stored, {outcome.diverged} diverged, {outcome.pending} pending; {store}"
        )
        _show_findings(findings)
    if outcome.interrupted:
        _say("stopped; the same command goes on from here")
        sys.exit(outcome.exit_code)


@commands.command()
@in_store
@as_json
def status(store: Path, as_json: bool) -> None:
    """What was declared, what is done and what is pending, for each study in the store."""
    from allometry.store import Store

    with Store(store) as opened:
        entries = [entry._asdict() for entry in opened.status()]
    if as_json:
        _print_json("status", store=str(store), studies=entries)
    else:
        _columns(
            str(store),
            [
                (
                    " ".join(filter(None, (e["study"], e["size"], e["variant"]))),
                    f"{e['done']} of {e['declared']} done, {e['diverged']} diverged, "
                    f"{e['pending']} pending",
                )
                for e in entries
            ],
        )


@commands.command()
@in_store
@click.option(
    "--salvage",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Copy what is whole into this new store.",
)
@as_json
def verify(store: Path, salvage: Path | None, as_json: bool) -> None:
    """Re-hash every run in the store; exits 65 where something is damaged."""
    from allometry.store import Store

    with Store(store) as opened:
        found = opened.salvage(salvage) if salvage else opened.verify()
    damaged = [{"run_id": d.run_id, "what": d.what} for d in found.damaged]
    if as_json:
        _print_json("verify", store=str(store), runs=found.runs, damaged=damaged)
    else:
        _say(f"{store}: {found.runs} runs, {len(damaged)} damaged")
        for entry in damaged:
            click.echo(f"{entry['run_id']}  {entry['what']}")
    if damaged:
        _say(
            f"what is whole is in {salvage}"
            if salvage
            else "damaged runs are set aside and trained again by the next `allometry run`; where "
            "the file itself is damaged, `allometry verify --salvage NEW.db` copies what is whole"
        )
        sys.exit(65)


@commands.command()
@click.argument("copy", type=click.Path(dir_okay=False, path_type=Path))
@in_store
def backup(copy: Path, store: Path) -> None:
    """Copy the store into a new file COPY, also while a run writes to it."""
    from allometry.store import Store

    with Store(store) as opened:
        opened.backup(copy)
    click.echo(copy)


@commands.command()
@click.argument("study")
@of_size
@with_changes
@in_store
@to_file
@as_json
def table(
    study: str, size: str | None, changes: Sequence[str], store: Path, output: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """The runs of STUDY as CSV, one row a run, to stdout or a file."""
    from allometry import results

    rows = results.table(_stored_name(study), store=store, size=size, changes=_changes(changes))
    text = _write(output, lambda path: rows.to_csv(path)) if output else rows.to_csv()
    if as_json:
        _print_json("table", study=study, rows=[_plain(row) for row in rows])
    elif output:
        _say(f"{output}: {len(rows)} runs, {len(rows.columns)} columns")
    else:
        click.echo(text, nl=False)


@commands.command()
@click.argument("study")
@of_size
@with_changes
@in_store
@to_file
@as_json
def report(
    study: str, size: str | None, changes: Sequence[str], store: Path, output: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """One HTML page about STUDY, with its figures as PNG and SVG and its runs as CSV beside it."""
    from allometry.pages import publish
    from allometry.studies import study as find

    chosen = find(study)
    asked = _changes(changes)
    path = output or Path("reports") / f"{chosen.name}.html"
    page = _write(path, lambda path: publish(chosen, path, store=store, size=size, changes=asked))
    if as_json:
        _print_json(
            "report",
            study=chosen.name,
            size=page.size,
            files=[str(f) for f in page.files],
            findings=[_finding(f) for f in page.findings],
        )
        return
    _show_findings(page.findings)
    for file in page.files:
        click.echo(file)


@commands.group()
def data() -> None:
    """Data sets: what there is, and getting them."""


@data.command("list")
@as_json
def data_list(as_json: bool) -> None:
    """Data sets, and where their files lie when they are here."""
    from allometry import datasets

    rows = [(d, datasets.find(d.name)) for d in datasets.available()]
    if as_json:
        _print_json(
            "data",
            data_sets=[
                {"name": d.name, "title": d.title, "licence": d.licence,
                 "folder": str(path) if path else None}
                for d, path in rows
            ],
        )  # fmt: skip
    else:
        shown = [(d.name, f"{path or 'not here yet'}  {d.title}") for d, path in rows]
        _columns("Data sets", shown)


@data.command("get")
@click.argument("name")
@as_json
def data_get(name: str, as_json: bool) -> None:
    """Get a data set, checked byte for byte; nothing is done where it is here already."""
    from allometry import datasets

    path = datasets.get(name, progress=_say)
    if as_json:
        _print_json("data", name=name, folder=str(path))
    else:
        click.echo(path)


def _stored_name(study: str) -> str:
    """A study's name in the store: its own file, where a path is given, says it."""
    if not study.endswith(".py"):
        return study
    from allometry.studies import study as find

    return find(study).name


def _changes(pairs: Sequence[str]) -> dict[str, str]:
    changes = {}
    for pair in pairs:
        field, equals, value = pair.partition("=")
        if not equals or not field:
            raise UsageError(f"--set FIELD=VALUE expected, got {pair!r}")
        changes[field] = value
    return changes


def _write(path: Path, write: Callable[[Path], Any]) -> Any:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return write(path)
    except OSError as error:
        raise DiskError(f"cannot write {path}: {error.strerror or error}") from error


def _print_json(schema: str, **fields: Any) -> None:
    document = {"schema": f"allometry/{schema}/1", **_plain(fields)}
    click.echo(json.dumps(document, allow_nan=False, ensure_ascii=False))


def _plain(value: Any) -> Any:
    """JSON data; what is not a finite number is null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _finding(finding: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(finding)


def _show_findings(findings: Sequence[Any]) -> None:
    from allometry.terminal import show_findings

    show_findings(findings)


def _columns(title: str, rows: Sequence[tuple[str, str]]) -> None:
    width = max((len(name) for name, _ in rows), default=0)
    click.echo(title)
    for name, text in rows:
        click.echo(f"  {name:<{width}}  {text}")


def _say(text: str) -> None:
    click.echo(text, err=True)
