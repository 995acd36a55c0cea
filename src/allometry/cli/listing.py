"""`allometry list`: studies, laws, data sets, and the parts that runs are made of."""

import inspect
from types import ModuleType

import click

from allometry.cli.options import as_json
from allometry.cli.output import columns, print_json

__all__ = ["list_"]

# What parts of one's own are subclasses of; not parts themselves.
OPEN = {"Data", "Distance", "Elementwise", "Loss", "Metric", "Model", "Optimizer", "Schedule"}


@click.command("list")
@as_json
def list_(as_json: bool) -> None:
    """Studies, laws, data sets, models, losses, optimisers, measures there are."""
    from allometry import datasets, laws, studies

    shipped = [studies.study(name) for name in studies.names()]
    known, sets, parts = laws.available(), datasets.available(), _parts()
    if as_json:
        print_json(
            "list",
            studies=[
                {"name": s.name, "title": s.title, "question": s.question, "sizes": s.sizes}
                for s in shipped
            ],
            laws=[{"name": name, "formula": law.formula} for name, law in sorted(known.items())],
            data_sets=[{"name": d.name, "title": d.title} for d in sets],
            **{
                title.lower(): [{"name": name, "title": text} for name, text in rows]
                for title, rows in parts.items()
            },
        )
        return
    columns("Studies", [(s.name, f"{s.title} ({', '.join(s.sizes)})") for s in shipped])
    described = {
        name: law.formula if law.name == name else f"another name of {law.name}"
        for name, law in known.items()
    }
    columns("Laws", sorted(described.items()))
    columns("Data sets", [(d.name, d.title) for d in sets])
    for title, rows in parts.items():
        columns(title, rows)


def _parts() -> dict[str, list[tuple[str, str]]]:
    """Name and first line of the docstring of every part, by the title of its kind."""
    from allometry import datasets, measures, models
    from allometry.spec import losses, metrics, optimizers, schedules

    def rows(module: ModuleType, base: type | None = None) -> list[tuple[str, str]]:
        """Of the subclasses of `base` in a module, or of its functions."""
        named = {name: getattr(module, name) for name in sorted(module.__all__) if name not in OPEN}
        kinds = {name: p for name, p in named.items() if inspect.isclass(p)}
        if base is None:
            chosen = {name: part for name, part in named.items() if name not in kinds}
        else:
            chosen = {name: kind for name, kind in kinds.items() if issubclass(kind, base)}
        return [(n, (inspect.getdoc(p) or "").partition("\n")[0]) for n, p in chosen.items()]

    return {
        "Data": rows(datasets, datasets.Data),
        "Models": rows(models, models.Model),
        "Losses": rows(losses, losses.Loss),
        "Metrics": rows(metrics, metrics.Metric),
        "Optimisers": rows(optimizers, optimizers.Optimizer),
        "Schedules": rows(schedules, schedules.Schedule),
        "Measures": rows(measures),
    }
