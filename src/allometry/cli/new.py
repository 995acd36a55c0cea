"""`allometry new`: write an example study that runs as it is."""

import re
from pathlib import Path
from shlex import quote

import click

from allometry.cli.help import example
from allometry.cli.options import FILE
from allometry.cli.output import say, write
from allometry.errors import UsageError
from allometry.files.durable import written

__all__ = ["new"]

TEMPLATE = '''\
"""Does the test loss of a small network fall as a power of the number of examples?"""

import allometry as al
from allometry.claims import PowerLaw


def runs(size, seeds):
    """One network for each seed and number of examples, trained for 1,000 updates."""
    train = al.TrainSpec(
        optimizer=al.optimizers.Adam(learning_rate=3e-3), steps=1000, batch_size=64,
        schedule=al.schedules.Cosine(), loss="squared_error",
    )  # fmt: skip
    model = al.models.MLP(widths=(4, 64, 64, 1))
    data = [al.datasets.Teacher(n_in=4, n_train=64 << k) for k in range(8)]
    return [al.RunSpec(model=model, data=d, train=train, seed=s) for s in seeds for d in data]


STUDY = al.Study(
    name="{name}", question=__doc__, runs=runs, sizes=("quick",), seeds={{"quick": (0, 1, 2)}},
    measures={{"losses": al.measures.losses}},
    claims=[PowerLaw("n_data", "test_loss", floor="fitted", predicts={{"alpha": (0.5, 1.5)}})],
)  # fmt: skip
'''


@click.command(short_help="Write a study to start from.", epilog=example("new mine.py"))
@click.argument("file", type=FILE)
def new(file: Path) -> None:
    """Write an example study to FILE. It runs as it is; change its question, runs and claims."""
    if file.suffix != ".py":
        raise UsageError(f"a study is a Python file, such as {file.with_suffix('.py')}; got {file}")
    name = re.sub(r"\W", "_", file.stem)
    write(file, lambda path: _save(TEMPLATE.format(name=name), path))
    shown = quote(str(file) if file.is_absolute() or len(file.parts) > 1 else f"./{file}")
    say(f"{file}: a study to start from; run it and look at its page:")
    say(f"  allometry run {shown}")
    say(f"  allometry report {shown} -o {quote(f'{file.stem}.html')}")


def _save(text: str, path: Path) -> None:
    try:
        with written(path, new=True) as part:
            part.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise UsageError(f"{path} already exists: choose another name") from None
