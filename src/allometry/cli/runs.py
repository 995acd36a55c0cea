"""Commands that train, keep and show: list, run, status, verify, backup, table, report."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from allometry.cli.explain import explain as explain_packs
from allometry.cli.options import (
    SIZES,
    as_json,
    by_engine,
    engine_of,
    in_store,
    of_size,
    pairs,
    to_file,
    with_changes,
    with_hung_after,
    with_workers,
)
from allometry.cli.output import columns, finding_document, plain, print_json, say, write
from allometry.errors import UsageError

if TYPE_CHECKING:
    from allometry.engines import Failure

__all__ = ["backup", "list_", "report", "run", "status", "table", "verify"]

LOGS_SHOWN, LINES_SHOWN = 3, 30  # of failures; --json has all


@click.command("list")
@as_json
def list_(as_json: bool) -> None:
    """Studies, laws and data sets there are."""
    from allometry import datasets, laws, studies

    shipped = [studies.study(name) for name in studies.names()]
    known, sets = laws.available(), datasets.available()
    if as_json:
        print_json(
            "list",
            studies=[
                {"name": s.name, "title": s.title, "question": s.question, "sizes": s.sizes}
                for s in shipped
            ],
            laws=[{"name": name, "formula": law.formula} for name, law in sorted(known.items())],
            data_sets=[{"name": d.name, "title": d.title} for d in sets],
        )
        return
    columns("Studies", [(s.name, f"{s.title} ({', '.join(s.sizes)})") for s in shipped])
    described = {
        name: law.formula if law.name == name else f"another name of {law.name}"
        for name, law in known.items()
    }
    columns("Laws", sorted(described.items()))
    columns("Data sets", [(d.name, d.title) for d in sets])


@click.command()
@click.argument("study")
@click.option("--size", type=click.Choice(SIZES), default="quick", show_default=True)
@click.option("--seeds", type=click.IntRange(1, 10_000), help="How many, counted from the first.")
@by_engine
@with_workers
@with_hung_after
@click.option(
    "--checkpoint-every",
    type=click.FloatRange(min=0),
    metavar="MINUTES",
    help="Keep a pack under way so often; 0 for never. Default: 5, for the local engine.",
)
@click.option("--explain", is_flag=True, help="Show the packs and their cost; train nothing.")
@with_changes
@in_store
@as_json
def run(
    study: str, size: str, seeds: int | None, engine: str, workers: int | None,
    hung_after: float, checkpoint_every: float | None, explain: bool, changes: Sequence[str],
    store: Path, as_json: bool,
) -> None:  # fmt: skip
    """Train what STUDY (a name, or a file of yours) still lacks, and say what it found."""
    from allometry.training.compile_cache import keep_programs

    keep_programs()  # before anything below brings JAX
    from allometry.cli.terminal import Bar, show_findings
    from allometry.run import run as run_study
    from allometry.studies import study as find

    chosen = find(study)
    if explain:
        explain_packs(chosen, size, seeds, pairs("--set", changes, "FIELD=VALUE"), store, as_json)
        return
    with Bar() as bar:
        outcome = run_study(
            chosen,
            size,
            seeds=seeds,
            store=store,
            changes=pairs("--set", changes, "FIELD=VALUE"),
            engine=lambda: engine_of(engine, workers, hung_after),
            progress=bar,
            checkpoint_every=checkpoint_every,
        )
    findings = outcome.findings
    if as_json:
        print_json(
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
            failures=[asdict(failure) for failure in outcome.failures],
            seconds=outcome.seconds,
            findings=[finding_document(f) for f in findings],
        )
    else:
        say(
            f"{chosen.name} ({size}): {outcome.trained} runs trained, {outcome.stored_before} "
            f"were stored, {outcome.diverged} diverged, {outcome.pending} pending; {store}"
        )
        show_findings(findings)
    _say_failures(outcome.failures)
    if outcome.interrupted:
        say("stopped; the same command goes on from here")
    if outcome.exit_code:
        sys.exit(outcome.exit_code)


def _say_failures(failures: "Sequence[Failure]") -> None:
    """Each with its runs and reason, the first few with what they wrote."""
    for i, failure in enumerate(failures):
        names = ", ".join(run_id[:12] for run_id in failure.run_ids[:4])
        more = f" and {len(failure.run_ids) - 4} more" if len(failure.run_ids) > 4 else ""
        say(f"failed: {names}{more}: {failure.reason}")
        if i < LOGS_SHOWN:
            say(
                "".join(
                    f"    {line}\n" for line in failure.log.splitlines()[-LINES_SHOWN:]
                ).rstrip()
            )
    if failures:
        say("these runs stay pending: the same command tries them again")


@click.command()
@in_store
@as_json
def status(store: Path, as_json: bool) -> None:
    """What was declared, what is done and what is pending, for each study in the store."""
    from allometry.store import Store

    with Store(store) as opened:
        entries = [entry._asdict() for entry in opened.status()]
    if as_json:
        print_json("status", store=str(store), studies=entries)
    else:
        columns(
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


@click.command()
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
        print_json("verify", store=str(store), runs=found.runs, damaged=damaged)
    else:
        say(f"{store}: {found.runs} runs, {len(damaged)} damaged")
        for entry in damaged:
            click.echo(f"{entry['run_id']}  {entry['what']}")
    if damaged:
        say(
            f"what is whole is in {salvage}"
            if salvage
            else "damaged runs are set aside and trained again by the next `allometry run`; where "
            "the file itself is damaged, `allometry verify --salvage NEW.db` copies what is whole"
        )
        sys.exit(65)


@click.command()
@click.argument("copy", type=click.Path(dir_okay=False, path_type=Path))
@in_store
def backup(copy: Path, store: Path) -> None:
    """Copy the store into a new file COPY, also while a run writes to it."""
    from allometry.store import Store

    with Store(store) as opened:
        opened.backup(copy)
    click.echo(copy)


@click.command()
@click.argument("study")
@of_size
@click.option("--view", help="Another form of the table that the study offers.")
@with_changes
@in_store
@to_file
@as_json
def table(
    study: str, size: str | None, view: str | None, changes: Sequence[str], store: Path,
    output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """The runs of STUDY as CSV, one row a run, to stdout or a file."""
    from allometry.store import results

    rows = results.table(
        _stored_name(study), store=store, size=size, changes=pairs("--set", changes, "FIELD=VALUE")
    )
    if view:
        from allometry.studies import study as find

        rows = find(study).view(view, rows)
    if output:
        write(output, rows.to_csv)
    if as_json:
        print_json("table", study=study, view=view, rows=[plain(row) for row in rows])
    elif output:
        say(f"{output}: {len(rows)} rows, {len(rows.columns)} columns")
    else:
        click.echo(rows.to_csv(), nl=False)


@click.command()
@click.argument("study", required=False)
@of_size
@with_changes
@in_store
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Page to write (.html), or folder of pages.",
)
@as_json
def report(
    study: str | None, size: str | None, changes: Sequence[str], store: Path, output: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """One HTML page about STUDY, with its figures as PNG and SVG and its runs as CSV beside it.

    Without STUDY: a folder of pages about every study in the store, and an index of them.
    """
    from allometry.report.publish import publish, publish_all
    from allometry.studies import names
    from allometry.studies import study as find

    if study is None:
        if size or changes:
            raise UsageError("--size and --set are for one study: name it")
        folder, shipped = output or Path("reports"), [find(name) for name in names()]
        pages = write(folder / "index.html", lambda path: publish_all(shipped, folder, store=store))
        written = [str(folder / "index.html"), *(str(page.files[0]) for page in pages)]
        if as_json:
            print_json("reports", files=written, studies=[page.study.name for page in pages])
        for file in [] if as_json else written:
            click.echo(file)
        return
    chosen = find(study)
    asked = pairs("--set", changes, "FIELD=VALUE")
    place = output or Path("reports")
    path = place if place.suffix == ".html" else place / f"{chosen.name}.html"
    page = write(path, lambda path: publish(chosen, path, store=store, size=size, changes=asked))
    if as_json:
        print_json(
            "report",
            study=chosen.name,
            size=page.size,
            files=[str(f) for f in page.files],
            findings=[finding_document(f) for f in page.findings],
        )
        return
    for file in page.files:
        click.echo(file)


def _stored_name(study: str) -> str:
    """A study's name in the store: its own file, where a path is given, says it."""
    if not study.endswith(".py"):
        return study
    from allometry.studies import study as find

    return find(study).name
