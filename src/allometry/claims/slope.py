"""A slope in a region; a straight line; one group steeper than another."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import partial
from math import inf, isfinite
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from allometry.claims.claim import Claim, Judgement
from allometry.claims.lines import FEWEST_FOR_A_BEND, LineAxes, bend
from allometry.claims.words import in_words, over, region, region_in_words, verdict_over_seeds
from allometry.errors import UsageError
from allometry.findings import Finding, FindingFigure, inside
from allometry.laws import Array
from allometry.stats.cells import cells_of
from allometry.stats.grid import Curves
from allometry.stats.interval import NO_VALUE, Interval
from allometry.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BEND", "OfALine", "Slope", "Steeper", "Straight", "line_intervals", "of_control"]

# A slope that changes by a fifth over the range measured puts the line, drawn on over as wide a
# range again, off by a fifth of what y changes there. Ours.
BEND = 0.2


@dataclass(frozen=True)
class OfALine(Claim):
    """A claim about the line through the runs.

    Attributes:
        xlog, ylog: whether the axes on which a line is meant are logarithms (base 10).
    """

    _: KW_ONLY
    xlog: bool = True
    ylog: bool = True

    caption: ClassVar[str] = (
        "Small marks are runs, large ones means over seeds; the line is fitted by least squares, "
        "its residuals are below."
    )

    @property
    def axes(self) -> LineAxes:
        """The axes on which a line is meant."""
        return LineAxes(self.xlog, self.ylog)

    def judgement(self, finding: Finding, groups: Mapping[str, Table]) -> Judgement:
        """The finding with its figure, a line for each group of runs."""

        def draw() -> "Figure":
            from allometry.claims.pictures import draw_lines

            points = {
                name: (runs[self.x].astype(float), runs[self.y].astype(float), self.tips(runs))
                for name, runs in groups.items()
            }
            bands = {name: _band(self, runs) for name, runs in groups.items()}
            return draw_lines(self.labels, self.axes, points, bands)

        return Judgement(finding, FindingFigure(draw, self.caption))


@dataclass(frozen=True)
class Slope(OfALine):
    """The slope of y against x lies in a region; on logarithmic axes it is an exponent.

    Attributes:
        xlog, ylog: whether the axes are logarithms (base 10).
        predicts: the region, ``(low, high)``; an end may be infinite. ``(0, inf)``: y rises.
    """

    _: KW_ONLY
    predicts: tuple[float, float] = (-inf, inf)

    kind: ClassVar[str] = "slope"

    def __post_init__(self) -> None:
        super().__post_init__()
        region(self.predicts, self.says or f"{self.kind} of {self.y}")

    def sentence(self) -> str:
        direction = {(0, inf): "rises with", (-inf, 0): "falls with"}.get(self.predicts)
        if direction:
            return f"The {self.word(self.y)} {direction} the {self.word(self.x)}"
        return (
            f"The slope of the {self.word(self.y)} against the {self.word(self.x)} "
            f"{region_in_words(self.predicts)}"
        )

    def prediction(self) -> str:
        return f"{self.unit_name} {region_in_words(self.predicts)}"

    def judge(self, table: Table) -> Judgement:
        low, high = self.predicts
        runs = self.runs(table)
        measured, control = line_intervals(self, runs, self.control_column(runs))
        slope = measured["slope"]
        verdict = verdict_over_seeds(inside(slope, low, high), runs)
        finding = self.finding(
            slope,
            verdict,
            answer=f"The {self.unit_name} of the {self.word(self.y)} in the {self.word(self.x)} is "
            f"{in_words(slope)}, R² {measured['r2'].value:.2f} ({over(runs, self.x)}).",
            control=of_control(control, "slope"),
            unit=self.unit_name,
        )
        return self.judgement(finding, {"": runs})

    @property
    def unit_name(self) -> str:
        """What the slope is called on these axes."""
        if self.ylog:
            return "exponent" if self.xlog else "slope of the logarithm"
        return "slope per decade" if self.xlog else "slope"


@dataclass(frozen=True)
class Straight(OfALine):
    """y is a straight line in x: its slope does not change over the range of x.

    The slope at the largest x less that at the smallest, over the mean slope, lies within a margin.

    Attributes:
        xlog, ylog: whether the axes are logarithms (base 10).
        margin: largest change of the slope, as a part of it; the default is `BEND`.
    """

    _: KW_ONLY
    margin: float = BEND

    kind: ClassVar[str] = "straight"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.margin > 0:
            raise UsageError(f"claim {self.title!r}: margin above 0 expected, got {self.margin!r}")

    def sentence(self) -> str:
        logs = [n for n, log in ((self.x, self.xlog), (self.y, self.ylog)) if log]
        axes = f", on logarithmic axes of {' and '.join(map(self.word, logs))}" if logs else ""
        return f"The {self.word(self.y)} is a straight line in the {self.word(self.x)}{axes}"

    def prediction(self) -> str:
        return f"the slope changes by at most {self.margin:.0%} of itself (margin ours)"

    def judge(self, table: Table) -> Judgement:
        runs = self.runs(table)
        measured, control = line_intervals(self, runs, self.control_column(runs))
        change = measured["bend"]
        verdict = verdict_over_seeds(inside(change, -self.margin, self.margin), runs)
        few = "" if isfinite(change.value) else f" {FEWEST_FOR_A_BEND} sizes are needed."
        finding = self.finding(
            change,
            verdict,
            answer=f"The slope of the {self.word(self.y)} in the {self.word(self.x)} changes by "
            f"{in_words(change, '.0%')} of itself over the range; on average it is "
            f"{in_words(measured['slope'])}, R² {measured['r2'].value:.2f} "
            f"({over(runs, self.x)}).{few}",
            control=of_control(control, "bend", ".0%"),
            unit="of the slope",
        )
        return self.judgement(finding, {"": runs})


@dataclass(frozen=True)
class Steeper(OfALine):
    """In one group of runs y changes faster with x than in another.

    Attributes:
        xlog, ylog: whether the axes are logarithms (base 10).
        group: column that tells the groups apart.
        steeper, than: its values in the group that is predicted to be steeper and in the other.
    """

    _: KW_ONLY
    group: str = ""
    steeper: object = None
    than: object = None

    kind: ClassVar[str] = "steeper"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.group or self.steeper == self.than:
            raise UsageError(
                f"claim {self.title!r}: group=COLUMN with two of its values, steeper=... and "
                f"than=..., expected, got group={self.group!r}, {self.steeper!r}, {self.than!r}"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        return self.x, self.y, self.group

    def sentence(self) -> str:
        return (
            f"The {self.word(self.y)} changes faster with the {self.word(self.x)} where "
            f"{self.word(self.group)} is {self.steeper} than where it is {self.than}"
        )

    def prediction(self) -> str:
        return "difference of the slopes, without their sign, above 0"

    def judge(self, table: Table) -> Judgement:
        runs = self.runs(table)
        chosen = np.array([g in (self.steeper, self.than) for g in runs[self.group].tolist()])
        runs = runs.take(chosen)
        runs = runs.with_columns(**{GROUP: runs[self.group] == self.steeper})
        if len(np.unique(runs[GROUP])) < 2:
            raise UsageError(
                f"claim {self.title!r}: {self.group} {self.steeper!r} and {self.than!r} expected, "
                f"the runs have {sorted(set(map(str, self.runs(table)[self.group])))}"
            )
        intervals = cells_of(runs, [GROUP, self.x], [self.y]).jackknife(
            partial(_two_lines, axes=self.axes, x=self.x, y=self.y)
        )
        difference = intervals["difference"]
        finding = self.finding(
            difference,
            verdict_over_seeds(inside(difference, 0, inf), runs),
            answer=f"The slope of the {self.word(self.y)} in the {self.word(self.x)} is "
            f"{in_words(intervals['steeper'])} where {self.word(self.group)} is {self.steeper} and "
            f"{in_words(intervals['than'])} where it is {self.than} ({over(runs, self.x)}).",
            unit="difference of slopes",
        )
        groups = {
            f"{self.word(self.group)} {value}": runs.take(runs[GROUP] == (value == self.steeper))
            for value in (self.steeper, self.than)
        }
        return self.judgement(finding, groups)


GROUP = "is_steeper"  # column added to the runs


def _two_lines(curves: Curves, axes: LineAxes, x: str, y: str) -> dict[str, float]:
    slopes = {
        name: axes.statistics(curves[x][rows], curves[y][rows])["slope"]
        for name, rows in (("steeper", curves[GROUP] == 1), ("than", curves[GROUP] == 0))
    }
    return {**slopes, "difference": abs(slopes["steeper"]) - abs(slopes["than"])}


def line_intervals(
    claim: OfALine, runs: Table, control: str = ""
) -> tuple[Mapping[str, Interval], Mapping[str, Interval]]:
    """Slope, bend and R² of y against x with their intervals; and those of the control, if any."""
    names = [claim.y, *([control] if control else [])]
    grid = cells_of(runs, [claim.x], names)
    each = []
    for name in names:
        line = grid.jackknife(partial(_one_line, axes=claim.axes, x=claim.x, y=name))
        # A bend is one of the curve at these sizes: that they are no parabola's is no scatter.
        bent = partial(_bend, axes=claim.axes, x=claim.x, y=name)
        each.append({**line, **grid.jackknife(bent, fixed_sizes=True)})
    return each[0], each[1] if control else {}


def of_control(control: Mapping[str, Interval], name: str, form: str = "") -> str:
    """A statistic of the control in words; empty where it has none."""
    measured = control.get(name, NO_VALUE)
    return f"untrained: {in_words(measured, form)}" if isfinite(measured.value) else ""


def _band(claim: OfALine, runs: Table) -> tuple[Array, Array, Array]:
    """x over the range of the runs, and the ends of the interval of the line there."""
    x = runs[claim.x].astype(float)
    spread = np.geomspace if claim.xlog and (x > 0).all() else np.linspace
    at = spread(x.min(), x.max(), 40)

    def heights(curves: Curves) -> dict[str, float]:
        predict = claim.axes.predictor(curves[claim.x], curves[claim.y])
        return {f"{i}": float(y) for i, y in enumerate(predict(at))}

    ends = cells_of(runs, [claim.x], [claim.y]).jackknife(heights).values()
    return at, *np.array([interval[1:] for interval in ends]).T


def _bend(curves: Curves, axes: LineAxes, x: str, y: str) -> dict[str, float]:
    return {"bend": bend(*axes.points(curves[x], curves[y]))}


def _one_line(curves: Curves, axes: LineAxes, x: str, y: str) -> dict[str, float]:
    return axes.statistics(curves[x], curves[y])
