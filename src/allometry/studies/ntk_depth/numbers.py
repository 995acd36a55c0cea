"""All numbers of the NTK study, computed once for its findings and its figures."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from allometry.fitting.document import Fit
from allometry.stats.interval import Interval
from allometry.studies.ntk_depth.analysis import Cells, Slopes, plane, slopes
from allometry.studies.ntk_depth.moments import (
    MeanShift,
    SecondMoment,
    intervals,
    mean_shift,
    means,
    second_moment,
)
from allometry.studies.ntk_depth.within import Exponents, within
from allometry.tables.table import Table

__all__ = ["Numbers"]

WIDE = 100  # width from which the second moment is measured again, as a control


@dataclass(frozen=True)
class Numbers:
    """What the runs give.

    Attributes:
        cells: the draws themselves.
        plotted, limit: the author's regression on all cells, of the radius of M(K - K_inf), and
            of that of M K_inf alone.
        plotted_within, limit_within: exponents of the same among cells alike in the other sizes.
        matched, relative: such exponents of the radius of M(K - (2/D) K_inf^(L+1)), as it is and
            divided by that of M (2/D) K_inf^(L+1); widths of 10 L or more.
        share: geometric mean over cells of the plotted radius over that of M K_inf.
        slopes: beside the printed ones.
        second_moment: of each depth and width. shift: the mean beside the diagonal, by width.
        tail: slope of the second moment on 5 L/M, "slope", and the same over that of the leading
            order, "of_leading"; exponent in M of the mean of the matched correction, "mean_shift".
        wide_tail: the same of widths of 100 on; None where there are none.
    """

    cells: Cells
    plotted: Fit
    limit: Fit
    plotted_within: Exponents
    limit_within: Exponents
    matched: Exponents
    relative: Exponents
    share: float
    slopes: Slopes
    second_moment: SecondMoment
    shift: MeanShift
    tail: Mapping[str, Interval]
    wide_tail: Mapping[str, Interval] | None

    @classmethod
    def of(cls, table: Table) -> "Numbers":
        """The numbers of the finished draws of a table.

        Raises:
            DataError: when there are none.
        """
        cells = Cells.of(table)
        radius, limit = (cells.mean(f"{which}spectral_radius") for which in ("", "limit_"))
        whole, wide, light = means(cells), cells.size("width") >= WIDE, cells.wide
        return cls(
            cells=cells,
            plotted=plane(cells, "spectral_radius"),
            limit=plane(cells, "limit_spectral_radius"),
            plotted_within=within(cells, radius),
            limit_within=within(cells, limit),
            matched=within(light, light.mean("matched_spectral_radius")),
            relative=within(light, light.relative),
            share=float(np.exp(np.mean(np.log(radius / limit)))),
            slopes=slopes(cells),
            second_moment=second_moment(whole),
            shift=mean_shift(whole),
            tail=intervals(cells),
            wide_tail=intervals(cells.only(wide)) if wide.any() else None,
        )
