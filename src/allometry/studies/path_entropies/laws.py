"""Laws of the path entropies in the parameter count N, as the N-scaling notebook fits them.

The module has the analysis of the Cognitive Investment Model (Liu 2025, Zenodo
10.5281/zenodo.17118793, notebook 000): its cut, its baselines and its five lines. It also has the
same analysis of the networks before training, and laws without cut or baseline.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from allometry.claims.lines import LineAxes, bend
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.laws import Array
from allometry.stats import lines
from allometry.stats.grid import Curves, Grid
from allometry.stats.interval import Interval
from allometry.tables.table import Table

__all__ = [
    "COLUMNS",
    "SOURCE",
    "bend_of_powers",
    "cluster_columns",
    "fits",
    "intervals_of",
    "laws_by_seed",
    "learnt",
    "notebook_columns",
    "notebook_laws",
    "numbers",
    "reduced",
    "statistics",
]

SOURCE = "Z. Liu 2025, First-Principles-Scaling-Laws, Zenodo 10.5281/zenodo.17118793"
COLUMNS = ("test_loss", "htse", "hsie", "htse_untrained", "hsie_untrained")


def learnt(table: Table) -> Table:
    """The finished runs, without those whose loss never left chance.

    The latter are recognised by their `notice` (`allometry.training.notices`).
    """
    done = table.where(status="done")
    if "notice" not in done:
        return done
    return done.take(np.array([not text for text in done["notice"].tolist()], bool))


def bend_of_powers(x: Array, y: Array) -> float:
    """Change of the exponent of y in x over the range of x, relative to the exponent."""
    return bend(*LineAxes().points(x, y))


def bend_of_logarithm(size: Array, y: Array) -> float:
    """Change of the slope of y in log N over the sizes, relative to the slope."""
    return bend(*LineAxes(ylog=False).points(size, y))


def reduced(curves: Curves, suffix: str = "") -> Curves:
    """Each column minus its lowest value, at the sizes up to the lowest test loss.

    `ideal` is the notebook's L_ideal = sqrt(H'_TSE^2 / 2 + H'_SIE^2 / 2) of the reduced
    entropies. With `suffix` "_untrained" the entropies are those before training.
    """
    valid = curves.up_to_lowest("test_loss")
    loss, htse, hsie = (
        valid[name] - valid[name].min() for name in ("test_loss", f"htse{suffix}", f"hsie{suffix}")
    )
    ideal = np.sqrt(0.5 * htse**2 + 0.5 * hsie**2)
    return Curves(valid.size, {"loss": loss, "htse": htse, "hsie": hsie, "ideal": ideal})


def notebook_laws(curves: Curves, suffix: str = "") -> dict[str, lines.Line]:
    """The lines of the notebook's five panels, with R^2 and p."""
    part = reduced(curves, suffix)
    return {
        "loss": lines.log_line(part.size, part["loss"]),
        "htse": lines.log_line(part.size, part["htse"]),
        "hsie": lines.line(np.log10(part.size), part["hsie"]),
        "ideal": lines.log_line(part.size, part["ideal"]),
        "core": lines.log_line(part["ideal"], part["loss"]),
    }


def statistics(curves: Curves) -> dict[str, float]:
    """All numbers of the findings for one set of curves.

    The jackknife computes them again without each seed and size.
    """
    if not len(curves.size):  # the seed left out is the only one whose networks learnt
        curves = Curves(np.full(1, np.nan), {name: np.full(1, np.nan) for name in curves.columns})
    out = {"size_of_lowest_loss": float(curves.up_to_lowest("test_loss").size[-1])}
    for suffix in ("", "_untrained"):
        for law, fitted in notebook_laws(curves, suffix).items():
            out[f"{law}_reducible{suffix}"] = fitted.slope
            out[f"{law}_reducible_r2{suffix}"] = fitted.r2
        htse = lines.log_line(curves.size, curves[f"htse{suffix}"])
        hsie = lines.line(np.log10(curves.size), curves[f"hsie{suffix}"])
        out |= {f"htse{suffix}": htse.slope, f"htse_r2{suffix}": htse.r2}
        out |= {f"hsie{suffix}": hsie.slope, f"hsie_r2{suffix}": hsie.r2}
    for name in ("htse", "hsie", "htse_reducible", "hsie_reducible"):
        out[f"{name}_share"] = out[f"{name}_untrained"] / out[name]
    out["core_r2_gain"] = out["core_reducible_r2"] - out["core_reducible_r2_untrained"]
    return out | _bends(curves, exponent=out["htse"])


