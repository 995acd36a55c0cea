"""Trajectories of the path entropies along training, and the functional forms fitted to them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.stats import lines
from allometry.stats.interval import Interval
from allometry.stats.means import mean, over_seeds
from allometry.tables.table import Table

__all__ = [
    "LEARNT", "WINDOWS", "Forms", "Trajectory", "evenly", "fits", "forms", "numbers", "one_line",
    "statistics", "trajectories",
]  # fmt: skip

Array = NDArray[np.float64]
Trajectory = Mapping[str, Array]  # the values of each measure at each epoch

LEARNT = 150  # epoch from which training accuracy on the true labels is 99.7% or more (ours)
# The points that a form is fitted to: all points as in the demo, those after learning, or points
# evenly spaced in the logarithm of time. The source names a phase and does not define it.
WINDOWS = ("", "_late", "_even")
FITTED = {
    "htse": "H'_TSE against epoch + 1, every fifth point",
    "hsie": "H'_SIE (bits) against epoch + 1, every fifth point",
}
FEWEST = 10  # least number of points for a form


class Forms(NamedTuple):
    """Fits of three forms with two parameters to a trajectory, and of a form between them.

    Attributes:
        slope: of y = slope ln(t + 1) + b, for each factor e of epochs.
        r2_log: R^2 of y = slope ln(t + 1) + b.
        r2_linear: R^2 of y = a t + b.
        r2_power: R^2 of y = c (t + 1)^p.
        bend: the best p within +-3 of y = a ((t + 1)^p - 1) / p + b. 0 is the logarithm and 1 the
            straight line; below 0 the curve has a limit.
    """

    slope: float
    r2_log: float
    r2_linear: float
    r2_power: float
    bend: float


def forms(epoch: Array, y: Array) -> Forms:
    """The forms fitted by least squares on y itself, so that their R^2 are comparable.

    AIC ranks the three forms in the order of R^2. All values are NaN for fewer than ten points or
    constant y.
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
    """The minimum of a cost within +-bound, and the cost there; a grid brackets the minimum."""
    from scipy import optimize

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
    """The trajectories of the finished runs on true or on shuffled labels, in order of seed.

    Raises:
        DataError: a run has no trajectory, or runs were not measured at the same epochs.
    """
    done = table.where(status="done")
    done = done.take((done["wrong_labels"] > 0) == shuffled).sort("seed")
    names = done["run_id"].tolist()
    missing = [name for name in names if name not in table.trajectories]
    if missing:
        raise DataError(
            f"{len(missing)} runs come without trajectories (for example run {missing[0][:12]}); "
            "use a table from a store, because one from a CSV file has no trajectories"
        )
    runs = [table.trajectories[name] for name in names]
    if any(not np.array_equal(run["epoch"], runs[0]["epoch"]) for run in runs):
        raise DataError(
            "trajectories measured at the same epochs expected, got different ones; select the "
            "runs of one size"
        )
    return [{name: np.asarray(v, float) for name, v in run.items()} for run in runs]


def statistics(trajectory: Trajectory) -> dict[str, float]:
    """All numbers of the findings for one run."""
    epoch, out = trajectory["epoch"], dict[str, float]()
    for name in ("htse", "hsie", "weight_norm2"):
        values = trajectory[name]
        fitted = forms(epoch, values)._asdict()
        out |= {f"{name}_{number}": value for number, value in fitted.items()}
        for window, rows in (("late", late(epoch)), ("even", evenly(epoch))):
            out[f"{name}_bend_{window}"] = forms(epoch[rows], values[rows]).bend
        out[f"{name}_change"] = values[-1] / values[0] - 1
    for name in ("htse", "hsie"):
        of_weights = lines.line(trajectory["weight_norm2"], trajectory[name])
        out[f"{name}_slope_weights"], out[f"{name}_r2_weights"] = of_weights.slope, of_weights.r2
    for name in ("information_input", "information_label"):
        out[name] = trajectory[name][-1] - trajectory[name][0]
    return out


def one_line(runs: Sequence[Trajectory], x: str, y: str) -> Interval:
    """R^2 of one line through the points of all runs, with an interval over runs.

    The interval is Student's on Tukey's pseudo-values of ln(1 - R^2) (1958, Ann. Math. Statist.
    29, 614), with one run left out at a time. For fewer than two runs it has no ends.
    """

    def log_unexplained(group: Sequence[Trajectory]) -> float:
        columns = (np.concatenate([run[name] for run in group]) for name in (x, y))
        return float(np.log(max(1 - _r2(*columns), 1e-12)))

    whole, n = log_unexplained(runs), len(runs)
    if n < 2:
        return Interval(1 - np.exp(whole), np.nan, np.nan)
    without = np.array([log_unexplained([*runs[:i], *runs[i + 1 :]]) for i in range(n)])
    pseudo = mean(n * whole - (n - 1) * without)
    reach = pseudo.high - pseudo.value
    value, low, high = (1 - np.exp(whole + reach * np.array([0, 1, -1]))).tolist()
    return Interval(value, max(low, 0.0), high)  # R^2 of a least-squares line is at least 0


def numbers(table: Table) -> dict[str, Any]:
    """All numbers of the findings and figures, by name.

    Returns:
        `true`, `shuffled`: trajectories of the runs on true and on shuffled labels.
        `run_statistics`: `statistics` of each run on true labels. `intervals`,
        `intervals_shuffled`: means of the statistics over seeds with 95% intervals. `one_line`,
        `one_line_shuffled`: R^2 of each entropy on one line in the squared weights for all seeds.

    Raises:
        DataError: no run on the true labels is finished.
    """
    true, shuffled = (trajectories(table, shuffled=kind) for kind in (False, True))
    if not true:
        raise DataError("no finished run on the true labels; run `allometry run path_dynamics`")
    run_statistics = [statistics(trajectory) for trajectory in true]
    return {
        "true": true,
        "shuffled": shuffled,
        "run_statistics": run_statistics,
        "intervals": over_seeds(run_statistics),
        "intervals_shuffled": over_seeds([statistics(trajectory) for trajectory in shuffled]),
        "one_line": _one_lines(true),
        "one_line_shuffled": _one_lines(shuffled) if shuffled else {},
    }


def _one_lines(runs: Sequence[Trajectory]) -> dict[str, Interval]:
    return {name: one_line(runs, "weight_norm2", name) for name in ("htse", "hsie")}


def fits(true: Sequence[Trajectory]) -> dict[str, Fit]:
    """Fits of the demo's two logarithms, with whole seeds resampled; empty for one seed."""
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
    """Indices of the points from epoch `LEARNT` on."""
    return np.flatnonzero(epoch >= LEARNT)


def evenly(epoch: Array, points: int = 90) -> NDArray[np.int64]:
    """Indices of about `points` points, evenly spaced in the logarithm of time."""
    wanted = np.geomspace(epoch[0] + 1, epoch[-1] + 1, points)
    return np.unique(np.searchsorted(epoch + 1, wanted).clip(max=len(epoch) - 1))
