"""Laws of the path entropies in the number of examples D, as the D-scaling notebook fits them.

The module has the notebook's baselines and its four lines (Liu 2025, a companion of notebook 000),
and the changes of the entropies by training, which need no baseline.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from allometry.claims.lines import LineAxes, bend
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.stats import lines
from allometry.stats.grid import Curves, Grid
from allometry.stats.interval import NO_VALUE, Interval, student_reach
from allometry.stats.lines import Line
from allometry.stats.means import mean
from allometry.studies.path_entropies.laws import (
    COLUMNS,
    bend_of_powers,
    cluster_columns,
    intervals_of,
)
from allometry.tables.table import Table

__all__ = [
    "END", "Move", "fits", "move", "notebook_laws", "numbers", "reduced", "statistics",
    "with_changes",
]  # fmt: skip

END = 5  # number of sizes at either end; their mean is the notebook's baseline
DRAWS = 100_000  # of the generalised interval
ALL_UNITS = tuple(f"{name}_all{of}" for name in ("htse", "hsie") for of in ("", "_untrained"))


def reduced(curves: Curves) -> Curves:
    """Differences from the notebook's baselines.

    The baselines are the means of the last five values of the loss and of H'_SIE, and of the first
    five values of H'_TSE. `ideal` is L_ideal of the reduced entropies.
    """
    loss = curves["test_loss"] - curves["test_loss"][-END:].mean()
    hsie = curves["hsie"] - curves["hsie"][-END:].mean()
    htse = curves["htse"] - curves["htse"][:END].mean()
    ideal = np.sqrt(0.5 * np.maximum(htse, 0) ** 2 + 0.5 * np.maximum(hsie, 0) ** 2)
    return Curves(curves.size, {"loss": loss, "htse": htse, "hsie": hsie, "ideal": ideal})


def notebook_laws(curves: Curves) -> dict[str, Line]:
    """Power laws of loss and H'_TSE, exponential of H'_SIE, and core law, each with R^2 and p."""
    part = reduced(curves)
    positive = part["hsie"] > 0
    return {
        "loss": lines.log_line(part.size, part["loss"]),
        "htse": lines.log_line(part.size, part["htse"]),
        "hsie": lines.line(part.size[positive], np.log(part["hsie"][positive])),
        "core": lines.log_line(part["ideal"], part["loss"]),
    }


def statistics(curves: Curves) -> dict[str, float]:
    """All numbers of the notebook's laws for one set of curves.

    The jackknife computes them again without each seed and size.
    """
    out: dict[str, float] = {}
    for law, fitted in notebook_laws(curves).items():
        out |= {law: fitted.slope, f"{law}_r2": fitted.r2}
    part = reduced(curves)
    out["loss_bend"] = bend_of_powers(part.size, part["loss"])
    out["htse_bend"] = bend_of_powers(part.size, part["htse"])
    out["hsie_bend"] = bend(*LineAxes(xlog=False).points(part.size, part["hsie"]))
    out["core_bend"] = bend_of_powers(part["ideal"], part["loss"])
    for name, baseline in (("htse", slice(None, END)), ("loss", slice(-END, None))):
        power = curves.size ** out[name]  # an exact power law, on the notebook's axes
        out[f"{name}_power_bend"] = bend_of_powers(curves.size, power - power[baseline].mean())
    for name in ("htse", "hsie"):
        out[f"{name}_change"] = float(curves[name][-END:].mean() - curves[name][:END].mean())
    return out


class Move(NamedTuple):
    """The change of an entropy with more data, compared with that between seeds.

    The entropy is the mean over all units.

    Attributes:
        change: from the smallest sizes to the largest, mean over seeds with Student's interval.
        spread: standard deviation between trained networks of different seeds at the largest
            sizes; NaN for one seed.
        spread_untrained: the same before training.
        ratio: absolute value of `change` over `spread`.
        ratio_untrained: absolute value of `change` over `spread_untrained`.
    """

    change: Interval
    spread: float
    spread_untrained: float
    ratio: Interval
    ratio_untrained: Interval


def move(grid: Grid, name: str) -> Move:
    """The `Move` of `htse` or `hsie`."""
    trained, untrained = grid.columns[f"{name}_all"], grid.columns[f"{name}_all_untrained"]
    largest = np.nanmean(trained[:, -END:], axis=1)
    change = mean(largest - np.nanmean(trained[:, :END], axis=1))
    seeds = len(grid.seeds)
    levels = largest, np.nanmean(untrained, axis=1)
    spread, before = (float(np.std(v, ddof=1)) if seeds > 1 else np.nan for v in levels)
    ratios = (_ratio(change, of_seeds, seeds) for of_seeds in (spread, before))
    return Move(change, spread, before, *ratios)


def _ratio(change: Interval, spread: float, seeds: int) -> Interval:
    """The absolute change over the standard deviation between seeds, with the errors of both.

    The interval is the generalised interval of Weerahandi (1993, JASA 88, 899-905). Its ends are
    quantiles of the ratio if the change has Student's distribution and the variance an inverse
    chi-squared distribution, both with seeds - 1 degrees of freedom.
    """
    if not change.has_ends or not spread > 0:
        return NO_VALUE
    rng, freedom = np.random.default_rng(0), seeds - 1
    error = (change.high - change.value) / student_reach(freedom)
    changes = change.value + error * rng.standard_t(freedom, DRAWS)
    spreads = spread * np.sqrt(freedom / rng.chisquare(freedom, DRAWS))
    low, high = np.quantile(np.abs(changes) / spreads, [0.025, 0.975])
    return Interval(abs(change.value) / spread, float(low), float(high))


def numbers(table: Table) -> dict[str, Any]:
    """All numbers of the findings and figures, by name.

    Returns:
        `moves`: the `Move` of each entropy. `mean`: means over seeds, `Curves`. `laws`: the lines
        through them. `intervals`: each of `statistics` with its 95% interval. `seed_statistics`:
        the `statistics` of each seed.
    """
    grid = Grid.of(table, "n_data", (*COLUMNS, *ALL_UNITS))
    means = grid.mean()
    return {
        "moves": {name: move(grid, name) for name in ("htse", "hsie")},
        "mean": means,
        "laws": notebook_laws(means),
        "intervals": intervals_of(grid, statistics),
        "seed_statistics": {seed: statistics(curves) for seed, curves in grid.each_seed()},
    }


def fits(table: Table) -> dict[str, Fit]:
    """Fits to the loss and to the changes of the entropies by training, by title.

    They are fitted by `allometry.fit` to single runs without a baseline, with sizes and seeds
    resampled. Runs in which training changed an entropy in the other direction are left out. The
    findings are about means over seeds, so their numbers differ slightly from these.
    """
    runs = with_changes(table)
    power = partial(
        fit, runs, cluster=cluster_columns(runs, "n_data", "seed"), objective="squared_log"
    )
    return {
        "Test loss of single runs, power law with a floor": power(
            "power_floor", {"x": "n_data", "y": "test_loss"}
        ),
        "H'_TSE of single runs, added by training, power law": power(
            "power", {"x": "n_data", "y": "htse_added"}
        ),
        "H'_SIE of single runs, removed by training (bits), power law": power(
            "power", {"x": "n_data", "y": "hsie_removed"}
        ),
    }


def with_changes(table: Table) -> Table:
    """The finished runs with the change of each entropy by training, mean over all units.

    Over a sample of units the mean would depend on the draw.
    """
    done = table.where(status="done")
    return done.with_columns(
        htse_added=done["htse_all"] - done["htse_all_untrained"],
        hsie_removed=done["hsie_all_untrained"] - done["hsie_all"],
    )
