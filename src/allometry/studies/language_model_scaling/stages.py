"""Later stages: the grid follows from the tuned learning rates, the larger run from the grid."""

from allometry.studies.language_model_scaling import forecast
from allometry.studies.language_model_scaling.grid import (
    SHAPES,
    SIZES,
    Shape,
    byte_grid,
    controls,
    default_rate,
    repeats,
    run_of,
    token_grid,
)
from allometry.studies.language_model_scaling.rows import fitted, grid_seeds, of_role
from allometry.study_runs import Stage
from allometry.tables.table import Table

__all__ = ["later"]


def later(size: str, table: Table) -> Stage | None:
    """The next stage: the grid at the tuned learning rates, then the larger run, then None."""
    if not len(of_role(table, "fit")):
        return _grid(size, table)
    if not len(of_role(table, "forecast")):
        return _forecast(size, table)
    return None


def _grid(size: str, table: Table) -> Stage:
    rates, seeds = tuned_rates(table), grid_seeds(table)
    grids = (byte_grid, token_grid, controls, repeats)
    runs = [run for grid in grids for run in grid(SIZES[size], seeds, rates)]
    document = {f"{d_model}x{n_layers}": rate for (d_model, n_layers), rate in rates.items()}
    return Stage("grid", runs, {"learning_rates": document})


def tuned_rates(table: Table) -> dict[Shape, float]:
    """For each shape, the learning rate with the least validation loss."""
    rates = {}
    for shape, runs in of_role(table, "tuning").groups("d_model", "n_layers"):
        rates[shape] = float(runs["learning_rate"][runs["valid_loss"].argmin()])
    return rates


def _forecast(size: str, table: Table) -> Stage:
    runs = fitted(table)
    larger_run = forecast.forecast_of(runs, SIZES[size].forecast)
    shape, compute = larger_run.shape, larger_run.compute
    rate = rate_for(runs, shape)
    specs = [run_of(shape, compute, seed, rate) for seed in grid_seeds(table)]
    return Stage(forecast.STAGE, specs, larger_run.document())


def rate_for(runs: Table, shape: Shape) -> float:
    """The learning rate of a shape in these runs.

    For a shape without runs: that of the nearest shape that has runs, scaled by 1/width.
    """
    rates = {
        key: float(group["learning_rate"][0]) for key, group in runs.groups("d_model", "n_layers")
    }
    place = SHAPES.index(shape)
    nearest = min(rates, key=lambda other: abs(SHAPES.index(other) - place))
    return rates[nearest] * default_rate(shape) / default_rate(nearest)
