"""Options several commands share, and how their values are read."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from allometry.errors import UsageError

if TYPE_CHECKING:
    from allometry.engines import Engine

__all__ = [
    "SIZES", "as_json", "by_engine", "engine_of", "in_store", "of_size", "pairs", "to_file",
    "with_changes", "with_hung_after", "with_workers",
]  # fmt: skip

ENGINES = ("local", "ray", "slurm")
SIZES = ("quick", "notebook", "paper")

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
in_store = click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("allometry.db"),
    envvar="ALLOMETRY_STORE",
    show_default=True,
    help="The SQLite file that holds the runs.",
)
of_size = click.option("--size", type=click.Choice(SIZES), help="Default: the largest one stored.")
to_file = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write."
)
with_changes = click.option(
    "--set", "changes", multiple=True, metavar="FIELD=VALUE",
    help="Change a field of every run, train.epochs=3 say; may be repeated.",
)  # fmt: skip
by_engine = click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="local",
    show_default=True,
    help="Where to train.",
)
with_workers = click.option(
    "--workers", type=click.IntRange(1, 100_000),
    help="Packs at once: processes here, processors for ray, jobs for slurm.",
)  # fmt: skip

with_hung_after = click.option(
    "--hung-after", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True,
    metavar="MINUTES", help="End a worker that gives no sign of life for so long.",
)  # fmt: skip


def engine_of(name: str, workers: int | None, hung_after: float) -> "Engine":
    """The engine of these options; brings what it needs, JAX first of all.

    Raises:
        UsageError: where its extra is not installed.
    """
    if name == "ray":
        from allometry.engines.ray import RayEngine

        return RayEngine(workers, hung_after=hung_after)
    if name == "slurm":
        from allometry.engines.slurm import SlurmEngine

        return SlurmEngine(workers, hung_after=hung_after)
    from allometry.engines.local import LocalEngine

    return LocalEngine(workers=workers or 0, hung_after=hung_after)


def pairs(option: str, texts: Sequence[str], form: str = "NAME=VALUE") -> dict[str, str]:
    """``NAME=VALUE`` words of an option that may be repeated.

    Raises:
        UsageError: for a word without a name or without an equals sign.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {form} expected, got {text!r}")
        found[name] = value
    return found
