"""y does not depend on x, up to a margin."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from allometry.claims.claim import Judgement
from allometry.claims.slope import OfALine, line_intervals, of_control
from allometry.claims.words import in_words, is_number, judged, over
from allometry.errors import UsageError
from allometry.stats.cells import cells_of
from allometry.stats.interval import Interval
from allometry.tables.table import Table

__all__ = ["NoEffect"]


@dataclass(frozen=True)
class NoEffect(OfALine):
    """y changes by no more than a margin over the range of x.

    The change is the slope of the line through the runs times the range of x. That it does not
    differ significantly from 0 does not suffice: the whole interval must lie within the margin.
    Where it does, but means over seeds differ by more than the margin, the line does not describe
    y, and the claim is undecided.

    Attributes:
        margin: largest change of y that counts as none, in units of y; chosen before the runs.
        why: the reason for the margin, in words.
        xlog, ylog: whether the axes are logarithmic (base 10). With `ylog` the margin is one of
            log10 y.
    """

    _: KW_ONLY
    ylog: bool = False
    margin: float = 0.0
    why: str = ""

    kind: ClassVar[str] = "no_effect"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (is_number(self.margin) and self.margin > 0 and self.why):
            raise UsageError(
                f"claim {self.title!r}: a margin above 0 in units of {self.y}, and the reason for "
                "it, expected (margin=..., why=...)"
            )

    def sentence(self) -> str:
        return f"The {self.word(self.y)} does not depend on the {self.word(self.x)}"

    def prediction(self) -> str:
        unit = " in log10" if self.ylog else ""
        return f"a change of at most {self.margin:.3g}{unit} ({self.why}; ours)"

    def judge(self, table: Table) -> Judgement:
        runs = self.runs(table)
        measured, control = line_intervals(self, runs, self.control_column(runs))
        curves = cells_of(runs, [self.x], [self.y]).mean()
        x, y = self.axes.points(curves[self.x], curves[self.y])
        change = _scaled(measured["slope"], float(np.ptp(x)))
        verdict, apart = judged(change, -self.margin, self.margin, runs), ""
        if verdict == "agrees" and np.ptp(y) > self.margin:
            verdict, apart = "undecided", f"; but its means lie up to {np.ptp(y):.3g} apart"
        finding = self.finding(
            change,
            verdict,
            answer=f"The {self.word(self.y)} changes by {in_words(change)} over the range of the "
            f"{self.word(self.x)} ({over(runs, self.x)}){apart}.",
            control=of_control(
                {"slope": _scaled(control["slope"], float(np.ptp(x)))} if control else {}, "slope"
            ),
        )
        return self.judgement(finding, {"": runs})


def _scaled(slope: Interval, reach: float) -> Interval:
    return Interval(*(reach * end for end in slope))
