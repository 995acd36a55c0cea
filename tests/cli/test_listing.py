"""What `allometry list` shows is written down, and is what there is."""

import inspect
import json

from allometry import datasets, laws, measures, models, studies
from allometry.cli.listing import LISTING
from allometry.spec import losses, metrics, optimizers, schedules

MODULES = {
    "data": (datasets, datasets.Data),
    "models": (models, models.Model),
    "losses": (losses, losses.Loss),
    "metrics": (metrics, metrics.Metric),
    "optimisers": (optimizers, optimizers.Optimizer),
    "schedules": (schedules, schedules.Schedule),
}
# What parts of one's own are subclasses of; not parts themselves.
OPEN = {"Data", "Distance", "Elementwise", "Loss", "Metric", "Model", "Optimizer", "Schedule"}


def present():
    """What `allometry list --json` should say, of the studies, laws, data sets and parts."""
    shipped = [studies.study(name) for name in studies.names()]
    functions = [f for name in measures.__all__ if inspect.isfunction(f := getattr(measures, name))]
    return {
        "studies": [
            {"name": s.name, "title": s.title, "question": s.question, "sizes": list(s.sizes)}
            for s in shipped
        ],
        "laws": [
            {"name": n, "formula": law.formula, "alias_of": None if law.name == n else law.name}
            for n, law in sorted(laws.available().items())
        ],
        "data_sets": [{"name": d.name, "title": d.title} for d in datasets.available()],
        **{kind: titled(classes(*where)) for kind, where in MODULES.items()},
        "measures": titled(functions),
    }


def classes(module, base):
    named = [getattr(module, name) for name in module.__all__ if name not in OPEN]
    return [kind for kind in named if inspect.isclass(kind) and issubclass(kind, base)]


def titled(parts):
    """Name and first line of the docstring of each."""
    return [
        {"name": part.__name__, "title": inspect.getdoc(part).partition("\n")[0]}
        for part in sorted(parts, key=lambda part: part.__name__)
    ]


def test_the_listing_is_what_there_is():
    listed = json.loads(LISTING.read_text("utf-8"))
    assert listed == present(), "write it again: python -m tests.cli.test_listing"


if __name__ == "__main__":
    LISTING.write_text(json.dumps(present(), indent=1, ensure_ascii=False) + "\n", "utf-8")
