"""Commands that test a fit: without each row, and under other choices."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import click

from allometry.cli.help import example
from allometry.cli.laws import of_fit
from allometry.cli.options import completed_by, counts, mapped_columns, numbers
from allometry.cli.output import print_json
from allometry.errors import UsageError, did_you_mean
from allometry.fitting.options import (
    IntervalName,
    ObjectiveName,
    OptionValues,
    SharedOptions,
)

__all__ = ["influence", "multiverse"]


def _resamples(default: int) -> click.Option:
    return click.Option(
        ["--resamples"], type=click.IntRange(0, 1_000_000), default=default, show_default=True
    )


@click.command(
    short_help="Which rows the result of a fit depends on.",
    epilog=example("influence runs.csv --law power --map x=n --map y=loss"),
    params=[
        *of_fit("table", "law", "mapping"),
        click.Option(
            ["--leave-out"], metavar="COLUMN", shell_complete=completed_by("columns"),
            help="Leave out groups of equal value, such as budgets or runs. Default: single rows.",
        ),
        *of_fit("filters", "drop_largest", "objective", "delta", "starts"),
        _resamples(300),
        *of_fit("cluster", "interval", "level", "seed", "weights", "noise", "fixed", "as_json"),
    ]
)  # fmt: skip
def influence(
    table: Path, law: str, mapping: Sequence[str], leave_out: str | None, filters: Sequence[str],
    drop_largest: Sequence[str], cluster: Sequence[str], fixed: Sequence[str], as_json: bool,
    objective: ObjectiveName, delta: float, starts: int | None, resamples: int,
    interval: IntervalName, level: float, seed: int, weights: str | None, noise: str | None,
) -> None:  # fmt: skip
    """Fit a law to TABLE again without each row, or without each group of rows, to see which of
    them the result depends on."""
    from allometry.fitting.files import influence_file

    options = OptionValues(
        where=filters, drop_largest=counts("--drop-largest", drop_largest),
        cluster=tuple(cluster) or None, fixed=numbers("--fixed", fixed) or None,
        objective=objective, delta=delta, starts=starts, resamples=resamples, interval=interval,
        level=level, seed=seed, weights=weights, noise=noise,
    )  # fmt: skip
    whole, document = influence_file(
        table, law, mapped_columns(mapping), leave_out=leave_out, **options
    )
    if as_json:
        print_json(str(document.pop("schema")).split("/")[1], **document)
    else:
        from allometry.cli.fit_screens import show_influence

        show_influence(whole, document)


@click.command(
    short_help="How far the result of a fit depends on choices.",
    epilog=example("multiverse runs.csv --law power --map x=n --map y=loss"),
    params=[
        *of_fit("table", "law", "mapping"),
        click.Option(
            ["--try-objective", "objectives"], multiple=True, metavar="NAME[:DELTA]",
            shell_complete=completed_by("objectives"),
            help="An objective to try; may be repeated. Default: huber_log:0.001, huber_log:0.01 "
            "and squared_log.",
        ),
        click.Option(
            ["--try-map", "other_maps"], multiple=True, metavar="SYMBOL=COLUMN",
            shell_complete=completed_by("mapped_columns"),
            help="Another column to try for a symbol, such as N=params_without_embeddings; may be "
            "repeated.",
        ),
        click.Option(
            ["--try-drop-largest", "largest"], multiple=True, metavar="SYMBOL:K",
            help="Try the fit without the K largest values; may be repeated.",
        ),
        click.Option(
            ["--try-filter", "conditions"], multiple=True, metavar='"COLUMN<=VALUE"',
            shell_complete=completed_by("columns"),
            help="Try the fit with these rows only; may be repeated.",
        ),
        *of_fit("filters", "starts"),
        _resamples(200),
        *of_fit("cluster", "interval", "level", "seed", "weights", "noise", "fixed", "as_json"),
    ]
)  # fmt: skip
def multiverse(
    table: Path, law: str, mapping: Sequence[str], objectives: Sequence[str],
    other_maps: Sequence[str], largest: Sequence[str], conditions: Sequence[str],
    filters: Sequence[str], cluster: Sequence[str], fixed: Sequence[str], as_json: bool,
    starts: int | None, resamples: int, interval: IntervalName, level: float, seed: int,
    weights: str | None, noise: str | None,
) -> None:  # fmt: skip
    """Fit a law to TABLE under every combination of choices, to see how far the result depends on
    objective, rows and columns."""
    from allometry.fitting.files import multiverse_file
    from allometry.fitting.multiverse import OBJECTIVES

    options = SharedOptions(
        cluster=tuple(cluster) or None, fixed=numbers("--fixed", fixed) or None, starts=starts,
        resamples=resamples, interval=interval, level=level, seed=seed, weights=weights,
        noise=noise,
    )  # fmt: skip
    document = multiverse_file(
        table, law, _mappings(mapped_columns(mapping), other_maps),
        objectives=[_objective(text) for text in objectives] or OBJECTIVES,
        drop_largest=[{}, *(counts("--try-drop-largest", [text]) for text in largest)],
        where=[filters, *((*filters, condition) for condition in conditions)], **options,
    )  # fmt: skip
    if as_json:
        print_json(str(document.pop("schema")).split("/")[1], **document)
    else:
        from allometry.cli.fit_screens import show_multiverse

        show_multiverse(document)


def _objective(text: str) -> tuple[ObjectiveName, float]:
    """Name and delta of `NAME[:DELTA]`; delta is 0 for all objectives except huber_log."""
    typed, colon, delta = text.partition(":")
    name = next((o for o in get_args(ObjectiveName) if o == typed), None)
    if name is None:
        names = get_args(ObjectiveName)
        raise UsageError(
            f"no objective {typed!r}; there are {', '.join(names)}{did_you_mean(typed, names)}"
        )
    if colon and name != "huber_log":
        raise UsageError(f"--try-objective {text}: {name} has no delta")
    try:
        return name, float(delta) if colon else 1e-3 if name == "huber_log" else 0.0
    except ValueError:
        raise UsageError(f"--try-objective {text}: a number is expected after :") from None


def _mappings(columns: dict[str, str], others: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """The mapping as given, and one mapping for each alternative column."""
    mappings = {"as mapped": columns}
    for text in others:
        symbol, equals, column = text.partition("=")
        if not equals or symbol not in columns:
            raise UsageError(
                f"--try-map SYMBOL=COLUMN with a symbol of --map expected, got {text!r}"
                f"{did_you_mean(symbol, columns)}"
            )
        mappings[text] = {**columns, symbol: column}
    return mappings
