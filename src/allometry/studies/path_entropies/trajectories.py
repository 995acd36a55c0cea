"""Trajectories of the path entropies along training, and the forms that describe them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from allometry.errors import DataError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.stats import lines
from allometry.stats.means import over_seeds
from allometry.tables.table import Table

__all__ = [
    "LEARNT", "Forms", "Trajectory", "compression", "evenly", "fits", "forms", "numbers",
    "statistics", "trajectories",
]  # fmt: skip

Array = NDArray[np.float64]
Trajectory = Mapping[str, Array]  # a measure to its values at each epoch

LEARNT = 150  # epochs after which training accuracy on the true labels is 99.7% or more
FITTED = {"htse": "H'_TSE against epoch + 1", "hsie": "H'_SIE against epoch + 1 (bits)"}
FEWEST = 10  # points of a trajectory that a form is fitted to


class Forms(NamedTuple):
    """One trajectory fitted by three forms of two parameters, and by one between them.

    Attributes:
        slope: of y = slope ln(t + 1) + b, for each factor e of epochs.
        r2_log: of that; `r2_linear` of y = a t + b; `r2_power` of y = c (t + 1)^p.
        bend: the p in +-3 of y = a ((t + 1)^p - 1) / p + b that fits best; 0 is the
            logarithm, 1 the straight line, below 0 it levels off.
    """

    slope: float
    r2_log: float
    r2_linear: float
    r2_power: float
    bend: float


def forms(epoch: Array, y: Array) -> Forms:
    """Least squares on y itself, so that R^2 compare; AIC ranks the three forms as R^2 does.

    NaN throughout for fewer than ten points, or where y is constant.
    """
    if len(y) < FEWEST or np.ptp(y) == 0:
        return Forms(*[np.nan] * 5)
    log_t = np.log1p(epoch)
    straight = lines.line(log_t, y)
    total = float(((y - y.mean()) ** 2).sum())
    _, power_misfit = _best(lambda p: _misfit_of_power(log_t, y, p), 5.0)
    bend, _ = _best(lambda p: -_r2(_between(log_t, p), y), 3.0)
    return Forms(
        slope=straight.slope,
        r2_log=straight.r2,
        r2_linear=_r2(epoch, y),
        r2_power=1 - power_misfit / total,
        bend=bend,
    )


def _r2(x: Array, y: Array) -> float:
    return lines.line(x, y).r2


def _between(log_t: Array, p: float) -> Array:
    """((t + 1)^p - 1) / p, which is ln(t + 1) at p = 0."""
    return np.expm1(p * log_t) / p if abs(p) > 1e-9 else log_t


def _misfit_of_power(log_t: Array, y: Array, p: float) -> float:
    x = np.exp(p * log_t)
    return float(((y - (x @ y) / (x @ x) * x) ** 2).sum())


def _best(cost: Callable[[float], float], bound: float) -> tuple[float, float]:
    """Where within +-bound a cost is lowest, and the cost there; a grid brackets the minimum."""
    grid = np.linspace(-bound, bound, 61)
    middle = float(grid[np.argmin([cost(p) for p in grid])])
    step = float(grid[1] - grid[0])
    lowest = optimize.minimize_scalar(
        cost,
        bounds=(max(-bound, middle - step), min(bound, middle + step)),
        method="bounded",
        options={"xatol": 1e-5},
    )
    return float(lowest.x), float(lowest.fun)


def trajectories(table: Table, *, shuffled: bool) -> list[Trajectory]:
    """The trajectories of the finished runs on true or on shuffled labels, by rising seed.

    Raises:
        DataError: a run has none, or they were not measured at the same epochs.
    """
    done = table.where(status="done")
    done = done.take((done["wrong_labels"] > 0) == shuffled).sort("seed")
    names = done["run_id"].tolist()
    missing = [name for name in names if name not in table.trajectories]
    if missing:
        raise DataError(
            f"{len(missing)} runs come without trajectories (run {missing[0][:12]} for one); a "
            "table from a store has them, one from a CSV file has not"
        )
    runs = [table.trajectories[name] for name in names]
    if any(not np.array_equal(run["epoch"], runs[0]["epoch"]) for run in runs):
        raise DataError("trajectories measured at the same epochs expected; choose one size")
    return [{name: np.asarray(v, float) for name, v in run.items()} for run in runs]


def compression(trajectory: Trajectory) -> slice:
    """The compression phase: from the point where H'_SIE is highest to the end of training."""
    return slice(int(np.argmax(trajectory["hsie"])), None)


