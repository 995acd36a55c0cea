"""Commands for files of other experiment trackers: import and export."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from allometry.cli.help import example
from allometry.cli.options import (
    FILE_OR_FOLDER,
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
    write,
    write_table,
)
from allometry.tables.trackers.options import KINDS, RULES, Kind

__all__ = ["export", "import_"]


@click.command(
    "import",
    short_help="Convert runs that another program tracked to a table.",
    epilog=example("import runs/ -o runs.csv --value loss=smoothed"),
)
@click.argument("source", type=FILE_OR_FOLDER)
@click.option(
    "--from", "kind", type=click.Choice(KINDS), metavar="KIND",
    help="What wrote SOURCE: tensorboard, a folder of event files; mlflow, its SQLite file or "
    "folder mlruns; optuna and trackio, their SQLite files; wandb, a folder wandb or that of one "
    "run; wandb-export, a table of runs as CSV or JSON; trainer, a folder with trainer_state.json; "
    "csv, a folder of CSV files, one a run. Default: detected from the contents.",
)  # fmt: skip
@click.option(
    "--value", "rules", multiple=True, metavar="[METRIC=]RULE",
    help="Which value of a metric along training: last, that at the largest step; min or max, the "
    "smallest or largest; smoothed, the mean over the last tenth of the points. RULE applies to "
    "all metrics, METRIC=RULE to one; may be repeated. Default: last.",
)  # fmt: skip
@click.option(
    "--unfinished", is_flag=True,
    help="Include runs that failed, were stopped or are still running; see the column status.",
)  # fmt: skip
@to_file
@as_json
def import_(
    source: Path, kind: Kind | None, rules: Sequence[str], unfinished: bool, output: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Convert the finished runs that another program tracked in SOURCE to a table, one row a run.

    SOURCE is only read, and no account is needed. Configuration becomes columns with dotted names.
    """
    from allometry.tables.trackers.source import import_runs

    rows = import_runs(source, kind=kind, unfinished=unfinished, **_rules(rules))
    for note in rows.notes:
        say(note)
    if output:
        write_table(output, rows)
    if as_json:
        print_json("import", source=str(source), notes=rows.notes, rows=[*rows])
    elif output:
        say(f"{output}: {len(rows)} rows, {len(rows.columns)} columns")
    else:
        print_csv(rows)


def _rules(texts: Sequence[str]) -> dict[str, Any]:
    """The rule for all metrics, and those of single metrics; `import_runs` checks them."""
    values = {}
    value: str = RULES[0]
    for text in texts:
        metric, equals, rule = text.rpartition("=")
        if equals:
            values[metric] = rule
        else:
            value = rule
    return {"value": value, "values": values}


@click.command(
    short_help="Write the runs of a study for another program.",
    epilog=example("export mlp_parameter_scaling runs/ --to tensorboard"),
)
@click.argument("study", shell_complete=completed_by("studies"))
@click.argument("folder", type=FILE_OR_FOLDER)
@click.option(
    "--to", type=click.Choice(["tensorboard"]), required=True,
    help="The format: tensorboard, event files in a folder for each run.",
)  # fmt: skip
@of_size
@with_changes
@in_store
@as_json
def export(
    study: str, folder: Path, to: str, size: str | None, changes: Mapping[str, str], store: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Write the stored runs of STUDY into FOLDER, which is new or empty, for another program."""
    from allometry.store.export import export_runs
    from allometry.studies import table

    with prints_on_stderr():
        rows = table(study, store=store, size=size, changes=changes)
    exported = write(folder, lambda path: export_runs(rows, path, store=store, to=to))
    if exported.left_out:
        say(
            "left out, because complex or with too many numbers a point: "
            f"{', '.join(exported.left_out)}"
        )
    if as_json:
        print_json("export", folder=str(folder), runs=exported.runs, left_out=exported.left_out)
    else:
        say(f"{exported.runs} runs")
        print_line(folder)
