"""Verdicts on several numbers at once, and on runs of one seed; numbers without an interval."""

from collections.abc import Sequence
from dataclasses import replace
from math import nan

from allometry.claims.words import in_words, verdict_over_seeds
from allometry.findings import Finding, Verdict
from allometry.stats.interval import Interval
from allometry.tables.table import Table

__all__ = ["alone", "of_all", "over_seeds", "shared"]


def of_all(*verdicts: Verdict) -> Verdict:
    """Of a claim with several parts: agrees where all do, disagrees where one does."""
    if "disagrees" in verdicts:
        return "disagrees"
    return "agrees" if set(verdicts) == {"agrees"} else "undecided"


def shared(*verdicts: Verdict) -> Verdict:
    """Of one claim measured in several ways that its source leaves open: what all of them say."""
    return verdicts[0] if len(set(verdicts)) == 1 else "undecided"


def over_seeds(findings: Sequence[Finding], runs: Table) -> list[Finding]:
    """The findings, undecided where there is one seed; a number without an interval is in words."""
    out = []
    for finding in findings:
        finding = replace(finding, verdict=verdict_over_seeds(finding.verdict, runs))
        out.append(finding if finding.interval.has_ends else replace(finding, measured=nan))
    return out


def alone(interval: Interval, form: str) -> str:
    """A number in words without its interval: an R², or one that only illustrates."""
    return in_words(Interval(interval.value, nan, nan), form)
