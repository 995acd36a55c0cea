"""Commands that change which stored runs count: exclude, include, forget; and merge."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from allometry.cli.help import example
from allometry.cli.options import FILE_OR_FOLDER, as_json, completed_by, in_store, pairs
from allometry.cli.output import print_json, print_line, prints_on_stderr, say, say_lines
from allometry.errors import UsageError

if TYPE_CHECKING:
    from allometry.store import Store
    from allometry.store.selection import Selection

__all__ = ["exclude", "forget", "include", "merge"]

R = TypeVar("R")

SHOWN = 4  # tables of runs shown before `forget` asks

_SELECTION = (
    click.argument("study", required=False, shell_complete=completed_by("studies")),
    click.option("--run", "runs", multiple=True, metavar="ID",
                 help="A run, by its run_id or the first characters of it; may be repeated."),
    click.option("--where", multiple=True, metavar="COLUMN=VALUE",
                 shell_complete=completed_by("stored_columns"),
                 help="Only runs of STUDY that meet this condition (= != <= >= < >); may be "
                 "repeated."),
    click.option("--size", shell_complete=completed_by("sizes"),
                 help="One of the study's sizes. Default: all stored sizes."),
    click.option("--set", "changes", multiple=True, metavar="FIELD=VALUE",
                 callback=lambda context, option, texts: pairs("--set", texts, "FIELD=VALUE"),
                 help="Only runs with these changes. Default: runs with any changes or none."),
)  # fmt: skip


def _picks_runs(command: Callable[..., R]) -> Callable[..., R]:
    """Add the argument and options that select stored runs."""
    for option in reversed(_SELECTION):
        command = option(command)
    return command


@click.command(
    short_help="Leave runs out of every analysis, with a reason.",
    epilog=example('exclude path_dynamics --where seed=2 --reason "hot GPU"'),
)
@_picks_runs
@click.option("--reason", required=True, help="The reason; the report prints it.")
@in_store
@as_json
def exclude(reason: str, store: Path, as_json: bool, **picked: Any) -> None:
    """Leave runs of STUDY, or each --run ID, out of every analysis; they stay stored."""
    from allometry.store import Store

    with Store(store, write=True, new=False) as opened:
        selection = _stored(_selected(opened, **picked))
        count = opened.exclude(selection.run_ids, reason)
    if as_json:
        print_json("exclude", store=str(store), reason=reason, run_ids=selection.run_ids)
    else:
        print_line(f"{_runs(count)} excluded ({_places(selection)}): {reason.strip()}")


@click.command(
    short_help="Undo `exclude`.",
    epilog=example("include path_dynamics --where seed=2"),
)
@_picks_runs
@in_store
@as_json
def include(store: Path, as_json: bool, **picked: Any) -> None:
    """Undo `exclude` for runs of STUDY, or for each --run ID."""
    from allometry.store import Store

    with Store(store, write=True, new=False) as opened:
        selection = _stored(_selected(opened, **picked))
        excluded = opened.exclusions()
        run_ids = [run_id for run_id in selection.run_ids if run_id in excluded]
        opened.include(run_ids)
    if as_json:
        print_json("include", store=str(store), run_ids=run_ids)
    else:
        print_line(f"{_runs(len(run_ids))} included again ({_places(selection)})")


@click.command(
    short_help="Remove runs from the store for good.",
    epilog=example("forget mlp_parameter_scaling --size quick"),
)
@_picks_runs
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@in_store
@as_json
def forget(yes: bool, store: Path, as_json: bool, **picked: Any) -> None:
    """Remove runs of STUDY, or each --run ID, from the store for good. Shows them and asks."""
    from allometry.store import Store

    with Store(store, write=True, new=False) as opened:
        selection = _selected(opened, **picked)
        if not selection.whole:
            _stored(selection)
        _show(selection, store)
        if not yes and not _confirmed(selection, store):
            say("nothing was forgotten")
            return
        opened.forget(selection.run_ids, selection.whole)
    if as_json:
        print_json("forget", store=str(store), run_ids=selection.run_ids)
    else:
        print_line(f"{_runs(len(selection.run_ids))} forgotten ({_places(selection)})")


@click.command(
    short_help="Merge several stores into a new one.",
    epilog=example("merge first.db second.db -o both.db"),
)
@click.argument("stores", nargs=-1, required=True, type=FILE_OR_FOLDER)
@click.option("-o", "--output", required=True, type=FILE_OR_FOLDER,
              help="The new store; the file must not exist.")  # fmt: skip
@click.option("--keep-first", is_flag=True,
              help="If a run has different numbers in two stores, keep the first.")  # fmt: skip
@as_json
def merge(stores: tuple[Path, ...], output: Path, keep_first: bool, as_json: bool) -> None:
    """Make a new store with all runs of STORES, which are only read."""
    from allometry.store.copies import merge as merge_stores

    merged = merge_stores(stores, output, keep_first=keep_first)
    if as_json:
        print_json(
            "merge",
            output=str(output),
            stores=[str(store) for store in stores],
            taken=merged.taken,
            repeated=merged.repeated,
            differing=merged.differing,
        )
        return
    for store, taken in zip(stores, merged.taken, strict=True):
        say(f"{store}: {_runs(taken)} taken")
    if merged.repeated:
        say(f"{_runs(merged.repeated)} in several stores with equal content")
    if merged.differing:
        say(
            f"{_runs(merged.differing)} with different numbers in a later store: those of the "
            "first store are kept"
        )
    print_line(output)


def _selected(
    store: "Store", study: str | None, runs: Sequence[str], where: Sequence[str],
    size: str | None, changes: Mapping[str, str],
) -> "Selection":  # fmt: skip
    """The runs that the options select, by STUDY or by run_id."""
    from allometry.store.selection import named_runs, runs_of_study
    from allometry.studies import known, name_of

    if bool(study) == bool(runs) or (runs and (where or size or changes)):
        raise UsageError("name STUDY, optionally with --where, --size and --set, or give --run ID")
    if runs:
        return named_runs(store, runs)
    with prints_on_stderr():
        name, _ = name_of(study or "")
    with known():
        return runs_of_study(store, name, size=size, changes=changes, where=where)


def _stored(selection: "Selection") -> "Selection":
    """Refuse a selection without a run."""
    if not selection.run_ids:
        raise UsageError(f"no stored run of {_places(selection)} matches; nothing was done")
    return selection


def _show(selection: "Selection", store: Path) -> None:
    """Print which runs would be forgotten, with the first tables of them."""
    filled = {key: table for key, table in selection.tables.items() if len(table)}
    say(f"{store}: {_runs(len(selection.run_ids))} to forget")
    for key, table in list(filled.items())[:SHOWN]:
        say("")
        say(" ".join(filter(None, key)))
        say_lines(repr(table))
    if len(filled) > SHOWN:
        say_lines(f"\nand runs of {len(filled) - SHOWN} more sizes and sets of changes")
    if selection.whole:
        say_lines("\nTheir pending runs are forgotten too")
    for key, count in selection.elsewhere.items():
        say("")
        say(f"{count} of them also belong to {' '.join(filter(None, key))}")


def _confirmed(selection: "Selection", store: Path) -> bool:
    """Ask whether to forget.

    Raises:
        UsageError: stdin is no terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError("nothing was forgotten: there is no terminal to ask on; give --yes")
    say("")
    say(f"They cannot be restored. To copy first: allometry backup COPY.db --store {store}")
    return click.confirm(f"Forget {_runs(len(selection.run_ids))}?", err=True)


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _places(selection: "Selection") -> str:
    """Where the runs are declared, in words."""
    names = dict.fromkeys(" ".join(filter(None, key)) for key in selection.tables)
    return ", ".join(names) or "no study declares them"
