"""Findings: predictions compared with measurements, with verdicts; and analyses."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from allometry.errors import Rule, check_fields, printable
from allometry.fitting.document import Fit
from allometry.stats.interval import Interval
from allometry.tables.printed import WIDTH, aligned

if TYPE_CHECKING:
    # Matplotlib takes half a second, which a run without a report does not need.
    from matplotlib.figure import Figure

__all__ = [
    "MARKS",
    "Analysis",
    "Finding",
    "FindingFigure",
    "Passage",
    "Passages",
    "Verdict",
    "at_least",
    "at_most",
    "equivalent",
    "findings_html",
    "findings_text",
    "inside",
    "same_results",
]

Verdict = Literal["agrees", "disagrees", "undecided"]

# The sign beside each verdict, on pages and in the terminal.
MARKS: Mapping[Verdict, str] = {"agrees": "✓", "disagrees": "✗", "undecided": "?"}


TEXT = Rule(lambda text: isinstance(text, str), "text")
NUMBER = Rule(
    lambda number: isinstance(number, int | float | np.integer | np.floating),
    "a number, or float('nan') for none,",
)
RULES = {
    **dict.fromkeys(("claim", "prediction", "source", "answer", "control", "unit", "figure"), TEXT),
    **dict.fromkeys(("measured", "low", "high"), NUMBER),
    "verdict": Rule(
        lambda verdict: isinstance(verdict, str) and verdict in MARKS,
        " or ".join(map(repr, MARKS)),
    ),
}


@dataclass(frozen=True)
class Finding:
    """A prediction compared with a measurement.

    Attributes:
        claim: the statement tested, understandable without context.
        prediction: the source's prediction in words, with its number if it has one.
        source: the work that makes the prediction.
        measured: the measured number; NaN if the answer has no number.
        low, high: ends of its 95% interval; NaN without an interval.
        verdict: whether the measurement agrees with the prediction.
        answer: one sentence with the result.
        control: the same measurement where no effect is possible (untrained
            networks, for example), in words with its number.
        unit: unit of `measured`; empty for a pure number.
        figure: name of the figure that shows the finding; empty for none.
        reproduces: whether the comparison is with printed numbers, within a tolerance instead of
            an interval.
        exact: whether the number is counted or computed without scatter, so that it needs no
            interval.
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
    figure: str = ""
    reproduces: bool = False
    exact: bool = False

    def __post_init__(self) -> None:
        check_fields("a Finding", self, RULES)

    @property
    def interval(self) -> Interval:
        """The measured number with the ends of its interval."""
        return Interval(self.measured, self.low, self.high)

    def _repr_html_(self) -> str:
        return findings_html([self])

    @property
    def shown(self) -> str:
        """The text "value [low, high] unit" to three digits; empty if `measured` is NaN."""
        if math.isnan(self.measured):
            return ""
        text = self.interval.shown(".3g", self.unit)
        certain = self.interval.has_ends or self.reproduces or self.exact
        return text if certain else f"{text}, no interval"


class FindingFigure(NamedTuple):
    """The figure of a claim.

    Attributes:
        draw: function that returns the figure. caption: one or two sentences.
    """

    draw: "Callable[[], Figure]"
    caption: str

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.draw().savefig(buffer, format="png")
        return buffer.getvalue()


class Passage(NamedTuple):
    """Text on a page, such as text sampled from a language model.

    Attributes:
        title: the source of the text. facts: a few words about the source.
        opening: the prompt before the text. text: empty if it is missing.
        missing: why the text is missing.
    """

    title: str
    facts: str
    opening: str
    text: str
    missing: str


class Passages(NamedTuple):
    """Texts side by side on a page.

    Attributes:
        title: title of the section. caption: one or two sentences.
    """

    title: str
    caption: str
    columns: Sequence[Passage]


def _hold(kind: type | tuple[type, ...], value: object) -> bool:
    """Whether the value is a mapping from names to instances of `kind`."""
    return (
        isinstance(value, Mapping)
        and all(isinstance(name, str) for name in value)
        and all(isinstance(one, kind) for one in value.values())
    )


