"""Commands on a table of finished runs: fit a law, compare laws."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from allometry.cli.help import example
from allometry.cli.options import (
    FILE,
    FILE_OR_FOLDER,
    as_json,
    completed_by,
    counts,
    law_name,
    mapped_columns,
    number,
    numbers,
    pairs,
    to_file,
)
from allometry.cli.output import print_json, write
from allometry.errors import UsageError
from allometry.fitting.options import (
    INTERVALS,
    OBJECTIVES,
    FitOptions,
    IntervalName,
    ObjectiveChoice,
    OptionValues,
)

if TYPE_CHECKING:
    from allometry.fitting.document import Fit

__all__ = ["compare", "fit", "of_fit"]

DEFAULTS = FitOptions()

mapped = click.option(
    "--map", "mapping", multiple=True, required=True, metavar="SYMBOL=COLUMN",
    shell_complete=completed_by("mapped_columns"),
    help="A column for each symbol of the law: N=params, D=steps*batch*1024.",
)  # fmt: skip


by_objective = click.option(
    "--objective", type=click.Choice(OBJECTIVES), metavar="NAME", default=DEFAULTS.objective,
    show_default=True,
    help="What is minimised. huber_log: squared residuals of log y, absolute for outliers; "
    "squared_log: squared residuals of log y, for relative errors; absolute_log: absolute "
    "residuals of log y; squared: squares of y - f, for errors of constant size; "
    "asymmetric_absolute: absolute y - f, times ten where f > y. auto: by the residuals.",
)  # fmt: skip
with_delta = click.option(
    "--delta", type=float, help="Delta of huber_log. Default: from the residuals."
)
filtered = click.option(
    "--filter", "filters", multiple=True, metavar='"COLUMN<=VALUE"',
    shell_complete=completed_by("columns"),
    help="Rows to keep; may be repeated.",
)  # fmt: skip
largest_dropped = click.option(
    "--drop-largest", multiple=True, metavar="SYMBOL:K",
    help="Leave out the K largest rows; may be repeated.",
)  # fmt: skip
with_starts = click.option(
    "--starts",
    type=click.IntRange(1, 1_000_000),
    help="Number of starts. Default: by the law.",
)
with_seed = click.option("--seed", type=click.IntRange(0), default=DEFAULTS.seed, show_default=True)
with_weights = click.option(
    "--weights",
    metavar="COLUMN",
    shell_complete=completed_by("columns"),
    help="Weight of each row: its inverse variance.",
)
with_noise = click.option(
    "--noise", metavar="COLUMN", shell_complete=completed_by("columns"),
    help="Standard deviation of each row's y, in units of y; weights are 1/noise^2.",
)  # fmt: skip
with_fixed = click.option(
    "--fixed", multiple=True, metavar="PARAMETER=VALUE", help="Fix a parameter at this value."
)


@click.command(
    short_help="Fit a law: values, intervals, proof of convergence.",
    epilog=example("fit runs.csv --law power --map x=n --map y=loss"),
)
@click.argument("table", type=FILE_OR_FOLDER)
@click.option(
    "--law", required=True, help="Name of a law, or a Python file that defines LAW.",
    shell_complete=completed_by("laws"),
    callback=lambda context, option, text: law_name(text),
)  # fmt: skip
@mapped
@filtered
@largest_dropped
@by_objective
@with_delta
@with_starts
@click.option(
    "--resamples", type=click.IntRange(0, 1_000_000), default=DEFAULTS.resamples, show_default=True
)
@click.option(
    "--cluster",
    multiple=True,
    metavar="COLUMN",
    shell_complete=completed_by("columns"),
    help="Resample rows of equal value together: checkpoints of one run (its column), or seeds "
    "of one size.",
)
@click.option(
    "--interval",
    type=click.Choice(INTERVALS),
    default=DEFAULTS.interval,
    show_default=True,
    metavar="NAME",
    help="pairs: fits to resampled rows; fractional: to all rows with random weights; residual: to "
    "resampled residuals; student: for few rows; jackknife: for few clusters; profile: profile "
    "likelihood; none. auto: by rows and clusters.",
)
@click.option(
    "--level",
    type=float,
    default=DEFAULTS.level,
    show_default=True,
    help="Level of the intervals.",
)
@with_seed
@with_weights
@with_noise
@with_fixed
@click.option(
    "--by",
    multiple=True,
    metavar="COLUMN",
    shell_complete=completed_by("columns"),
    help="One fit for each value, and their differences.",
)
@click.option(
    "--shared",
    multiple=True,
    metavar="PARAMETER",
    help="With --by: also one fit in which this parameter is the same in all groups.",
)
@click.option(
    "--predict",
    "points",
    multiple=True,
    metavar="SIZES",
    help="Predict y at these sizes, such as N=1e11,D=2e12.",
)
@click.option(
    "--start",
    multiple=True,
    metavar="PARAMETER=VALUE",
    help="One more start; with --starts 1 the only one.",
)
@click.option(
    "--figure",
    type=FILE,
    help="Draw data and fit: .svg, .png, .pdf, .eps, .jpg, .tif, .webp.",
)
@to_file
@as_json
def fit(
    table: Path, law: str, mapping: Sequence[str], filters: Sequence[str],
    drop_largest: Sequence[str], cluster: Sequence[str], fixed: Sequence[str],
    start: Sequence[str], points: Sequence[str], figure: Path | None, output: Path | None,
    as_json: bool, objective: ObjectiveChoice, delta: float | None, starts: int | None,
    resamples: int, interval: IntervalName, level: float, seed: int, weights: str | None,
    noise: str | None,
    by: Sequence[str], shared: Sequence[str],
) -> None:  # fmt: skip
    """Fit a law to TABLE (CSV, JSON lines, Parquet): values, intervals, proof of convergence."""
    from allometry.fitting.files import fit_file, law_of, save_fit
    from allometry.fitting.predictions import check_point, predictions

    columns, options = mapped_columns(mapping), OptionValues(
        where=filters, drop_largest=counts("--drop-largest", drop_largest),
        cluster=tuple(cluster) or None, fixed=numbers("--fixed", fixed) or None,
        start=numbers("--start", start) or None, objective=objective, delta=delta, starts=starts,
        resamples=resamples, interval=interval, level=level, seed=seed, weights=weights,
        noise=noise,
    )  # fmt: skip
    if by or shared:
        if figure or points:
            option = "--figure" if figure else "--predict"
            raise UsageError(f"{option} is for one fit; leave out either it or --by and --shared")
        _fit_groups(table, law, columns, by, shared, options, output, as_json)
        return
    form, sizes = law_of(law), [_point(text) for text in points]
    for point in sizes:
        check_point(form, columns, point)
    draw = None if figure is None else _drawing(figure)
    fitted = fit_file(table, form, columns, **options)
    if output:
        write(output, lambda path: save_fit(fitted, path))
    if figure and draw:
        write(figure, lambda path: draw(fitted, path))
    predicted = predictions(fitted, sizes)
    if as_json:
        document = fitted.to_document()
        if predicted:
            document["predictions"] = [asdict(p) for p in predicted]
        print_json(str(document.pop("schema")).split("/")[1], **document)
    else:
        from allometry.cli.terminal import show_fit

        show_fit(fitted, predicted)


def of_fit(*names: str) -> list[click.Parameter]:
    """Arguments and options of `allometry fit`, for use in other commands."""
    parameters = {p.name: p for p in fit.params}
    return [parameters[name] for name in names]


def _drawing(path: Path) -> "Callable[[Fit, Path], None]":
    """The function that draws a fit into a file; loads Matplotlib.

    Raises:
        UsageError: Matplotlib writes no files with this ending.
    """
    from allometry.figures.fits import check_ending, save_fit_figure

    check_ending(path)
    return save_fit_figure


def _point(text: str) -> dict[str, float]:
    """Symbol to size, of one --predict."""
    words = pairs("--predict", text.split(","), "SYMBOL=VALUE,...")
    if len(words) < text.count(",") + 1:
        raise UsageError(f"--predict {text} gives a size twice; repeat --predict for more points")
    return {name.strip(): number("--predict", value) for name, value in words.items()}


def _fit_groups(
    table: Path, law: str, columns: dict[str, str], by: Sequence[str], shared: Sequence[str],
    options: OptionValues, output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Fit each group, compare the groups and print the result."""
    from allometry.fitting.files import fit_groups_file, save_fit

    if not by:
        raise UsageError("--shared is for groups: name their columns with --by")
    groups = fit_groups_file(table, law, columns, by=by, shared=shared, **options)
    if output:
        write(output, lambda path: save_fit(groups, path))
    if as_json:
        document = groups.to_document()
        print_json(str(document.pop("schema")).split("/")[1], **document)
    else:
        from allometry.cli.fit_screens import show_groups

        show_groups(groups)


