"""`allometry list`: studies, laws, data sets, and the parts of runs."""

import click

from allometry.cli.help import example
from allometry.cli.names import listed
from allometry.cli.options import as_json
from allometry.cli.output import columns, print_json

__all__ = ["list_", "titles"]

PARTS = ("data", "models", "losses", "metrics", "optimisers", "schedules", "measures")


@click.command(
    "list",
    short_help="Studies, laws, data sets, and the parts of runs.",
    epilog=example("list"),
)
@as_json
def list_(as_json: bool) -> None:
    """List the shipped studies, laws, data sets, models, losses, metrics, optimisers, schedules
    and measures."""
    names = listed()
    if as_json:
        print_json("list", **names)
        return
    studies = [(s["name"], f"{s['title']} ({', '.join(s['sizes'])})") for s in names["studies"]]
    columns("Studies", studies)
    laws = [
        (law["name"], f"another name of {law['alias_of']}" if law["alias_of"] else law["formula"])
        for law in names["laws"]
    ]
    columns("Laws", laws)
    columns("Data sets", [(d["name"], d["title"]) for d in names["data_sets"]])
    for kind in PARTS:
        columns(kind.capitalize(), [(part["name"], part["title"]) for part in names[kind]])


def titles() -> dict[str, str]:
    """Titles of the shipped studies by name."""
    return {study["name"]: study["title"] for study in listed()["studies"]}
