"""Verdicts on several numbers and on runs of one seed, and text of numbers without intervals."""

from collections.abc import Sequence
from dataclasses import replace
from math import nan

from allometry.claims.words import in_words, verdict_over_seeds
from allometry.findings import Finding, Verdict
from allometry.stats.interval import Interval
from allometry.tables.table import Table

__all__ = ["alone", "of_all", "over_seeds", "shared"]


def of_all(*verdicts: Verdict) -> Verdict:
    """The verdict on a claim with several parts: agrees if all do, disagrees if one does."""
    if "disagrees" in verdicts:
        return "disagrees"
    return "agrees" if set(verdicts) == {"agrees"} else "undecided"


def shared(*verdicts: Verdict) -> Verdict:
    """The verdict on a claim measured in several ways: the common one, else undecided."""
    return verdicts[0] if len(set(verdicts)) == 1 else "undecided"


def over_seeds(findings: Sequence[Finding], runs: Table) -> list[Finding]:
    """The findings, undecided for one seed; a number without an interval is in the answer only."""
    out = []
    for finding in findings:
        finding = replace(finding, verdict=verdict_over_seeds(finding.verdict, runs))
        out.append(finding if finding.interval.has_ends else replace(finding, measured=nan))
    return out


def alone(interval: Interval, form: str) -> str:
    """A number as text without its interval, for an R² or an illustration."""
    return in_words(Interval(interval.value, nan, nan), form)
