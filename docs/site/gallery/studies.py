"""A figure of each study's quick size. They are trained once, and kept with the runs' names."""

import hashlib
import json
import re
from pathlib import Path

from docs.site.gallery.item import Item

import allometry as al
from allometry import studies

__all__ = ["FIGURES", "NOTE", "PICTURES", "RUNS", "draw", "items", "runs_of"]

PICTURES = Path(__file__).parents[2] / "figures" / "studies"
MADE = Path(__file__).parents[3] / "build" / "gallery"  # where the lines run: with their store
RUNS = PICTURES / "runs.json"  # study to what `runs_of` gave when its picture was drawn
NOTE = (
    "The quick sizes take seconds to minutes and show that a study works; their few seeds decide "
    "little. The results at full size stand on the pages of the studies."
)
# Which figure of a study is shown: one of its claims, by name, or one of its own, by number.
FIGURES: dict[str, str | int] = {
    "cnn_size_by_data": "four_heatmaps",
    "language_model_scaling": "forecast",
    "learning_rate_transfer": "claim_1_optimum",
    "learning_rate_transfer_language": "claim_1_optimum",
    "teacher_dimension": "claim_2_steeper",
}

LINES = """\
import allometry as al

outcome = al.run("{study}", size="quick")
figure = {figure}
al.figures.save_figure(figure, "{study}.svg")
"""


def items() -> list[Item]:
    """Each study there is."""
    return [_item(al.study(name)) for name in studies.names()]


def _item(study: al.Study) -> Item:
    shown = FIGURES.get(study.name, 0)
    if isinstance(shown, int):
        figure = f"outcome.study.figures[{shown}](outcome.table, outcome.analysis)"
    else:
        figure = f'outcome.analysis.figures["{shown}"].draw()'
    lines = LINES.format(study=study.name, figure=figure)
    picture = PICTURES / f"{study.name}.svg"
    return Item(study.name, lines, f"**{study.title}.** {study.question}", picture)


def runs_of(study: al.Study) -> str:
    """SHA-256 of the names of the runs that a picture shows: they change with what is computed."""
    names = "\n".join(sorted(spec.run_id for spec in study.specs("quick")))
    return hashlib.sha256(names.encode()).hexdigest()


def draw(name: str) -> None:
    """Train what is not stored of a study, draw its picture again and note its runs."""
    MADE.mkdir(parents=True, exist_ok=True)
    item = _item(al.study(name))
    item.draw(MADE)
    picture = _shortened((MADE / item.picture).read_text("utf-8"))
    (PICTURES / item.picture).write_text(picture, encoding="utf-8")
    known = json.loads(RUNS.read_text("utf-8")) if RUNS.exists() else {}
    known[name] = runs_of(al.study(name))
    text = json.dumps(dict(sorted(known.items())), indent=1) + "\n"
    RUNS.write_text(text, encoding="utf-8")


def _shortened(svg: str) -> str:
    """Places in hundredths of a point, a fiftieth of the thinnest line: half the bytes."""

    def rounded(number: re.Match[str]) -> str:
        return f"{float(number[0]):.2f}"

    def in_places(attribute: re.Match[str]) -> str:
        return re.sub(r"-?\d+\.\d{3,}", rounded, attribute[0])

    return re.sub(r'\s(?:d|x|y)="[^"]*"', in_places, svg)
