"""Commands about data sets."""

import click

from allometry.cli.help import InOrderOfUse, example
from allometry.cli.options import as_json, completed_by
from allometry.cli.output import columns, print_json, print_line, say

__all__ = ["data"]


@click.group(
    cls=InOrderOfUse,
    short_help="Data sets there are, and getting them.",
    epilog=example("data get fashion-mnist"),
)
def data() -> None:
    """Data sets: what there is, and getting them."""


@data.command(
    "list", short_help="Data sets, and which of them are here.", epilog=example("data list")
)
@as_json
def data_list(as_json: bool) -> None:
    """Data sets: origin, licence, and where their files lie when they are here."""
    from allometry import datasets

    rows = [(d, datasets.find(d.name)) for d in datasets.available()]
    if as_json:
        print_json(
            "data",
            data_sets=[
                {"name": d.name, "title": d.title, "licence": d.licence, "origin": d.origin,
                 "folder": str(path) if path else None}
                for d, path in rows
            ],
        )  # fmt: skip
    else:
        shown = [
            line
            for d, path in rows
            for line in (
                (d.name, d.title),
                ("", f"from {d.origin}"),
                ("", f"licence: {d.licence}"),
                ("", str(path or "not here yet")),
            )
        ]
        columns("Data sets", shown)


@data.command(
    "get", short_help="Get a data set, and check it.", epilog=example("data get fashion-mnist")
)
@click.argument("name", shell_complete=completed_by("data_sets"))
@as_json
def data_get(name: str, as_json: bool) -> None:
    """Get a data set, checked byte for byte; nothing is done where it is here already."""
    from allometry import datasets

    path = datasets.get(name, progress=say)
    if as_json:
        print_json("data", name=name, folder=str(path))
    else:
        print_line(path)
