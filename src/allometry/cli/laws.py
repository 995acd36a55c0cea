"""Commands on a table of finished runs: fit a law, compare laws."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from allometry.cli.options import as_json, pairs, to_file
from allometry.cli.output import print_json, write
from allometry.errors import UsageError
from allometry.fitting.options import (
    COMPARE_DELTA,
    INTERVALS,
    OBJECTIVES,
    FitOptions,
    IntervalName,
    ObjectiveName,
)

__all__ = ["compare", "fit"]

DEFAULTS = FitOptions()

Decorator = Callable[[Callable[..., None]], Callable[..., None]]

mapped = click.option(
    "--map", "mapping", multiple=True, required=True, metavar="SYMBOL=COLUMN",
    help="Which column is which symbol of the law, N=params say; may be repeated.",
)  # fmt: skip
by_objective = click.option(
    "--objective", type=click.Choice(OBJECTIVES), default=DEFAULTS.objective, show_default=True
)


def _delta(default: float) -> Decorator:
    """Curves of one run are compared with a wider Huber than runs are fitted with."""
    return click.option(
        "--delta", type=float, default=default, show_default=True, help="Of huber_log."
    )


@click.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--law", required=True, help="A name from `allometry list`, or a file with a LAW.")
@mapped
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar='"COLUMN<=VALUE"',
    help="Rows to keep; may be repeated.",
)
@click.option(
    "--drop-largest",
    multiple=True,
    metavar="SYMBOL:K",
    help="Leave out the K rows with the largest values; may be repeated.",
)
@by_objective
@_delta(DEFAULTS.delta)
@click.option("--starts", type=click.IntRange(1, 1_000_000), help="Default: the law's own number.")
@click.option(
    "--resamples", type=click.IntRange(0, 1_000_000), default=DEFAULTS.resamples, show_default=True
)
@click.option(
    "--cluster",
    multiple=True,
    metavar="COLUMN",
    help="Resample groups of equal value whole; several are drawn in turn.",
)
@click.option(
    "--interval", type=click.Choice(INTERVALS), default=DEFAULTS.interval, show_default=True
)
@click.option(
    "--level", type=float, default=DEFAULTS.level, show_default=True, help="Of the intervals."
)
@click.option("--seed", type=click.IntRange(0), default=DEFAULTS.seed, show_default=True)
@click.option("--weights", metavar="COLUMN", help="Weight of each row.")
@click.option("--noise", metavar="COLUMN", help="Standard deviation of each row.")
@click.option("--fixed", multiple=True, metavar="PARAMETER=VALUE", help="Hold a parameter.")
@click.option(
    "--start",
    multiple=True,
    metavar="PARAMETER=VALUE",
    help="Where one more start begins; with --starts 1 the only one.",
)
@click.option(
    "--figure",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw data, fit and residuals into this file.",
)
@to_file
@as_json
def fit(
    table: Path, law: str, mapping: Sequence[str], filters: Sequence[str],
    drop_largest: Sequence[str], cluster: Sequence[str], fixed: Sequence[str],
    start: Sequence[str], figure: Path | None, output: Path | None, as_json: bool,
    objective: ObjectiveName, delta: float, starts: int | None, resamples: int,
    interval: IntervalName, level: float, seed: int, weights: str | None, noise: str | None,
) -> None:  # fmt: skip
    """Fit a law to TABLE (CSV, JSON lines, Parquet): values, intervals, proof of convergence."""
    from allometry.figures.fits import save_fit_figure
    from allometry.fitting.files import fit_file, save_fit

    fitted = fit_file(
        table, law, _mapped(mapping), where=filters,
        drop_largest=_counts("--drop-largest", drop_largest), cluster=tuple(cluster) or None,
        fixed={n: _number("--fixed", v) for n, v in pairs("--fixed", fixed).items()} or None,
        start={n: _number("--start", v) for n, v in pairs("--start", start).items()} or None,
        objective=objective, delta=delta, starts=starts, resamples=resamples, interval=interval,
        level=level, seed=seed, weights=weights, noise=noise,
    )  # fmt: skip
    if output:
        write(output, lambda path: save_fit(fitted, path))
    if figure:
        write(figure, lambda path: save_fit_figure(fitted, path))
    if as_json:
        document = fitted.to_document()
        print_json(str(document.pop("schema")).split("/")[1], **document)
    else:
        from allometry.cli.terminal import show_fit

        show_fit(fitted)


@click.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option(
    "--laws",
    "names",
    multiple=True,
    required=True,
    metavar="LAW,LAW,...",
    help="Names or files with a LAW; may be repeated.",
)
@mapped
@click.option(
    "--fit-where",
    multiple=True,
    metavar='"COLUMN==VALUE"',
    help="Rows to fit to; the others test the extrapolation.",
)
@click.option("--by", multiple=True, metavar="COLUMN", help="One comparison for each value.")
@click.option(
    "--hold-out",
    metavar="largest:K",
    help="Set the K largest sizes of each group aside as the extrapolation test.",
)
@click.option(
    "--backtest/--no-backtest",
    default=None,
    help="Also fit to the smaller sizes only and score the others. "
    "Default: only where no rows are set aside.",
)
@by_objective
@_delta(COMPARE_DELTA)
@as_json
def compare(
    table: Path, names: Sequence[str], mapping: Sequence[str], fit_where: Sequence[str],
    by: Sequence[str], hold_out: str | None, as_json: bool, backtest: bool | None,
    objective: ObjectiveName, delta: float,
) -> None:  # fmt: skip
    """Compare laws on TABLE by how well they extrapolate; choose one, and average them."""
    from allometry.fitting.files import compare_file

    name, _, count = (hold_out or "largest:0").partition(":")
    if name != "largest" or not count.isdecimal():
        raise UsageError(f"--hold-out largest:K with a whole number K expected, got {hold_out!r}")
    document = compare_file(
        table, _mapped(mapping), [n for n in ",".join(names).split(",") if n],
        fit_where=fit_where, by=by, hold_out=int(count), backtest=backtest, objective=objective,
        delta=delta,
    )  # fmt: skip
    if as_json:
        print_json(str(document.pop("schema")).split("/")[1], **document)
    else:
        from allometry.cli.terminal import show_comparison

        show_comparison(document)


def _mapped(texts: Sequence[str]) -> dict[str, str]:
    """Symbol to column.

    Raises:
        UsageError: for a symbol that is mapped twice.
    """
    columns = pairs("--map", texts, "SYMBOL=COLUMN")
    if len(columns) < len(texts):
        symbols = [text.partition("=")[0] for text in texts]
        twice = next(symbol for symbol in symbols if symbols.count(symbol) > 1)
        raise UsageError(f"--map gives {twice} twice; map one column to each symbol")
    return columns


def _counts(option: str, texts: Sequence[str]) -> dict[str, int]:
    counts = {}
    for text in texts:
        name, _, count = text.rpartition(":")
        if not name or not count.isdecimal():
            raise UsageError(f"{option} NAME:K with a whole number K expected, got {text!r}")
        counts[name] = int(count)
    return counts


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{option}: a number expected, got {text!r}") from None
