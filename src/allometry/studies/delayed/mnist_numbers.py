"""All numbers of the study of grokking on MNIST, computed once for its findings and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.stats.interval import Interval
from allometry.stats.lines import Line
from allometry.stats.means import mean, mean_logarithm
from allometry.studies.delayed.delay import DelayedRun, Times, finished, law_by_seed, times_of
from allometry.tables.table import Table

__all__ = ["FEWEST", "GENERALISED", "OWN_DECAY", "Group", "LawCurve", "Numbers", "at_decay"]

Array = NDArray[np.float64]
GENERALISED = 0.6  # share of the test set, as the source's phase diagram of MNIST has it
OWN_DECAY = 0.01  # the source's own weight decay, left out of the law that is tested on it
FEWEST = 3  # weight decays a law is drawn through
DRAWN = 60  # points of the law's curve


class Group(NamedTuple):
    """Runs of one setting: its name, the runs by seed, and their times."""

    title: str
    runs: Sequence[DelayedRun]
    times: Times


class LawCurve(NamedTuple):
    """Geometric mean of the seeds' power laws.

    Attributes:
        decay: ``(points,)``. value, low, high: updates, with Student's 95% interval.
        between: the smallest and the largest weight decay it was fitted to.
    """

    decay: Array
    value: Array
    low: Array
    high: Array
    between: tuple[float, float]


@dataclass(frozen=True)
class Numbers:
    """What the runs give.

    Attributes:
        runs: all of them. large: those of the largest start. usual: of the usual start at
            `decay`.
        decay: the weight decay at which large and usual starts are compared.
        reference: times of the large starts at `decay`.
        groups: what there is of large start with decay, without, and usual start.
        laws: by seed, the time to generalise of the large start as a power of the weight
            decay, the source's own decay left out. slope: the mean of their exponents.
        curve: the laws' mean; None where there is none.
        fits: the same law through the fitter; none where too few decays were run.
    """

    runs: Sequence[DelayedRun]
    large: Sequence[DelayedRun]
    usual: Sequence[DelayedRun]
    decay: float
    reference: Times
    groups: Sequence[Group]
    laws: Mapping[int, Line]
    slope: Interval
    curve: LawCurve | None
    fits: Mapping[str, Fit]

    @classmethod
    def of(cls, table: Table) -> "Numbers":
        """The numbers of the finished runs of a table.

        Raises:
            DataError: there is none, or one has no trajectory.
        """
        runs = finished(table, GENERALISED)
        largest = max(run.row["init_scale"] for run in runs)
        large = [run for run in runs if run.row["init_scale"] == largest]
        decay = _reference(runs, large)
        laws = law_by_seed([run for run in large if _is_fitted(run)], "weight_decay")
        return cls(
            runs=runs,
            large=large,
            usual=[run for run in at_decay(runs, decay) if run.row["init_scale"] == 1],
            decay=decay,
            reference=Times.of(at_decay(large, decay)),
            groups=_groups(runs, largest),
            laws=laws,
            slope=mean([law.slope for law in laws.values()]),
            curve=_curve(large, laws) if laws else None,
            fits=_fits(runs, largest),
        )

    @property
    def fitted(self) -> list[DelayedRun]:
        """Large starts at the weight decays that the laws are drawn through."""
        return [run for run in self.large if _is_fitted(run)]


def _is_fitted(run: DelayedRun) -> bool:
    return bool(run.row["weight_decay"] > OWN_DECAY)


def at_decay(runs: Sequence[DelayedRun], decay: float) -> list[DelayedRun]:
    """The runs at one weight decay."""
    return [run for run in runs if run.row["weight_decay"] == decay]


def _reference(runs: Sequence[DelayedRun], large: Sequence[DelayedRun]) -> float:
    """The smallest weight decay of the large start at which a usual start was trained too."""
    decays = {float(run.row["weight_decay"]) for run in large}
    positive = {decay for decay in decays if decay > 0} or decays
    usual = {float(run.row["weight_decay"]) for run in runs if run.row["init_scale"] == 1}
    return min(positive & usual or positive)


def _groups(runs: Sequence[DelayedRun], largest: float) -> list[Group]:
    usual = [run for run in runs if run.row["init_scale"] == 1 and run.row["weight_decay"] > 0]
    decays = {run.row["weight_decay"] for run in usual or runs if run.row["weight_decay"] > 0}
    decay = min(decays, default=0.0)
    groups = []
    for title, scale, of_decay in (
        (f"start x {largest:g}, decay {decay:g}", largest, decay),
        (f"start x {largest:g}, no decay", largest, 0.0),
        (f"usual start, decay {decay:g}", 1.0, decay),
    ):
        some = [run for run in at_decay(runs, of_decay) if run.row["init_scale"] == scale]
        if some:
            groups.append(Group(title, some, Times.of(some)))
    return groups


def _curve(large: Sequence[DelayedRun], laws: Mapping[int, Line]) -> LawCurve:
    decays = np.array([run.row["weight_decay"] for run in large], float)
    decays = decays[decays > 0]
    fitted = decays[decays > OWN_DECAY]
    x = np.geomspace(decays.min(), decays.max(), DRAWN)
    values = np.array([
        mean_logarithm([10 ** (law.intercept + law.slope * np.log10(at)) for law in laws.values()])
        for at in x
    ])  # fmt: skip
    value, low, high = values.T
    return LawCurve(x, value, low, high, (float(fitted.min()), float(fitted.max())))


def _fits(runs: Sequence[DelayedRun], largest: float) -> dict[str, Fit]:
    times = times_of(runs, ("init_scale", "weight_decay")).where(init_scale=largest)
    times = times.take((times["weight_decay"] > OWN_DECAY) & np.isfinite(times["t_test"]))
    if len(set(times["weight_decay"])) < FEWEST or len(set(times["seed"])) < 2:
        return {}
    return {
        "Updates to generalise against weight decay": fit(
            times, "power", {"x": "weight_decay", "y": "t_test"},
            objective="squared_log", cluster="seed", resamples=200,
        )
    }  # fmt: skip
