"""Commands on a table of finished runs: fit a law, compare laws."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from allometry.cli.options import as_json, counts, mapped_columns, numbers, to_file
from allometry.cli.output import print_json, write
from allometry.errors import UsageError
from allometry.fitting.options import (
    COMPARE_DELTA,
    INTERVALS,
    OBJECTIVES,
    FitOptions,
    IntervalName,
    ObjectiveChoice,
    ObjectiveName,
    OptionValues,
)

__all__ = ["compare", "fit"]

DEFAULTS = FitOptions()

Decorator = Callable[[Callable[..., None]], Callable[..., None]]

mapped = click.option(
    "--map", "mapping", multiple=True, required=True, metavar="SYMBOL=COLUMN",
    help="Which column is which symbol of the law, N=params say; may be repeated.",
)  # fmt: skip


def _objective(default: ObjectiveChoice) -> Decorator:
    return click.option(
        "--objective", type=click.Choice(OBJECTIVES), default=default, show_default=True
    )


def _delta(default: float | None) -> Decorator:
    """Curves of one run are compared with a wider Huber than runs are fitted with."""
    rule = "" if default else " Default: by the scatter of the residuals."
    return click.option(
        "--delta", type=float, default=default, show_default=bool(default),
        help=f"Of huber_log.{rule}",
    )  # fmt: skip


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
@_objective(DEFAULTS.objective)
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
    "--by",
    multiple=True,
    metavar="COLUMN",
    help="One fit for each value, and the differences between them; may be repeated.",
)
@click.option(
    "--shared",
    multiple=True,
    metavar="PARAMETER",
    help="With --by: also one fit to all groups in which this parameter is the same; may be "
    "repeated.",
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
    figure: Path | None, output: Path | None, as_json: bool, objective: ObjectiveChoice,
    delta: float | None, starts: int | None, resamples: int, interval: IntervalName, level: float,
    seed: int, weights: str | None, noise: str | None, by: Sequence[str], shared: Sequence[str],
) -> None:  # fmt: skip
    """Fit a law to TABLE (CSV, JSON lines, Parquet): values, intervals, proof of convergence."""
    from allometry.figures.fits import save_fit_figure
    from allometry.fitting.files import fit_file, save_fit

    columns, options = mapped_columns(mapping), OptionValues(
        where=filters, drop_largest=counts("--drop-largest", drop_largest),
        cluster=tuple(cluster) or None, fixed=numbers("--fixed", fixed) or None,
        objective=objective, delta=delta, starts=starts, resamples=resamples, interval=interval,
        level=level, seed=seed, weights=weights, noise=noise,
    )  # fmt: skip
    if by or shared:
        if figure:
            raise UsageError("--figure draws one fit; leave it out, or leave out --by and --shared")
        _fit_groups(table, law, columns, by, shared, options, output, as_json)
        return
    fitted = fit_file(table, law, columns, **options)
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


def _fit_groups(
    table: Path, law: str, columns: dict[str, str], by: Sequence[str], shared: Sequence[str],
    options: OptionValues, output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Fit each group, compare the groups, print."""
    from allometry.fitting.files import fit_groups_file, save_fit

    if not by:
        raise UsageError("--shared is for groups: name the columns that make them with --by")
    groups = fit_groups_file(table, law, columns, by=by, shared=shared, **options)
    if output:
        write(output, lambda path: save_fit(groups, path))
    if as_json:
        document = groups.to_document()
        print_json(str(document.pop("schema")).split("/")[1], **document)
    else:
        from allometry.cli.fit_screens import show_groups

        show_groups(groups)


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
@_objective("huber_log")
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
        table, mapped_columns(mapping), [n for n in ",".join(names).split(",") if n],
        fit_where=fit_where, by=by, hold_out=int(count), backtest=backtest, objective=objective,
        delta=delta,
    )  # fmt: skip
    if as_json:
        print_json(str(document.pop("schema")).split("/")[1], **document)
    else:
        from allometry.cli.terminal import show_comparison

        show_comparison(document)
