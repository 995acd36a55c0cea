"""A slope in a region; a straight line; one group steeper than another."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import partial
from math import inf, isfinite
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from allometry.claims.claim import Claim, Judgement
from allometry.claims.lines import FEWEST_FOR_A_BEND, Line, LineAxes, bend, is_constant
from allometry.claims.words import (
    ROUNDING,
    in_words,
    is_number,
    judged,
    over,
    region,
    region_in_words,
)
from allometry.errors import DataError, UsageError, quoted
from allometry.findings import Finding, FindingFigure
from allometry.stats.cells import cells_of
from allometry.stats.grid import Curves
from allometry.stats.interval import NO_VALUE, Interval
from allometry.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BEND",
    "OfALine",
    "Slope",
    "Steeper",
    "Straight",
    "line_intervals",
    "of_control",
]

# Where the slope changes by a fifth over the measured range, the line extrapolated over another
# range of this width is off by a fifth of the change of y there. The value is our choice.
BEND = 0.2


@dataclass(frozen=True)
class OfALine(Claim):
    """A claim about the line through the runs.

    Attributes:
        xlog, ylog: whether the axes are logarithmic (base 10).
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
        """The axes on which the line is fitted."""
        return LineAxes(self.xlog, self.ylog)

    def judgement(self, finding: Finding, groups: Mapping[str, Table]) -> Judgement:
        """The finding with its figure, a line for each group of runs."""

        def draw() -> "Figure":
            from allometry.claims.pictures import draw_lines

            points = {
                name: (runs[self.x], runs[self.y], self.tips(runs)) for name, runs in groups.items()
            }
            lines = {name: _line(self, runs) for name, runs in groups.items()}
            return draw_lines(self.labels(finding.verdict), self.axes, points, lines)

        return Judgement(finding, FindingFigure(draw, self.caption))


@dataclass(frozen=True)
class Slope(OfALine):
    """The slope of y against x lies in a region; on logarithmic axes it is an exponent.

    Attributes:
        xlog, ylog: whether the axes are logarithmic (base 10).
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
        finding = self.finding(
            slope,
            judged(slope, low, high, runs),
            answer=f"The {self.unit_name} of the {self.word(self.y)} in the {self.word(self.x)} is "
            f"{in_words(slope)}{_r2(measured)} ({over(runs, self.x)}).",
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

    The difference of the slopes at the largest and at the smallest x, divided by the mean slope,
    lies within a margin.

    Attributes:
        xlog, ylog: whether the axes are logarithmic (base 10).
        margin: largest relative change of the slope; the default is `BEND`.
    """

    _: KW_ONLY
    margin: float = BEND

    kind: ClassVar[str] = "straight"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (is_number(self.margin) and self.margin > 0):
            raise UsageError(
                f"claim {self.title!r}: margin above 0 expected, got {quoted(self.margin)}"
            )

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
        few = "" if isfinite(change.value) else f" {FEWEST_FOR_A_BEND} sizes are needed."
        finding = self.finding(
            change,
            judged(change, -self.margin, self.margin, runs),
            answer=f"The slope of the {self.word(self.y)} in the {self.word(self.x)} changes by "
            f"{in_words(change, '.0%')} of itself over the range; on average it is "
            f"{in_words(measured['slope'])}{_r2(measured)} ({over(runs, self.x)}).{few}",
            control=of_control(control, "bend", ".0%"),
            unit="of the slope",
        )
        return self.judgement(finding, {"": runs})


