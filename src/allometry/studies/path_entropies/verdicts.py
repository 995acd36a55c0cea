"""Verdicts on several numbers at once."""

from allometry.findings import Verdict

__all__ = ["of_all", "shared"]


def of_all(*verdicts: Verdict) -> Verdict:
    """Of a claim with several parts: agrees where all do, disagrees where one does."""
    if "disagrees" in verdicts:
        return "disagrees"
    return "agrees" if set(verdicts) == {"agrees"} else "undecided"


def shared(*verdicts: Verdict) -> Verdict:
    """Of one claim measured in several ways that its source leaves open: what all of them say."""
    return verdicts[0] if len(set(verdicts)) == 1 else "undecided"
