"""A study: a question with its runs, measures, analysis and figures."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

from allometry.errors import UsageError
from allometry.procedure import Procedure
from allometry.spec import Experiment, replace, run_ids
from allometry.table import Table

__all__ = [
    "SIZES",
    "Finding",
    "Notebook",
    "Study",
    "Verdict",
    "at_least",
    "findings_html",
    "holds",
    "variant",
    "within",
]

SIZES = ("quick", "notebook", "paper")
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
class Notebook:
    """The notebook a study repeats.

    Attributes:
        number: its place among the five that Allometry began with, from 0.
        name: what its author calls it.
        printed: what it printed, one or two sentences.
    """

    number: int
    name: str
    printed: str


def findings_html(findings: Sequence[Finding]) -> str:
    """Findings as a table for notebooks: claim, what was measured, verdict, answer."""
    rows = "".join(
        f"<tr><td>{escape(f.claim)}</td><td>{escape(f.shown)}</td><td>{f.verdict}</td>"
        f"<td>{escape(f.answer)}</td></tr>"
        for f in findings
    )
    head = "<tr><th>claim</th><th>measured [95%]</th><th>verdict</th><th>answer</th></tr>"
    return f"<table>{head}{rows}</table>" if rows else ""


@dataclass(frozen=True)
class Study:
    """A question and everything needed to answer it.

    Attributes:
        name: the module's name, the name on the command line.
        title: a few words for headings.
        question: one sentence.
        prediction: what its source expects, one sentence.
        source: author, title, identifier.
        runs: size ("quick", "notebook", "paper") to the list of specs at one seed
            after another; called as ``runs(size, seeds)``, with `seeds` a sequence.
        sizes: the sizes there are.
        seeds: size to the seeds it takes when nobody says otherwise.
        procedure: how runs are made; None trains every `RunSpec` by gradient descent.
        measures: name to function giving columns, of one trained `Network` or of what
            the procedure hands it.
        trajectory: the same, taken along training.
        analyse: table to findings.
        figures: functions ``(table, findings) -> matplotlib Figure``; the first line
            of their docstring is the caption.
        fits: table to named fits shown in the report with their certificates.
        views: name to function of the table giving another table, such as the source's own
            columns (``allometry table --view``).
        notebook: the notebook it repeats, for the page that sets notebooks side by side.
        notes: what was not reached and how this differs from its source, in sentences.
        origin: where other processes find the study: its shipped name or the path of its
            file. `allometry.studies.study` fills it in; empty for one made in memory.
    """

    name: str
    title: str
    question: str
    prediction: str
    source: str
    runs: Callable[[str, Sequence[int]], Sequence[Experiment]]
    measures: Mapping[str, Callable[..., Mapping[str, Any]]]
    analyse: Callable[[Table], list[Finding]]
    sizes: tuple[str, ...] = ("quick", "notebook")
    seeds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    trajectory: Mapping[str, Callable[..., Mapping[str, Any]]] = field(default_factory=dict)
    procedure: Procedure | None = None
    figures: tuple[Callable[..., Any], ...] = ()
    fits: Callable[[Table], Mapping[str, Any]] | None = None
    views: Mapping[str, Callable[[Table], Table]] = field(default_factory=dict)
    notebook: Notebook | None = None
    notes: tuple[str, ...] = ()
    origin: str = ""

    def view(self, name: str, table: Table) -> Table:
        """A table in another form.

        Raises:
            UsageError: for a view there is not.
        """
        if name not in self.views:
            there = ", ".join(self.views) or "none"
            raise UsageError(f"study {self.name} has no view {name!r}; it has {there}")
        return self.views[name](table)

    def _repr_html_(self) -> str:
        sizes = ", ".join(f"{size} ({len(self.specs(size))} runs)" for size in self.sizes)
        return (
            f"<p><b>{escape(self.title)}</b> ({escape(self.name)})<br>{escape(self.question)}<br>"
            f"<i>Predicted:</i> {escape(self.prediction)}. <i>Source:</i> {escape(self.source)}<br>"
            f"<i>Sizes:</i> {sizes}</p>"
        )

    @property
    def measure_names(self) -> tuple[str, ...]:
        """As they stand in each spec, and so in its `run_id`."""
        return (*sorted(self.measures), *sorted(f"trajectory:{n}" for n in self.trajectory))

    def specs(
        self, size: str, seeds: int | None = None, changes: Mapping[str, str] | None = None
    ) -> list[Any]:
        """The runs of one size.

        Args:
            size: one of `sizes`.
            seeds: how many, counted up from the first; None for the study's own.
            changes: dotted field to new value, applied to every run (``--set``).

        Raises:
            UsageError: for a size or a field there is not, or two equal runs.
        """
        if size not in self.sizes:
            raise UsageError(
                f"study {self.name} has no size {size!r}; it has {', '.join(self.sizes)}"
            )
        own = self.seeds[size]
        chosen = own if seeds is None else tuple(range(own[0], own[0] + seeds))
        names = {"measures": self.measure_names}
        specs = [spec.model_copy(update=names) for spec in self.runs(size, chosen)]
        for path, value in (changes or {}).items():
            specs = [replace(spec, path, value) for spec in specs]
        if len(set(run_ids(specs))) < len(specs):
            raise UsageError(f"study {self.name}: two runs of size {size!r} are the same")
        return specs


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


def variant(changes: Mapping[str, str]) -> str:
    """The name under which changed runs are declared: empty for the study as shipped."""
    return ",".join(f"{path}={changes[path]}" for path in sorted(changes))
