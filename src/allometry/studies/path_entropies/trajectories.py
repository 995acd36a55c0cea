"""Courses of the path entropies along training, and the forms that describe them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from allometry.errors import DataError
from allometry.stats import lines
from allometry.tables.table import Table

__all__ = [
    "LEARNT", "Course", "Forms", "compression", "courses", "evenly", "forms",
    "statistics",
]  # fmt: skip

Array = NDArray[np.float64]
Course = Mapping[str, Array]

LEARNT = 150  # epochs after which the network has 99.7% or more of the true labels right
FEWEST = 10  # points of a trajectory that a form is fitted to


class Forms(NamedTuple):
    """One course fitted by three forms of two parameters, and by one between them.

    Attributes:
        slope: of y = slope ln(t + 1) + b, for each factor e of epochs.
        r2_log: of that; `r2_linear` of y = a t + b; `r2_power` of y = c (t + 1)^p.
        bend: the p in +-3 of y = a ((t + 1)^p - 1) / p + b that fits best; 0 is the
            logarithm, 1 the straight line, below 0 the course comes to rest.
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
    """Where within +-bound a cost is lowest, and the cost there; a grid finds the valley."""
    grid = np.linspace(-bound, bound, 61)
    middle = float(grid[np.argmin([cost(p) for p in grid])])
    step = float(grid[1] - grid[0])
    found = optimize.minimize_scalar(
        cost,
        bounds=(max(-bound, middle - step), min(bound, middle + step)),
        method="bounded",
        options={"xatol": 1e-5},
    )
    return float(found.x), float(found.fun)


def courses(table: Table, *, shuffled: bool) -> list[Course]:
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
    found = [table.trajectories[name] for name in names]
    if any(not np.array_equal(c["epoch"], found[0]["epoch"]) for c in found):
        raise DataError("trajectories measured at the same epochs expected; choose one size")
    return [{name: np.asarray(v, float) for name, v in course.items()} for course in found]


def compression(course: Course) -> slice:
    """The compression phase: from the point where H'_SIE is highest to the end of training."""
    return slice(int(np.argmax(course["hsie"])), None)


def statistics(course: Course) -> dict[str, float]:
    """Every number the findings use, of one run."""
    out = {"first_epoch": course["epoch"][compression(course)][0]}
    phase = {name: values[compression(course)] for name, values in course.items()}
    for name in ("htse", "hsie", "weight_norm2"):
        fitted = forms(phase["epoch"], phase[name])._asdict()
        out |= {f"{name}_{number}": value for number, value in fitted.items()}
        for window, rows in (("late", late(phase["epoch"])), ("even", evenly(phase["epoch"]))):
            out[f"{name}_bend_{window}"] = forms(phase["epoch"][rows], phase[name][rows]).bend
        # Over the whole training: H'_SIE falls from its highest point by construction.
        out[f"{name}_slope_whole"] = lines.line(np.log1p(course["epoch"]), course[name]).slope
        out[f"{name}_change"] = course[name][-1] / course[name][0] - 1
    for name in ("htse", "hsie"):
        out[f"{name}_r2_weights"] = _r2(course["weight_norm2"], course[name])
    for name in ("information_input", "information_label"):
        out[name] = course[name][-1] - course[name][0]
    return out


def late(epoch: Array) -> NDArray[np.int64]:
    return np.flatnonzero(epoch >= LEARNT)


def evenly(epoch: Array, points: int = 90) -> NDArray[np.int64]:
    """Positions of points about evenly spaced in the logarithm of time."""
    wanted = np.geomspace(epoch[0] + 1, epoch[-1] + 1, points)
    return np.unique(np.searchsorted(epoch + 1, wanted).clip(max=len(epoch) - 1))