def statistics(trajectory: Trajectory) -> dict[str, float]:
    """All numbers the findings use, of one run."""
    out = {"first_epoch": trajectory["epoch"][compression(trajectory)][0]}
    phase = {name: values[compression(trajectory)] for name, values in trajectory.items()}
    for name in ("htse", "hsie", "weight_norm2"):
        fitted = forms(phase["epoch"], phase[name])._asdict()
        out |= {f"{name}_{number}": value for number, value in fitted.items()}
        for window, rows in (("late", late(phase["epoch"])), ("even", evenly(phase["epoch"]))):
            out[f"{name}_bend_{window}"] = forms(phase["epoch"][rows], phase[name][rows]).bend
        # Over the whole training: H'_SIE falls from its highest point by construction.
        out[f"{name}_slope_whole"] = lines.line(
            np.log1p(trajectory["epoch"]), trajectory[name]
        ).slope
        out[f"{name}_change"] = trajectory[name][-1] / trajectory[name][0] - 1
    for name in ("htse", "hsie"):
        out[f"{name}_r2_weights"] = _r2(trajectory["weight_norm2"], trajectory[name])
    for name in ("information_input", "information_label"):
        out[name] = trajectory[name][-1] - trajectory[name][0]
    return out


def numbers(table: Table) -> dict[str, Any]:
    """Everything that findings and figures use, by name.

    Returns:
        `true`, `shuffled`: trajectories of the runs on either labels. `run_statistics`:
        `statistics` of each run on true labels. `intervals`, `intervals_shuffled`: their means
        over seeds with 95% intervals.

    Raises:
        DataError: no run on the true labels is finished.
    """
    true, shuffled = (trajectories(table, shuffled=kind) for kind in (False, True))
    if not true:
        raise DataError("no finished run on the true labels; `allometry run` trains them")
    run_statistics = [statistics(trajectory) for trajectory in true]
    return {
        "true": true,
        "shuffled": shuffled,
        "run_statistics": run_statistics,
        "intervals": over_seeds(run_statistics),
        "intervals_shuffled": over_seeds([statistics(trajectory) for trajectory in shuffled]),
    }


def fits(true: Sequence[Trajectory]) -> dict[str, Fit]:
    """The demo's two logarithms by `allometry.fit`, whole seeds resampled; none for one seed."""
    every = slice(None, None, 5)  # neighbouring points are nearly equal
    epoch = true[0]["epoch"][every]
    if len(true) < 2 or len(epoch) < 2:
        return {}
    points = Table({
        "seed": np.repeat(np.arange(len(true)), len(epoch)),
        "passes": np.tile(epoch + 1, len(true)),
        "htse": np.concatenate([trajectory["htse"][every] for trajectory in true]),
        "hsie": np.concatenate([trajectory["hsie"][every] for trajectory in true]),
    })  # fmt: skip
    return {
        title: fit(
            points, "log", {"x": "passes", "y": name}, objective="squared", cluster="seed",
            resamples=200,
        )
        for name, title in FITTED.items()
    }  # fmt: skip


def late(epoch: Array) -> NDArray[np.int64]:
    return np.flatnonzero(epoch >= LEARNT)


def evenly(epoch: Array, points: int = 90) -> NDArray[np.int64]:
    """Positions of points about evenly spaced in the logarithm of time."""
    wanted = np.geomspace(epoch[0] + 1, epoch[-1] + 1, points)
    return np.unique(np.searchsorted(epoch + 1, wanted).clip(max=len(epoch) - 1))
