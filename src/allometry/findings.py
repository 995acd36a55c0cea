"""A finding: a prediction beside what was measured, and the verdict between them; an analysis."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

from allometry.fitting.document import Fit

__all__ = ["Analysis", "Finding", "Verdict", "at_least", "findings_html", "holds", "within"]

Verdict = Literal["agrees", "disagrees", "undecided"]


@dataclass(frozen=True)
class Finding:
    """A prediction beside what was measured.

    Attributes:
        claim: what is asked, in words that stand alone.
        prediction: what the source says, in words, with its number where it has one.
        source: where the prediction stands.
        measured: the number measured (NaN where the answer is only words).
        low, high: its 95% interval.
        verdict: does the measurement agree with the prediction?
        answer: one sentence saying what was found.
        control: the same measured where there can be no effect (untrained
            networks, say), in words with its number.
        unit: of `measured`, empty for a pure number.
    """

    claim: str
    prediction: str
    source: str
    measured: float
    low: float
    high: float
    verdict: Verdict
    answer: str
    control: str = ""
    unit: str = ""

    @property
    def shown(self) -> str:
        """Value and interval as a person reads them."""
        if math.isnan(self.measured):
            return ""
        unit = f" {self.unit}" if self.unit else ""
        if math.isnan(self.low) or math.isnan(self.high):
            return f"{self.measured:.3g}{unit}, no interval"
        return f"{self.measured:.3g} [{self.low:.3g}, {self.high:.3g}]{unit}"


@dataclass(frozen=True)
class Analysis:
    """What a study makes of its runs, computed once for the page and for every figure.

    Attributes:
        findings: the headline first.
        numbers: by name, whatever the figures draw: arrays, intervals, fitted lines.
        fits: by name, shown in the report with their certificates.
    """

    findings: Sequence[Finding] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    fits: Mapping[str, Fit] = field(default_factory=dict)


def findings_html(findings: Sequence[Finding]) -> str:
    """Findings as a table for notebooks: claim, what was measured, verdict, answer."""
    rows = "".join(
        f"<tr><td>{escape(f.claim)}</td><td>{escape(f.shown)}</td><td>{f.verdict}</td>"
        f"<td>{escape(f.answer)}</td></tr>"
        for f in findings
    )
    head = "<tr><th>claim</th><th>measured [95%]</th><th>verdict</th><th>answer</th></tr>"
    return f"<table>{head}{rows}</table>" if rows else ""


def at_least(low: float, high: float, bound: float) -> Verdict:
    """Does an interval say that a number reaches a bound?

    agrees: all of it does; disagrees: none of it does; undecided: part of it, or
    there is no interval (NaN).
    """
    if low >= bound:
        return "agrees"
    return "disagrees" if high < bound else "undecided"


def holds(low: float, high: float, value: float) -> Verdict:
    """Does an interval hold a predicted value? Undecided where there is no interval (NaN)."""
    if math.isnan(low):
        return "undecided"
    return "agrees" if low <= value <= high else "disagrees"


def within(low: float, high: float, least: float, most: float) -> Verdict:
    """Does an interval lie in a range? agrees: all of it; disagrees: none of it."""
    if least <= low and high <= most:
        return "agrees"
    return "disagrees" if low > most or high < least else "undecided"
