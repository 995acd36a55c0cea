"""Numbers shared by the findings and figures of the sparse-parity study, computed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.fitting.document import Fit
from allometry.stats.lines import log_line
from allometry.stats.means import mean
from allometry.studies.sparse_parity import laws
from allometry.studies.sparse_parity.author import is_notebook
from allometry.studies.sparse_parity.laws import Scaling
from allometry.studies.sparse_parity.trajectories import (
    ParityTrajectory,
    convergence,
    half_learnt,
    leading,
    off_the_curve,
    online,
)
from allometry.tables.table import Table

__all__ = ["LearningTimes", "Numbers"]

Array = NDArray[np.float64]
NOTEBOOK_ALPHA = 0.4


class LearningTimes(NamedTuple):
    """The steps at which tasks are half learnt, with the tasks of all runs concatenated.

    Attributes:
        frequency: of each task of each run.
        step: at which the task is half learnt; NaN for never.
        used: mask of the leading tasks, from which the exponent is computed.
        each: x of step proportional to frequency^-x, for each run.
        middle: geometric means of frequency and step over the leading tasks; None if they are too
            few for a line.
    """

    frequency: Array
    step: Array
    used: NDArray[np.bool_]
    each: Sequence[float]
    middle: tuple[float, float] | None

    @property
    def exponent(self) -> float:
        """Mean of x over runs."""
        return mean(self.each).value


@dataclass(frozen=True)
class Numbers:
    """All numbers of the findings and figures.

    Attributes:
        alpha: among the runs' exponents of the frequencies, the nearest to the notebook's.
        online: the widest network on fresh samples for each alpha and seed, along training.
        main: the runs of `online` at `alpha`.
        same: the runs of `main` with the notebook's settings.
        half: step at which each task of each run of `main` is half learnt, ``(runs, n_tasks)``;
            NaN for never.
        times: the same steps with the tasks' frequencies.
        gaps: for each run of `online`, its mean test loss minus L_n in bits.
        scalings: the scalings of every alpha.
        fits: L_n fitted jointly to all scalings of an alpha, by `laws.fit_name`.
    """

    alpha: float
    online: Sequence[ParityTrajectory]
    main: Sequence[ParityTrajectory]
    same: Sequence[ParityTrajectory]
    half: Array
    times: LearningTimes
    gaps: Sequence[float]
    scalings: Sequence[Scaling]
    fits: Mapping[str, Fit]

    @classmethod
    def of(cls, table: Table) -> "Numbers":
        """The numbers of the finished runs of a table.

        Raises:
            DataError: the table has no finished run on fresh samples.
        """
        runs = online(table)
        if not runs:
            raise DataError(
                "no finished run on fresh samples to analyse; run `allometry run sparse_parity`"
            )
        alpha = min({float(run.row["alpha"]) for run in runs}, key=_from_the_notebooks)
        main = [run for run in runs if run.row["alpha"] == alpha]
        half = np.array([half_learnt(run) for run in main])
        return cls(
            alpha=alpha,
            online=runs,
            main=main,
            same=[run for run in main if is_notebook(run)],
            half=half,
            times=_times(main, half),
            gaps=[off_the_curve(run) for run in runs],
            scalings=laws.scalings(table),
            fits=laws.fits(table),
        )

    @property
    def main_scalings(self) -> list[Scaling]:
        """The scalings at the alpha nearest to the notebook's, among those with scalings."""
        alphas = {scaling.alpha for scaling in self.scalings}
        nearest = min(alphas, key=_from_the_notebooks, default=self.alpha)
        return [scaling for scaling in self.scalings if scaling.alpha == nearest]


def _from_the_notebooks(alpha: float) -> float:
    return abs(alpha - NOTEBOOK_ALPHA)


def _times(main: Sequence[ParityTrajectory], half: Array) -> LearningTimes:
    frequency = np.concatenate([run.frequencies for run in main])
    used = np.concatenate([np.arange(len(steps)) < leading(steps) for steps in half])
    step = half.ravel()
    line = log_line(frequency[used], step[used])
    return LearningTimes(
        frequency=frequency,
        step=step,
        used=used,
        each=[convergence(run) for run in main],
        middle=(_geometric_mean(frequency[used]), _geometric_mean(step[used]))
        if np.isfinite(line.slope)
        else None,
    )


def _geometric_mean(values: Array) -> float:
    return float(10 ** np.log10(values).mean())