@click.command(
    short_help="Compare laws by how well they extrapolate.",
    epilog=example("compare runs.csv --laws power,log --map x=n --map y=loss"),
)
@click.argument("table", type=FILE_OR_FOLDER)
@click.option(
    "--laws",
    "names",
    multiple=True,
    required=True,
    metavar="LAW,LAW,...",
    shell_complete=completed_by("list_of_laws"),
    help="Names of laws, or Python files that define LAW; may be repeated.",
)
@mapped
@click.option(
    "--fit-where",
    multiple=True,
    metavar='"COLUMN==VALUE"',
    shell_complete=completed_by("columns"),
    help="Rows to fit to; the others test the extrapolation.",
)
@click.option(
    "--by", multiple=True, metavar="COLUMN", shell_complete=completed_by("columns"),
    help="One comparison for each value.",
)  # fmt: skip
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
@with_delta
@filtered
@largest_dropped
@with_starts
@with_seed
@with_weights
@with_noise
@with_fixed
@as_json
def compare(
    table: Path, names: Sequence[str], mapping: Sequence[str], fit_where: Sequence[str],
    by: Sequence[str], hold_out: str | None, as_json: bool, backtest: bool | None,
    objective: ObjectiveChoice, delta: float | None, filters: Sequence[str],
    drop_largest: Sequence[str], starts: int | None, seed: int, weights: str | None,
    noise: str | None, fixed: Sequence[str],
) -> None:  # fmt: skip
    """Compare laws on TABLE by how well they extrapolate; choose one, and average them.

    All laws are fitted to the rows that every one of them can use. AICc on these rows determines
    the choice and the weights.
    """
    from allometry.fitting.files import compare_file

    name, _, count = (hold_out or "largest:0").partition(":")
    if name != "largest" or not count.isdecimal():
        raise UsageError(f"--hold-out largest:K with a whole number K expected, got {hold_out!r}")
    document = compare_file(
        table, mapped_columns(mapping), [law_name(n) for n in ",".join(names).split(",") if n],
        fit_where=fit_where, by=by, hold_out=int(count), backtest=backtest, objective=objective,
        delta=delta, where=filters, drop_largest=counts("--drop-largest", drop_largest),
        starts=starts, seed=seed, weights=weights, noise=noise,
        fixed=numbers("--fixed", fixed) or None,
    )  # fmt: skip
    if as_json:
        print_json(str(document.pop("schema")).split("/")[1], **document)
    else:
        from allometry.cli.terminal import show_comparison

        show_comparison(document)
