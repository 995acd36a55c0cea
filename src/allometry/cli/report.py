"""`allometry report`: a page about a study, or pages about every study in a store."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from allometry.cli.help import example
from allometry.cli.options import (
    FILE_OR_FOLDER,
    as_json,
    completed_by,
    in_store,
    of_size,
    with_changes,
)
from allometry.cli.output import finding_document, print_json, print_line, prints_on_stderr, write
from allometry.errors import UsageError

if TYPE_CHECKING:
    from allometry.study import Study

__all__ = ["report"]


@click.command(
    short_help="Write a page about a study, or pages about all stored studies.",
    epilog=example("report mlp_parameter_scaling -o page.html"),
)
@click.argument("study", required=False, shell_complete=completed_by("studies"))
@of_size
@with_changes
@in_store
@click.option(
    "-o",
    "--output",
    type=FILE_OR_FOLDER,
    help="Page to write (.html), or folder of pages.",
)
@as_json
def report(
    study: str | None, size: str | None, changes: Mapping[str, str], store: Path,
    output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Write an HTML page about STUDY, with its figures (PNG, SVG) and runs (CSV) beside it.

    Without STUDY: write a folder with a page for each shipped study in the store, and an index.
    """
    from allometry.studies import study as find

    place = output or Path("reports")
    if study is not None:
        with prints_on_stderr():
            loaded = find(study, store=store)
        _report_one(loaded, place, size, changes, store, as_json)
    elif size or changes:
        raise UsageError("--size and --set are for one study: name it")
    else:
        _report_all(place, store, as_json)


def _report_all(folder: Path, store: Path, as_json: bool) -> None:
    from allometry.processors import processors
    from allometry.report.publish import publish_all
    from allometry.studies import names

    index, processes = folder / "index.html", len(processors())
    pages = write(
        index, lambda path: publish_all(names(), folder, store=store, processes=processes)
    )
    files = [str(index), *(str(page.files[0]) for page in pages)]
    if as_json:
        print_json("reports", files=files, studies=[page.study.name for page in pages])
        return
    for file in files:
        print_line(file)


def _report_one(
    study: "Study", place: Path, size: str | None, changes: Mapping[str, str], store: Path,
    as_json: bool,
) -> None:  # fmt: skip
    from allometry.report.publish import publish

    path = place if place.suffix == ".html" else place / f"{study.name}.html"
    with prints_on_stderr():
        page = write(
            path, lambda path: publish(study, path, store=store, size=size, changes=changes)
        )
    if as_json:
        print_json(
            "report",
            study=study.name,
            size=page.size,
            files=[str(f) for f in page.files],
            findings=[finding_document(f) for f in page.findings],
        )
        return
    for file in page.files:
        print_line(file)