RULES_OF_ANALYSES = {
    "findings": Rule(
        lambda some: isinstance(some, tuple | list) and all(isinstance(f, Finding) for f in some),
        "[Finding(...)], a list of findings,",
    ),
    "numbers": Rule(lambda numbers: _hold(object, numbers), "{'slope': 1.5}, values by name,"),
    "fits": Rule(lambda fits: _hold(Fit, fits), "{'loss': fit}, fits by name,"),
    "figures": Rule(
        lambda figures: _hold(FindingFigure, figures),
        "{'loss': FindingFigure(draw, caption)}, figures by name,",
    ),
    "passages": Rule(lambda passages: isinstance(passages, Passages | None), "Passages"),
}


@dataclass(frozen=True)
class Analysis:
    """Everything a study computes from its runs, once for the page and all figures.

    Attributes:
        findings: the headline first.
        numbers: data for the figures by name: arrays, intervals, fitted lines.
        fits: fits by name; the report shows them with their certificates.
        figures: figures by name: those of the claims, and those that only some sizes have.
        passages: texts for the page.
    """

    findings: Sequence[Finding] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    fits: Mapping[str, Fit] = field(default_factory=dict)
    figures: Mapping[str, FindingFigure] = field(default_factory=dict)
    passages: Passages | None = None

    def __post_init__(self) -> None:
        check_fields("an Analysis", self, RULES_OF_ANALYSES)

    def _repr_html_(self) -> str:
        return findings_html(self.findings) or "<p>no findings</p>"


def same_results(some: Sequence[Finding], others: Sequence[Finding]) -> bool:
    """Whether the findings have the same verdicts and the same numbers to the shown digits."""
    return [(f.verdict, f.shown) for f in some] == [(f.verdict, f.shown) for f in others]


def findings_html(findings: Sequence[Finding]) -> str:
    """Findings as an HTML table for notebooks: claim, measured number, verdict, answer."""
    rows = "".join(
        f"<tr><td>{escape(f.claim)}</td><td>{escape(f.shown)}</td><td>{f.verdict}</td>"
        f"<td>{escape(f.answer)}</td></tr>"
        for f in findings
    )
    head = "<tr><th>claim</th><th>measured [95%]</th><th>verdict</th><th>answer</th></tr>"
    return printable(f"<table>{head}{rows}</table>") if rows else ""


def findings_text(findings: Sequence[Finding], lines: int) -> list[str]:
    """Findings in at most `lines` lines: verdict, claim and measured number."""
    shown = findings if len(findings) <= lines else findings[: lines - 1]
    left = len(findings) - len(shown)
    numbers = ["" if math.isnan(f.measured) else f.interval.shown(".3g") for f in shown]
    room = WIDTH - len("  ✓ disagrees    ") - max(map(len, numbers), default=0)
    whole = [" ".join(printable(f.claim).split()) for f in shown]
    claims = [claim if len(claim) <= room else claim[: room - 1] + "…" for claim in whole]
    rows = [
        (f"{MARKS[f.verdict]} {f.verdict}", claim, number)
        for f, claim, number in zip(shown, claims, numbers, strict=True)
    ]
    out = [f"  {line}" for line in aligned(rows)]
    return [*out, f"  and {left} more: .findings"] if left else out


def at_least(interval: Interval, bound: float) -> Verdict:
    """Is a number at or above a bound?

    As all verdicts from an interval: `agrees` if every value in the interval satisfies the
    condition, `disagrees` if none does, `undecided` otherwise or without an interval (NaN).
    """
    if interval.low >= bound:
        return "agrees"
    return "disagrees" if interval.high < bound else "undecided"


def at_most(interval: Interval, bound: float) -> Verdict:
    """Is a number at or below a bound?"""
    if interval.high <= bound:
        return "agrees"
    return "disagrees" if interval.low > bound else "undecided"


def inside(interval: Interval, low: float, high: float) -> Verdict:
    """Is a number between two bounds, ends included?"""
    if low <= interval.low and interval.high <= high:
        return "agrees"
    return "disagrees" if interval.low > high or interval.high < low else "undecided"


def equivalent(interval: Interval, margin: float) -> Verdict:
    """Is a number equivalent to zero within a margin?

    Agrees if the 95% interval lies within the margin: two one-sided tests at 2.5% each
    (Schuirmann 1987, doi:10.1007/BF01068419).
    """
    return inside(interval, -margin, margin)