@dataclass(frozen=True)
class Steeper(OfALine):
    """In one group of runs y changes faster with x than in another.

    Attributes:
        xlog, ylog: whether the axes are logarithmic (base 10).
        group: column whose values distinguish the groups.
        steeper, than: its values in the group that is predicted to be steeper and in the other.
    """

    _: KW_ONLY
    group: str = ""
    steeper: object = None
    than: object = None

    kind: ClassVar[str] = "steeper"

    def __post_init__(self) -> None:
        super().__post_init__()
        values = self.steeper, self.than
        if not self.group or None in values or self.steeper == self.than:
            raise UsageError(
                f"claim {self.title!r}: group=COLUMN with two of its values, steeper=... and "
                f"than=..., expected, got group={self.group!r}, {self.steeper!r}, {self.than!r}"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        return self.x, self.y, self.group

    @property
    def numbers(self) -> tuple[str, ...]:
        return self.x, self.y

    def sentence(self) -> str:
        return (
            f"The {self.word(self.y)} changes faster with the {self.word(self.x)} where "
            f"{self.word(self.group)} is {self.steeper} than where it is {self.than}"
        )

    def prediction(self) -> str:
        return "difference of the slopes, without their sign, above 0"

    def judge(self, table: Table) -> Judgement:
        groups = self._groups(table)
        cells = [
            Table({"x": runs[self.x], "y": runs[self.y], "first": np.full(len(runs), first)}
                  | ({"seed": runs["seed"]} if "seed" in runs else {}))
            for first, runs in zip((1, 0), groups.values(), strict=True)
        ]  # fmt: skip
        both = Table({name: np.concatenate([t[name] for t in cells]) for name in cells[0].columns})
        intervals = cells_of(both, ["first", "x"], ["y"]).jackknife(
            partial(_two_lines, axes=self.axes)
        )
        difference = intervals["difference"]
        finding = self.finding(
            difference,
            judged(difference, 0, inf, *groups.values()),
            answer=f"The slope of the {self.word(self.y)} in the {self.word(self.x)} is "
            f"{in_words(intervals['steeper'])} where {self.word(self.group)} is {self.steeper} and "
            f"{in_words(intervals['than'])} where it is {self.than} ({over(both, 'x')}).",
            unit="difference of slopes",
        )
        return self.judgement(finding, groups)

    def _groups(self, table: Table) -> dict[str, Table]:
        """The runs of the group that is predicted to be steeper, and of the other.

        Raises:
            DataError: no finished run is in one of them.
        """
        runs, groups = self.runs(table), dict[str, Table]()
        for value in (self.steeper, self.than):
            part = runs.take(np.array([g == value for g in runs[self.group].tolist()]))
            if not len(part):
                raise DataError(
                    f"claim {self.title!r}: finished runs with {self.group} {self.steeper!r} and "
                    f"{self.than!r} expected, they have "
                    f"{', '.join(sorted(set(map(repr, runs[self.group].tolist()))))}"
                )
            check_axes(self, part)
            groups[f"{self.word(self.group)} {value}"] = part
        return groups


def _two_lines(curves: Curves, axes: LineAxes) -> dict[str, float]:
    steeper, than = (
        axes.statistics(curves["x"][rows], curves["y"][rows])["slope"]
        for rows in (curves["first"] == 1, curves["first"] == 0)
    )
    difference = abs(steeper) - abs(than)
    same = abs(difference) <= ROUNDING * abs(steeper)
    return {"steeper": steeper, "than": than, "difference": 0.0 if same else difference}


def check_axes(claim: OfALine, runs: Table) -> None:
    """Refuse runs whose means cannot be placed on the axes of a claim, or whose y is constant.

    Raises:
        DataError: a mean over seeds at or below 0 on a logarithmic axis, or y is constant.
    """
    curves = cells_of(runs, [claim.x], [claim.y]).mean()
    for name, log, option in ((claim.x, claim.xlog, "xlog"), (claim.y, claim.ylog, "ylog")):
        if log:
            claim.check_positive(
                f"means of {name} over seeds", curves[name],
                f"choose runs by a condition, or set {option}=False",
            )  # fmt: skip
    if len(curves.size) > 1 and is_constant(curves[claim.y]):
        raise DataError(
            f"claim {claim.title!r}: {claim.y} is {curves[claim.y][0]:.6g} at every {claim.x}; "
            "values that vary expected, as a constant column gives no interval"
        )


def line_intervals(
    claim: OfALine, runs: Table, control: str = ""
) -> tuple[Mapping[str, Interval], Mapping[str, Interval]]:
    """Slope, bend and R² of y against x with their intervals; and those of the control, if any."""
    check_axes(claim, runs)
    each = []
    for name in (claim.y, *([control] if control else [])):
        # Separately: runs whose control was not measured still count for the claim.
        values = runs.with_columns(**{name: claim.floats(runs, name)})
        grid = cells_of(values.take(np.isfinite(values[name])), [claim.x], [name])
        line = grid.jackknife(partial(_one_line, axes=claim.axes, x=claim.x, y=name))
        # The bend describes the curve at these sizes; its departure from a parabola is not scatter.
        bent = partial(_bend, axes=claim.axes, x=claim.x, y=name)
        each.append({**line, **grid.jackknife(bent, fixed_sizes=True)})
    return each[0], each[1] if control else {}


def _r2(measured: Mapping[str, Interval]) -> str:
    r2 = measured["r2"].value
    return f", R² {r2:.2f}" if isfinite(r2) else ""


def of_control(control: Mapping[str, Interval], name: str, form: str = "") -> str:
    """A statistic of the control in words; empty where it is not known."""
    measured = control.get(name, NO_VALUE)
    return f"untrained: {in_words(measured, form)}" if isfinite(measured.value) else ""


def _line(claim: OfALine, runs: Table) -> Line:
    """The line through the means over seeds, with its interval over the range of the runs."""
    x = runs[claim.x]
    at = (np.geomspace if claim.xlog else np.linspace)(x.min(), x.max(), 40)
    grid, mean = cells_of(runs, [claim.x], [claim.y]), claim.axes.predictor

    def heights(curves: Curves) -> dict[str, float]:
        predict = mean(curves[claim.x], curves[claim.y])
        return {f"{i}": float(y) for i, y in enumerate(predict(at))}

    curves = grid.mean()
    middle, low, high = np.array(list(grid.jackknife(heights).values())).T
    return Line(at, middle, low, high, mean(curves[claim.x], curves[claim.y])(x))


def _bend(curves: Curves, axes: LineAxes, x: str, y: str) -> dict[str, float]:
    return {"bend": bend(*axes.all_points(curves[x], curves[y]))}


def _one_line(curves: Curves, axes: LineAxes, x: str, y: str) -> dict[str, float]:
    return axes.statistics(curves[x], curves[y])
