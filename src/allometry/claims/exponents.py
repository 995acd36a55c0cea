"""Exponents of several groups of runs, each beside the number predicted for it."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from allometry.claims.claim import Claim, Judgement
from allometry.claims.power_law import PowerLaw
from allometry.claims.words import in_words, verdict_over_seeds
from allometry.errors import UsageError
from allometry.findings import FindingFigure, Verdict, inside
from allometry.fitting.document import Fit
from allometry.stats.interval import Interval
from allometry.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Exponents"]


@dataclass(frozen=True)
class Exponents(Claim):
    """The exponent alpha of y = floor + A x^-alpha, in each group, is the one predicted for it.

    It agrees where the whole interval of every group's exponent lies within the margin about its
    prediction, and disagrees where that of some group lies outside. The number measured is the
    exponent farthest from its prediction, as a part of it.

    Attributes:
        group: column of numbers whose values make the groups.
        predicts: from a value of `group` to the exponent.
        within: largest difference that counts as none, as a part of the exponent predicted (ours).
        floor: as of a `PowerLaw`.
        formula: of the prediction, in words.
    """

    _: KW_ONLY
    group: str = ""
    predicts: Callable[[float], float] | None = None
    formula: str = ""
    within: float = 0.0
    floor: float | str = 0.0

    kind: ClassVar[str] = "exponents"
    caption: ClassVar[str] = (
        "Exponents of each group with their 95% intervals; grey, the range predicted."
    )

    def __post_init__(self) -> None:
        if self.predicts is None or not self.group or not self.within > 0:
            raise UsageError(
                f"claim {self.title!r}: group=COLUMN, predicts=a function of its values, and "
                "within=a part of it above 0, expected"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        return self.x, self.y, self.group

    def sentence(self) -> str:
        of = self.formula or f"what is predicted of the {self.word(self.group)}"
        return f"The exponent of the {self.word(self.y)} in the {self.word(self.x)} is {of}"

    def prediction(self) -> str:
        return f"{self.formula or 'the exponent predicted'}, to within {self.within:.0%} (ours)"

    def judge(self, table: Table) -> Judgement:
        runs = self.runs(table)
        fits = self.fits(runs)
        measured, predicted = {}, {}
        for value, law in fits.items():
            predicted[value] = self.predicts(value)  # type: ignore[misc]
            measured[value] = law.parameters["alpha"].interval
        ratios = {v: Interval(*(end / predicted[v] for end in measured[v])) for v in fits}
        farthest = max(ratios, key=lambda value: abs(ratios[value].value - 1))
        verdicts = {v: inside(ratios[v], 1 - self.within, 1 + self.within) for v in fits}
        verdict: Verdict = "undecided"
        if "disagrees" in verdicts.values():
            verdict = "disagrees"
        elif set(verdicts.values()) == {"agrees"}:
            verdict = "agrees"
        group = self.word(self.group)
        each = "; ".join(
            f"{in_words(measured[v])} where {p:.2g} is predicted ({group} {v:g})"
            for v, p in predicted.items()
        )
        finding = self.finding(
            ratios[farthest],
            verdict_over_seeds(verdict, runs),
            answer=f"The exponent of the {self.word(self.y)} in the {self.word(self.x)} is {each}.",
            unit=f"of the exponent predicted, at {self.word(self.group)} {farthest:g}",
        )
        titles = {f"{self.title}: {self.word(self.group)} {v:g}": law for v, law in fits.items()}
        return Judgement(
            finding, FindingFigure(lambda: self.draw(measured, predicted), self.caption), titles
        )

    def fits(self, runs: Table) -> Mapping[float, Fit]:
        """The law of each group."""
        law = PowerLaw(self.x, self.y, floor=self.floor)
        values = np.unique(runs[self.group].astype(float)).tolist()
        return {
            value: law.fitted(runs.take(runs[self.group].astype(float) == value), self.y)
            for value in values
        }

    def draw(
        self, measured: Mapping[float, Interval], predicted: Mapping[float, float]
    ) -> "Figure":
        """A row for each group: its exponent, and the range predicted."""
        from allometry.claims.pictures import draw_exponents

        low, high = 1 - self.within, 1 + self.within
        rows = {
            f"{self.word(self.group)} {value:g}": (interval, (low * p, high * p))
            for (value, interval), p in zip(measured.items(), predicted.values(), strict=True)
        }
        return draw_exponents(self.title, f"exponent of the {self.word(self.y)}", rows)
