"""`allometry list`: studies, laws, data sets, and the parts that runs are made of."""

import json
from pathlib import Path

import click

from allometry.cli.options import as_json
from allometry.cli.output import columns, print_json

__all__ = ["list_", "titles"]

LISTING = Path(__file__).with_name("listing.json")
PARTS = ("data", "models", "losses", "metrics", "optimisers", "schedules", "measures")


@click.command("list")
@as_json
def list_(as_json: bool) -> None:
    """Studies, laws, data sets, models, losses, optimisers, measures there are."""
    # Written down, for studies, models and measures bring JAX, Matplotlib and SciPy.
    listed = json.loads(LISTING.read_text("utf-8"))
    if as_json:
        print_json("list", **listed)
        return
    studies = [(s["name"], f"{s['title']} ({', '.join(s['sizes'])})") for s in listed["studies"]]
    columns("Studies", studies)
    laws = [
        (law["name"], f"another name of {law['alias_of']}" if law["alias_of"] else law["formula"])
        for law in listed["laws"]
    ]
    columns("Laws", laws)
    columns("Data sets", [(d["name"], d["title"]) for d in listed["data_sets"]])
    for kind in PARTS:
        columns(kind.capitalize(), [(part["name"], part["title"]) for part in listed[kind]])


def titles() -> dict[str, str]:
    """Titles of the shipped studies by name."""
    listed = json.loads(LISTING.read_text("utf-8"))
    return {study["name"]: study["title"] for study in listed["studies"]}
