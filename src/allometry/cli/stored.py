"""Commands on the contents of a store: status, verify, backup, table."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from allometry.cli.help import example
from allometry.cli.options import (
    FILE,
    as_json,
    completed_by,
    in_store,
    of_size,
    to_file,
    with_changes,
)
from allometry.cli.output import (
    print_csv,
    print_json,
    print_line,
    prints_on_stderr,
    say,
    write_table,
)

__all__ = ["backup", "status", "table", "verify"]


@click.command(
    short_help="Show the progress of each study in the store.",
    epilog=example("status --store allometry.db"),
)
@in_store
@as_json
def status(store: Path, as_json: bool) -> None:
    """Show the progress of each study in the store: runs by status, dates, training time."""
    from allometry.cli.status_screen import status_lines
    from allometry.store import Store

    with Store(store) as opened:
        entries = opened.status()
    if as_json:
        print_json("status", store=str(store), studies=[e.document() for e in entries])
        return
    print_line(store)
    for line in status_lines(entries):
        print_line(line)


@click.command(short_help="Check that no stored run is damaged.", epilog=example("verify"))
@in_store
@click.option(
    "--salvage",
    type=FILE,
    help="Copy everything undamaged into this new store.",
)
@as_json
def verify(store: Path, salvage: Path | None, as_json: bool) -> None:
    """Recompute the hash of every run in the store; exits with 65 if something is damaged."""
    from allometry.store import Store

    with Store(store) as opened:
        verification = opened.salvage(salvage) if salvage else opened.verify()
    damaged = [{"run_id": d.run_id, "what": d.what} for d in verification.damaged]
    if as_json:
        print_json("verify", store=str(store), runs=verification.runs, damaged=damaged)
    else:
        say(f"{store}: {verification.runs} runs, {len(damaged)} damaged")
        for entry in damaged:
            print_line(f"{entry['run_id']}  {entry['what']}")
    if damaged:
        say(
            f"everything undamaged is in {salvage}"
            if salvage
            else "the next `allometry run` sets damaged runs aside and trains them again; if the "
            "file itself is damaged, `allometry verify --salvage NEW.db` copies the undamaged part"
        )
        sys.exit(65)


@click.command(
    short_help="Copy the store, even while a run writes to it.", epilog=example("backup copy.db")
)
@click.argument("copy", type=FILE)
@in_store
def backup(copy: Path, store: Path) -> None:
    """Copy the store into a new file COPY, even while a run writes to it."""
    from allometry.store import Store

    with Store(store) as opened:
        opened.backup(copy)
    print_line(copy)


@click.command(
    short_help="The runs of a study as CSV or Parquet.",
    epilog=example("table mlp_parameter_scaling -o runs.csv"),
)
@click.argument("study", shell_complete=completed_by("studies"))
@of_size
@click.option("--view", help="Another form of the table that the study offers.")
@with_changes
@in_store
@to_file
@as_json
def table(
    study: str, size: str | None, view: str | None, changes: Mapping[str, str], store: Path,
    output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Write the runs of STUDY as CSV, one row a run, to stdout, or as CSV or Parquet to a file."""
    from allometry.studies import study as find
    from allometry.studies import table as stored_table

    with prints_on_stderr():
        rows = stored_table(study, store=store, size=size, changes=changes)
        if view:
            rows = find(study, store=store).view(view, rows)
    if output:
        write_table(output, rows)
    if as_json:
        print_json("table", study=study, view=view, rows=[*rows])
    elif output:
        say(f"{output}: {len(rows)} rows, {len(rows.columns)} columns")
    else:
        print_csv(rows)