def _bends(curves: Curves, exponent: float) -> dict[str, float]:
    """Relative changes of the slopes on the notebook's axes, and of that of H'_SIE over all sizes.

    Args:
        exponent: of the exact power of N whose change on the axes of H'_TSE is
            `power_reducible_bend`.
    """
    out: dict[str, float] = {}
    for suffix in ("", "_untrained"):
        part, hsie = reduced(curves, suffix), curves[f"hsie{suffix}"]
        out[f"htse_reducible_bend{suffix}"] = bend_of_powers(part.size, part["htse"])
        out[f"hsie_reducible_bend{suffix}"] = bend_of_logarithm(part.size, part["hsie"])
        out[f"hsie_bend{suffix}"] = bend_of_logarithm(curves.size, hsie)
    part = reduced(curves)
    power = part.size**exponent
    out["power_reducible_bend"] = bend_of_powers(part.size, power - power.min())
    out["loss_reducible_bend"] = bend_of_powers(part.size, part["loss"])
    out["core_reducible_bend"] = bend_of_powers(part["ideal"], part["loss"])
    rest = curves.rows(slice(1, None))
    out["hsie_bend_without_smallest"] = bend_of_logarithm(rest.size, rest["hsie"])
    return out


def intervals_of(
    grid: Grid, statistics: Callable[[Curves], Mapping[str, float]]
) -> dict[str, Interval]:
    """Each statistic of the means over seeds, with the interval of its jackknife.

    A statistic with "bend" in its name is the change of a slope over these sizes. For it only
    seeds are left out, and no sizes.
    """
    over_these_sizes = grid.jackknife(statistics, fixed_sizes=True)
    return {
        name: over_these_sizes[name] if "bend" in name.split("_") else interval
        for name, interval in grid.jackknife(statistics).items()
    }


def numbers(table: Table) -> dict[str, Any]:
    """All numbers of the findings and figures, by name.

    Returns:
        `runs`: the runs that learnt. `left_out`: number of finished runs that did not learn.
        `mean`: means over seeds, `Curves`. `intervals`: each of `statistics` with its 95%
        interval. `seed_statistics`: the `statistics` of each seed. `laws`, `laws_untrained`: the
        five lines through the means. `as_in_the_notebook`: the first seed and the `Curves` of all
        its finished runs.
    """
    runs = learnt(table)
    grid = Grid.of(runs, "n_params", COLUMNS)
    mean = grid.mean()
    return {
        "runs": runs,
        "left_out": len(table.where(status="done")) - len(runs),
        "mean": mean,
        "intervals": intervals_of(grid, statistics),
        "seed_statistics": {seed: statistics(curves) for seed, curves in grid.each_seed()},
        "as_in_the_notebook": next(Grid.of(table, "n_params", COLUMNS).each_seed()),
        "laws": notebook_laws(mean),
        "laws_untrained": notebook_laws(mean, "_untrained"),
    }


def cluster_columns(runs: Table, *columns: str) -> tuple[str, ...]:
    """The columns with several values, to resample by; runs of one seed then have fits too."""
    return tuple(name for name in columns if len(set(runs[name].tolist())) > 1)


def fits(runs: Table) -> dict[str, Fit]:
    """Fits of laws to single runs, by title.

    They are fitted by `allometry.fit` without baseline or cut, with sizes and seeds resampled. The
    findings are about means over seeds, so their numbers differ slightly from these.
    """
    fit_runs = partial(fit, runs, cluster=cluster_columns(runs, "n_params", "seed"))
    power = partial(fit_runs, objective="squared_log")
    straight = partial(fit_runs, objective="squared")
    return {
        "Test loss of single runs, power law with a floor": power(
            "power_floor", {"x": "n_params", "y": "test_loss"}
        ),
        "H'_TSE of single runs, trained": power("power", {"x": "n_params", "y": "htse"}),
        "H'_TSE of single runs, untrained": power(
            "power", {"x": "n_params", "y": "htse_untrained"}
        ),
        "H'_SIE of single runs, trained (bits)": straight("log", {"x": "n_params", "y": "hsie"}),
        "H'_SIE of single runs, untrained (bits)": straight(
            "log", {"x": "n_params", "y": "hsie_untrained"}
        ),
    }


def notebook_columns(table: Table) -> Table:
    """The finished runs with the notebook's column names, by seed and N."""
    done = table.where(status="done").sort("seed", "n_params")
    columns = {
        "seed": "seed",
        "hidden_sizes": "hidden_sizes",
        "num_params_N": "n_params",
        "final_test_loss": "test_loss",
        "final_htse": "htse",
        "final_hsie": "hsie",
    }
    return Table({name: done[column] for name, column in columns.items()})


def laws_by_seed(table: Table) -> Table:
    """The notebook's five lines for every seed, of trained and of untrained networks.

    The columns are slope, intercept (of log10 for a power law), R^2, p, and the number of sizes up
    to the lowest loss. As in the notebook all networks are used, including those that never left
    chance.
    """
    rows = []
    for seed, curves in Grid.of(table, "n_params", COLUMNS).each_seed():
        valid_sizes = len(curves.up_to_lowest("test_loss").size)
        for kind, suffix in (("trained", ""), ("untrained", "_untrained")):
            for law, line in notebook_laws(curves, suffix).items():
                row = {"seed": seed, "networks": kind, "law": law, **line._asdict()}
                rows.append({**row, "sizes": valid_sizes})
    return Table.from_rows(rows)
