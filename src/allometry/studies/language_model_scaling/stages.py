"""What follows from runs: the grid from the tuned learning rates, the larger run from the grid."""

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
    """The grid at the tuned learning rates, then the larger run, then nothing."""
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
    """The learning rate of the least validation loss of each shape."""
    rates = {}
    for shape, runs in of_role(table, "tuning").groups("d_model", "n_layers"):
        rates[shape] = float(runs["learning_rate"][runs["valid_loss"].argmin()])
    return rates


def _forecast(size: str, table: Table) -> Stage:
    runs = fitted(table)
    planned = forecast.forecast_of(runs, SIZES[size].forecast)
    rate = rate_for(runs, planned.shape)
    larger = [run_of(planned.shape, planned.compute, seed, rate) for seed in grid_seeds(table)]
    return Stage(forecast.STAGE, larger, planned.document())


def rate_for(runs: Table, shape: Shape) -> float:
    """The learning rate of a shape: its own in these runs, or the nearest one's, by the width."""
    rates = {
        key: float(some["learning_rate"][0]) for key, some in runs.groups("d_model", "n_layers")
    }
    place = SHAPES.index(shape)
    nearest = min(rates, key=lambda other: abs(SHAPES.index(other) - place))
    return rates[nearest] * default_rate(shape) / default_rate(nearest)
