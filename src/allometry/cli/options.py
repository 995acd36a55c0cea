"""Options that several commands share, and how their values are read."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import click

from allometry.errors import UsageError
from allometry.files.foreign import expanded

if TYPE_CHECKING:
    from allometry.engines import Engine

__all__ = [
    "FILE", "FILE_OR_FOLDER", "EngineName", "as_json", "completed_by", "counts", "engine_of",
    "in_store",
    "law_name", "mapped_columns", "number", "numbers", "of_size", "pairs", "to_file",
    "with_changes", "with_engine",
]  # fmt: skip

EngineName = Literal["local", "ray", "slurm"]

R = TypeVar("R")


def completed_by(name: str) -> Callable[[click.Context, click.Parameter, str], Any]:
    """The function in `completion` that completes a value in a shell, imported when called."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> Any:
        from allometry.cli import completion  # imported here because only the tab key needs it

        return getattr(completion, name)(ctx, param, incomplete)

    return complete


class PathOfPerson(click.Path):
    """A path as typed; ``~`` is expanded even where the shell did not do so."""

    def __init__(self, *, dir_okay: bool = True) -> None:
        # The code that reads or writes the path reports missing permission.
        super().__init__(dir_okay=dir_okay, readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(expanded(value), param, ctx)
        except ValueError as error:  # a null byte, or a lone surrogate
            self.fail(f"{str(value)!a} cannot be a path: {error}", param, ctx)


FILE, FILE_OR_FOLDER = PathOfPerson(dir_okay=False), PathOfPerson()

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
in_store = click.option(
    "--store",
    type=FILE,
    default=Path("allometry.db"),
    envvar="ALLOMETRY_STORE",
    show_default=True,
    help="The SQLite file that holds the runs.",
)
of_size = click.option(
    "--size", shell_complete=completed_by("sizes"),
    help="One of the study's sizes. Default: the largest one stored.",
)  # fmt: skip
to_file = click.option("-o", "--output", type=FILE, help="File to write.")
with_changes = click.option(
    "--set", "changes", multiple=True, metavar="FIELD=VALUE",
    callback=lambda context, option, texts: pairs("--set", texts, "FIELD=VALUE"),
    help="Change a field of every run, such as train.epochs=3; may be repeated.",
)  # fmt: skip

_ENGINE = (
    click.option(
        "--engine", type=click.Choice(get_args(EngineName)), default="local", show_default=True,
        help="Where to train: local, this machine; ray, a Ray cluster; slurm, a SLURM cluster.",
    ),
    click.option(
        "--workers", type=click.IntRange(1, 100_000),
        help="Packs at once: processes (local), processors (ray), jobs (slurm).",
    ),
    click.option(
        "--hung-after", type=click.FloatRange(min=0, min_open=True), default=60.0,
        show_default=True, metavar="MINUTES",
        help="End a worker that has not responded for this time.",
    ),
)  # fmt: skip


def with_engine(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options of engines; the command gets `start_engine`, which returns the engine."""

    @wraps(command)
    def with_one(
        *, engine: EngineName, workers: int | None, hung_after: float, **options: object
    ) -> R:
        return command(start_engine=lambda: engine_of(engine, workers, hung_after), **options)

    for option in reversed(_ENGINE):
        with_one = option(with_one)
    return with_one


def engine_of(name: EngineName, workers: int | None, hung_after: float) -> "Engine":
    """The engine of these options. Imports what it needs, such as JAX.

    Raises:
        UsageError: the engine's extra is not installed.
    """
    if name == "ray":
        from allometry.engines.ray import RayEngine

        return RayEngine(workers, hung_after=hung_after)
    if name == "slurm":
        from allometry.engines.slurm import SlurmEngine

        return SlurmEngine(workers, hung_after=hung_after)
    from allometry.engines.local import LocalEngine

    return LocalEngine(workers=workers or 0, hung_after=hung_after)


def law_name(text: str) -> str:
    """A law's name, or the path of its file."""
    return str(expanded(text)) if text.endswith(".py") else text


def pairs(option: str, texts: Sequence[str], form: str = "NAME=VALUE") -> dict[str, str]:
    """Name to value, from the ``NAME=VALUE`` words of a repeatable option.

    Raises:
        UsageError: a word has no name or no equals sign.
    """
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {form} expected, got {text!r}")
        values[name] = value
    return values


def mapped_columns(texts: Sequence[str]) -> dict[str, str]:
    """Symbol to column, from `--map`.

    Raises:
        UsageError: a symbol is mapped twice.
    """
    columns = pairs("--map", texts, "SYMBOL=COLUMN")
    if len(columns) < len(texts):
        symbols = [text.partition("=")[0] for text in texts]
        twice = next(symbol for symbol in symbols if symbols.count(symbol) > 1)
        raise UsageError(f"--map gives {twice} twice; map one column to each symbol")
    return columns


def counts(option: str, texts: Sequence[str]) -> dict[str, int]:
    """Name to K, from the ``NAME:K`` words of a repeatable option."""
    count_by_name = {}
    for text in texts:
        name, _, count = text.rpartition(":")
        if not name or not count.isdecimal():
            raise UsageError(f"{option} NAME:K with a whole number K expected, got {text!r}")
        count_by_name[name] = int(count)
    return count_by_name


def numbers(option: str, texts: Sequence[str]) -> dict[str, float]:
    """Name to number, from the ``NAME=NUMBER`` words of a repeatable option."""
    return {name: number(option, value) for name, value in pairs(option, texts).items()}


def number(option: str, text: str) -> float:
    """The number in the text of an option."""
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{option}: a number expected, got {text!r}") from None
