"""`allometry list`: studies, laws and data sets."""

import click

from allometry.cli.options import as_json
from allometry.cli.output import columns, print_json

__all__ = ["list_"]


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
