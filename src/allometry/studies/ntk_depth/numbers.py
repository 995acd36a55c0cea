"""All numbers of the NTK study, computed once for its findings and its figures."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.fitting.document import Fit
from allometry.stats.interval import Interval
from allometry.studies.ntk_depth.analysis import Cells, Slopes, plane, rms, slopes
from allometry.studies.ntk_depth.moments import Moments, intervals
from allometry.tables.table import Table

__all__ = ["Numbers"]

RESAMPLES, FEWER = 400, 100  # of the draws of all cells, and of the wide ones as a control
WIDE = 100  # width from which the second moment is measured again, as a control


@dataclass(frozen=True)
class Numbers:
    """What the runs give.

    Attributes:
        cells: the draws themselves.
        plotted, limit: power laws in L, D, N and M of the radius of M(K - K_inf), and of
            that of M K_inf alone.
        matched, relative: of the radius of M(K - (2/D) K_inf^(L+1)), as it is and divided by
            that of M (2/D) K_inf^(L+1); widths of 10 L or more.
        share: geometric mean over cells of the plotted radius over that of M K_inf.
        slopes: beside the printed ones.
        rms: root mean square difference of the slopes from the printed ones, over "L",
            over "N", and of "all" (no interval). limit_rms: the same of K_inf (no intervals).
        beta, log_ratio: 5 L/M and the second moment of each depth and width, ``(pairs,)``.
        heavy_tail: slope of the second moment on 5 L/M. wide_heavy_tail: of widths of 100
            on, or the same where there are none.
        mean_shift: exponent in M of the mean of the matched correction.
    """

    cells: Cells
    plotted: Fit
    limit: Fit
    matched: Fit
    relative: Fit
    share: float
    slopes: Slopes
    rms: Mapping[str, Interval]
    limit_rms: Mapping[str, Interval]
    beta: NDArray[np.float64]
    log_ratio: NDArray[np.float64]
    heavy_tail: Interval
    wide_heavy_tail: Interval
    mean_shift: Interval

    @classmethod
    def of(cls, table: Table) -> "Numbers":
        """The numbers of the finished draws of a table.

        Raises:
            DataError: when there are none.
        """
        cells = Cells.of(table)
        ours, moments = slopes(cells), Moments.of(cells)
        by_name = intervals(moments, RESAMPLES)
        radius, limit = (cells.mean(f"{which}spectral_radius") for which in ("", "limit_"))
        return cls(
            cells=cells,
            plotted=plane(cells, "spectral_radius"),
            limit=plane(cells, "limit_spectral_radius"),
            matched=plane(cells.wide, "matched_spectral_radius"),
            relative=plane(cells.wide, "matched_spectral_radius", "matched_limit_spectral_radius"),
            share=float(np.exp(np.mean(np.log(radius / limit)))),
            slopes=ours,
            rms={which: rms(ours.over(which)) for which in "LN"} | {"all": rms(ours, resamples=0)},
            limit_rms={which: rms(ours.over(which), limit=True, resamples=0) for which in "LN"}
            | {"all": rms(ours, limit=True, resamples=0)},
            beta=moments.beta,
            log_ratio=moments.log_ratio(),
            heavy_tail=by_name["heavy_tail"],
            wide_heavy_tail=_of_wide(cells, by_name["heavy_tail"]),
            mean_shift=by_name["mean_shift"],
        )


def _of_wide(cells: Cells, otherwise: Interval) -> Interval:
    wide = cells.size("width") >= WIDE
    if not wide.any():
        return otherwise
    return intervals(Moments.of(cells.only(wide)), FEWER)["heavy_tail"]
