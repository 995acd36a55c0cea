"""Claims that y reproduces numbers printed in a source."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from math import nan
from typing import TYPE_CHECKING, ClassVar

from allometry.claims.claim import Claim, Judgement
from allometry.claims.words import ROUNDING, is_number
from allometry.errors import DataError, UsageError, quoted
from allometry.findings import FindingFigure, Verdict
from allometry.stats.interval import Interval
from allometry.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Equals"]


@dataclass(frozen=True)
class Equals(Claim):
    """y, averaged over the runs at each x, is the number that a source printed.

    This judges a reproduction: it uses a tolerance instead of an interval, and one seed suffices.

    Attributes:
        printed: the printed numbers by x: ``{807: 1.021, 1593: 0.934}``.
        tolerance: largest difference that counts as none, usually half a unit of the last digit.
    """

    _: KW_ONLY
    printed: Mapping[float, float] = field(default_factory=dict)
    tolerance: float = 0.0

    kind: ClassVar[str] = "equals"
    caption: ClassVar[str] = (
        "Marks are runs, crosses the numbers printed; below, their difference, with the tolerance "
        "as a grey band."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers = (self.tolerance, *self.printed.keys(), *self.printed.values())
        if not (self.printed and all(map(is_number, numbers)) and self.tolerance > 0):
            raise UsageError(
                f"claim {self.title!r}: printed={{{self.x}: number, ...}} and a tolerance above 0 "
                f"expected, got {quoted(self.printed)} and {quoted(self.tolerance)}"
            )

    def sentence(self) -> str:
        many = f"{len(self.printed)} numbers" if len(self.printed) > 1 else "number"
        return f"The {self.word(self.y)} is the {many} printed"

    def prediction(self) -> str:
        numbers = list(self.printed.values())
        what = f"{numbers[0]:g}" if len(numbers) == 1 else f"the {len(numbers)} numbers printed"
        return f"{what}, to a tolerance of {self.tolerance:g}"

    def judge(self, table: Table) -> Judgement:
        runs = self.runs(table)
        values = {x: runs[self.y][runs[self.x] == x] for x in self.printed}
        measured = {x: float(y.mean()) for x, y in values.items() if len(y)}
        if not measured:
            raise DataError(
                f"claim {self.title!r}: no run at any {self.x} with a printed number "
                f"({', '.join(f'{x:g}' for x in self.printed)})"
            )
        differences = {x: y - self.printed[x] for x, y in measured.items()}
        reach = self.tolerance * (1 + ROUNDING)
        equal = sum(abs(difference) <= reach for difference in differences.values())
        farthest = max(differences, key=lambda x: abs(differences[x]))
        verdict: Verdict = "agrees" if equal == len(self.printed) else "disagrees"
        if equal == len(measured) < len(self.printed):
            verdict = "undecided"
        one = len(self.printed) == 1
        value = measured[farthest] if one else differences[farthest]
        missing = len(self.printed) - len(measured)
        finding = self.finding(
            Interval(value, nan, nan),
            verdict,
            answer=f"{self.word(self.y).capitalize()}: {equal} of {len(self.printed)} within "
            f"{self.tolerance:g} of the number printed; the farthest is "
            f"{differences[farthest]:+.3g} away" + (f"; not run: {missing}." if missing else "."),
            unit="" if one else "largest difference",
        )
        finding = replace(finding, reproduces=True)

        def draw() -> "Figure":
            from allometry.claims.pictures import draw_printed

            tips = self.tips(runs)
            return draw_printed(
                self.labels(verdict), runs[self.x], runs[self.y], self.printed, self.tolerance, tips
            )

        return Judgement(finding, FindingFigure(draw, self.caption))
