"""Laws of the path entropies in the number of examples D, as the D-scaling notebook fits them.

Its baselines and its four lines (Liu 2025, beside seed 000), and what training changes in each
network, which needs no baseline.
"""

from functools import partial
from typing import Any

import numpy as np

from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.stats import lines
from allometry.stats.grid import Curves, Grid
from allometry.stats.lines import Line
from allometry.studies.path_entropies.laws import COLUMNS, cluster_columns
from allometry.tables.table import Table

__all__ = ["END", "fits", "notebook_laws", "numbers", "reduced", "statistics", "with_changes"]

END = 5  # sizes at either end whose mean is the notebook's baseline


def reduced(curves: Curves) -> Curves:
    """Distances from the notebook's baselines: the last five losses and H'_SIE, the first five
    H'_TSE; `ideal` is L_ideal of the reduced entropies."""
    loss = curves["test_loss"] - curves["test_loss"][-END:].mean()
    hsie = curves["hsie"] - curves["hsie"][-END:].mean()
    htse = curves["htse"] - curves["htse"][:END].mean()
    ideal = np.sqrt(0.5 * np.maximum(htse, 0) ** 2 + 0.5 * np.maximum(hsie, 0) ** 2)
    return Curves(curves.size, {"loss": loss, "htse": htse, "hsie": hsie, "ideal": ideal})


def notebook_laws(curves: Curves) -> dict[str, Line]:
    """Power laws of loss and H'_TSE, exponential decay of H'_SIE, the core law; with R^2 and p."""
    part = reduced(curves)
    positive = part["hsie"] > 0
    return {
        "loss": lines.log_line(part.size, part["loss"]),
        "htse": lines.log_line(part.size, part["htse"]),
        "hsie": lines.line(part.size[positive], np.log(part["hsie"][positive])),
        "core": lines.log_line(part["ideal"], part["loss"]),
    }


def statistics(curves: Curves) -> dict[str, float]:
    """All numbers the findings use, of one set of curves: what a resample computes again."""
    out: dict[str, float] = {}
    for law, fitted in notebook_laws(curves).items():
        out |= {law: fitted.slope, f"{law}_r2": fitted.r2}
    for name, sign in (("htse", 1), ("hsie", -1)):
        moved = lines.log_line(curves.size, sign * (curves[name] - curves[f"{name}_untrained"]))
        out |= {f"{name}_moved": moved.slope, f"{name}_moved_r2": moved.r2}
        out[f"{name}_change"] = float(curves[name][-END:].mean() - curves[name][:END].mean())
    return out


def numbers(table: Table) -> dict[str, Any]:
    """Everything that findings and figures use, by name; the one bootstrap of the study.

    Returns:
        `grid`: the runs, `Grid`. `mean`: means over seeds, `Curves`. `laws`: the lines through
        them. `intervals`: each of `statistics` with its 95% interval. `seed_statistics`: seed
        to `statistics`.
    """
    grid = Grid.of(table, "n_data", COLUMNS)
    mean = grid.mean()
    return {
        "grid": grid,
        "mean": mean,
        "laws": notebook_laws(mean),
        "intervals": grid.intervals(statistics),
        "seed_statistics": {seed: statistics(curves) for seed, curves in grid.each_seed()},
    }


def fits(table: Table) -> dict[str, Fit]:
    """The loss, and what training adds to the entropies, by `allometry.fit`: all runs, no
    baseline, sizes and seeds resampled. Runs where training changed an entropy in the other
    direction are left out."""
    runs = with_changes(table)
    power = partial(
        fit, runs, cluster=cluster_columns(runs, "n_data", "seed"), objective="squared_log"
    )
    return {
        "Test loss, power law with a floor": power(
            "power_floor", {"x": "n_data", "y": "test_loss"}
        ),
        "H'_TSE added by training, power law": power("power", {"x": "n_data", "y": "htse_added"}),
        "H'_SIE removed by training (bits), power law": power(
            "power", {"x": "n_data", "y": "hsie_removed"}
        ),
    }


def with_changes(table: Table) -> Table:
    """The finished runs, with the change of each entropy from the network before training."""
    done = table.where(status="done")
    added = done["htse"] - done["htse_untrained"]
    return done.with_columns(htse_added=added, hsie_removed=done["hsie_untrained"] - done["hsie"])
