"""Commands about data sets."""

import click

from allometry.cli.help import InOrderOfUse, example
from allometry.cli.options import as_json, completed_by
from allometry.cli.output import columns, print_json, print_line, say

__all__ = ["data"]


@click.group(
    cls=InOrderOfUse,
    short_help="List data sets, and download them.",
    epilog=example("data get fashion-mnist"),
)
def data() -> None:
    """List data sets, and download them."""


@data.command(
    "list", short_help="Data sets, and which of them are here.", epilog=example("data list")
)
@as_json
def data_list(as_json: bool) -> None:
    """List data sets: origin, licence, and the folder of their files if they are here."""
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
    """Download the data set NAME and verify its checksums; does nothing if it is already here."""
    from allometry import datasets

    path = datasets.get(name, progress=say)
    if as_json:
        print_json("data", name=name, folder=str(path))
    else:
        print_line(path)
