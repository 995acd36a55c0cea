"""Exponents of several groups of runs, each compared with its prediction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from allometry.claims.claim import Claim, Judgement
from allometry.claims.power_law import Fitted, PowerLaw
from allometry.claims.words import in_words, is_number
from allometry.errors import UsageError, quoted
from allometry.findings import FindingFigure, Verdict
from allometry.stats.interval import Interval
from allometry.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Exponents"]


@dataclass(frozen=True)
class Exponents(Claim):
    """The exponent alpha of y = floor + A x^-alpha, in each group, is the one predicted for it.

    Each group is judged as a `PowerLaw` that predicts its exponent to within the margin. The claim
    agrees where all groups agree, and disagrees where one disagrees. The measured number is the
    exponent with the largest relative deviation, divided by its prediction.

    Attributes:
        group: column of numbers whose values make the groups.
        predicts: function or mapping from a value of `group` to the predicted exponent.
        within: largest relative deviation from the prediction that counts as none (ours).
        floor: as in `PowerLaw`.
        formula: the formula of the prediction, as text.
    """

    _: KW_ONLY
    group: str = ""
    predicts: Callable[[float], float] | Mapping[float, float] | None = None
    formula: str = ""
    within: float = 0.0
    floor: float | str = 0.0

    kind: ClassVar[str] = "exponents"
    caption: ClassVar[str] = (
        "Exponents of each group with their 95% intervals; grey, the range predicted."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        known = callable(self.predicts) or isinstance(self.predicts, Mapping)
        usable = known and is_number(self.within) and self.within > 0
        if not usable or not self.group:
            raise UsageError(
                f"claim {self.title!r}: group=COLUMN, predicts=a function of its values or a "
                "dict, and within=a part of it above 0, expected"
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
        values = np.unique(runs[self.group]).tolist()
        predicted = {value: self._predicted(value) for value in values}
        groups = {value: self._group(runs, value, of) for value, of in predicted.items()}
        measured = {value: group.measured for value, group in groups.items()}
        ratios = {v: _over(measured[v], predicted[v]) for v in values}
        farthest = max(values, key=lambda value: abs(ratios[value].value - 1))
        each = "; ".join(self._in_words(v, groups[v], p) for v, p in predicted.items())
        finding = self.finding(
            ratios[farthest],
            _of_all([group.verdict for group in groups.values()]),
            answer=f"The exponent of the {self.word(self.y)} in the {self.word(self.x)} is {each}.",
            unit=f"of the exponent predicted, at {self.word(self.group)} {farthest:g}",
        )
        fits = {f"{self.title}: {self.word(self.group)} {v:g}": g.law for v, g in groups.items()}

        def draw() -> "Figure":
            return self.draw(self.labels(finding.verdict).title, measured, predicted)

        return Judgement(finding, FindingFigure(draw, self.caption), fits)

    def _group(self, runs: Table, value: float, predicted: float) -> Fitted:
        """The law of one group beside the exponent predicted for it."""
        ends = sorted(predicted * (1 + sign * self.within) for sign in (-1, 1))
        law = PowerLaw(
            self.x, self.y, floor=self.floor, predicts={"alpha": (ends[0], ends[1])},
            says=f"{self.title}, {self.word(self.group)} {value:g}",
        )  # fmt: skip
        return law.fitted(runs.take(runs[self.group] == value))

    def _predicted(self, value: float) -> float:
        """The exponent of a group.

        Raises:
            UsageError: it is not a finite number, or is 0, for which no relative margin exists.
        """
        predicted: float | Exception | None
        try:
            if isinstance(self.predicts, Mapping):
                predicted = self.predicts.get(value)
            else:
                predicted = self.predicts(value)  # type: ignore[misc]
        except ArithmeticError as error:
            predicted = error
        if not is_number(predicted) or predicted == 0:
            raise UsageError(
                f"claim {self.title!r}: predicts({value:g}) a finite number other than 0 expected, "
                f"got {quoted(predicted)}; leave this {self.group} out by a condition"
            )
        return predicted

    def _in_words(self, value: float, group: Fitted, predicted: float) -> str:
        no_law = "" if group.form != "disagrees" else ", not a power law"
        return (
            f"{in_words(group.measured)} where {predicted:.2g} is predicted "
            f"({self.word(self.group)} {value:g}{no_law})"
        )

    def draw(
        self, title: str, measured: Mapping[float, Interval], predicted: Mapping[float, float]
    ) -> "Figure":
        """A row for each group: its exponent and its predicted range."""
        from allometry.claims.pictures import draw_exponents

        low, high = 1 - self.within, 1 + self.within
        rows = {
            f"{self.word(self.group)} {value:g}": (interval, (low * p, high * p))
            for (value, interval), p in zip(measured.items(), predicted.values(), strict=True)
        }
        return draw_exponents(title, f"exponent of the {self.word(self.y)}", rows)


def _over(measured: Interval, predicted: float) -> Interval:
    """A number divided by its prediction; a negative prediction exchanges the ends."""
    value, *ends = (end / predicted for end in measured)
    return Interval(value, *sorted(ends))


def _of_all(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on all groups: one has to disagree, or all have to agree."""
    if "disagrees" in verdicts:
        return "disagrees"
    return "agrees" if set(verdicts) == {"agrees"} else "undecided"
