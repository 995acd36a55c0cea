"""Numbers shared by the findings and figures of the study of MNIST grokking, computed once."""

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
GENERALISED = 0.6  # test accuracy at which a network generalises, as in the source's phase diagram
OWN_DECAY = 0.01  # the source's weight decay; the law is tested on it and not fitted to it
FEWEST = 3  # least number of weight decays for a law
DRAWN = 60  # points of the law's curve


class Group(NamedTuple):
    """The runs of one setting, by seed, with its name and their mean times."""

    title: str
    runs: Sequence[DelayedRun]
    times: Times


class LawCurve(NamedTuple):
    """Geometric mean of the seeds' power laws.

    Attributes:
        decay: weight decays, ``(points,)``.
        value, low, high: updates with Student's 95% interval, ``(points,)`` each.
        between: the smallest and the largest weight decay to which the laws were fitted.
    """

    decay: Array
    value: Array
    low: Array
    high: Array
    between: tuple[float, float]


@dataclass(frozen=True)
class Numbers:
    """All numbers of the findings and figures.

    Attributes:
        runs: all finished runs.
        large: the runs with the largest initial weights.
        usual: the runs with the standard initialisation at `decay`.
        decay: the weight decay at which both initialisations are compared.
        reference: mean times of the runs of `large` at `decay`.
        groups: large initialisation with decay, the same without decay, and standard
            initialisation, as far as they were run.
        laws: for each seed, the time to generalise with the large initialisation as a power of the
            weight decay, without the source's decay.
        slope: the mean of the laws' exponents.
        curve: the mean of the laws; None without a law.
        fits: the same law by the fitter, by title; empty if too few decays were run.
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
            DataError: there is no finished run, or one has no trajectory.
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
        """The runs of `large` at the weight decays to which the laws are fitted."""
        return [run for run in self.large if _is_fitted(run)]


def _is_fitted(run: DelayedRun) -> bool:
    return bool(run.row["weight_decay"] > OWN_DECAY)


def at_decay(runs: Sequence[DelayedRun], decay: float) -> list[DelayedRun]:
    """The runs with this weight decay."""
    return [run for run in runs if run.row["weight_decay"] == decay]


def _reference(runs: Sequence[DelayedRun], large: Sequence[DelayedRun]) -> float:
    """The smallest positive weight decay with both initialisations, or else with the large one."""
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
        (f"init x {largest:g}, decay {decay:g}", largest, decay),
        (f"init x {largest:g}, no decay", largest, 0.0),
        (f"standard init, decay {decay:g}", 1.0, decay),
    ):
        of_setting = [run for run in at_decay(runs, of_decay) if run.row["init_scale"] == scale]
        if of_setting:
            groups.append(Group(title, of_setting, Times.of(of_setting)))
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
