"""What `allometry list` shows is written down, and is what there is."""

import fcntl
import inspect
import json
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from allometry import datasets, laws, measures, models, studies
from allometry.cli.names import LISTING
from allometry.spec import losses, metrics, optimizers, schedules
from tests.screens import read_screen

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


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 200])
def test_it_fits_the_terminal_and_nothing_of_it_is_cut(columns):
    lines = on_a_terminal(columns, "list")
    assert max(map(len, lines)) <= columns
    assert " ".join(" ".join(lines).split()) == " ".join(off_a_terminal("list").split())
    (name,) = [line for line in lines if line.startswith("  frozen_vit_parameter_scaling")]
    assert columns < 80 or "N-scaling" in name, "the title stands beside the name where it can"


def test_off_a_terminal_a_study_or_a_law_is_one_line():
    listed = json.loads(LISTING.read_text("utf-8"))
    lines = off_a_terminal("list").splitlines()
    for entry in (*listed["studies"], *listed["laws"]):
        assert sum(line.startswith(f"  {entry['name']} ") for line in lines) == 1


def on_a_terminal(columns, *words):
    """The lines that a command shows on a terminal of so many columns."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    process = subprocess.Popen(
        [sys.executable, "-m", "allometry", *words], stdout=terminal, env=environment
    )
    os.close(terminal)
    shown = read_screen(screen)
    assert process.wait() == 0
    return shown.decode().splitlines()


def off_a_terminal(*words):
    return subprocess.run(
        [sys.executable, "-m", "allometry", *words], capture_output=True, text=True, check=True
    ).stdout


if __name__ == "__main__":
    LISTING.write_text(json.dumps(present(), indent=1, ensure_ascii=False) + "\n", "utf-8")
