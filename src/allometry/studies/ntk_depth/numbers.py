"""Numbers shared by the findings and figures of the NTK study, computed once."""

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

WIDE = 100  # least width for the control of the second moment


@dataclass(frozen=True)
class Numbers:
    """All numbers of the findings and figures.

    Attributes:
        cells: the draws.
        plotted: the author's regression on all cells, for the radius of M(K - K_inf).
        limit: the same regression for the radius of M K_inf alone.
        plotted_within, limit_within: exponents of both radii among cells that are equal in the
            other sizes.
        matched: such exponents of the radius of M(K - (2/D) K_inf^(L+1)), for widths of 10 L or
            more.
        relative: such exponents of that radius over the radius of M (2/D) K_inf^(L+1).
        share: geometric mean over cells of the plotted radius over that of M K_inf.
        slopes: our slopes for the printed lines.
        second_moment: the second moment of each depth and width.
        shift: the mean off the diagonal, by width.
        tail: statistics of the moments with intervals; see `moments.intervals`.
        wide_tail: `tail` for widths of 100 or more; None if the table has none.
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
            DataError: the table has no finished draw.
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
