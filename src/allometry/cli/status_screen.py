"""The output of `allometry status`: counts of runs, dates and training times, in 80 columns."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from allometry.store.status import StudyStatus

__all__ = ["status_lines"]

NAME = 34  # width in characters of the column before the counts
COUNTS = ("declared", "done", "diverged", "excluded", "pending")


def status_lines(entries: Sequence[StudyStatus]) -> list[str]:
    """A line for each study, and lines for each of its sizes and sets of changes."""
    if not entries:
        return ["no study has declared runs here yet"]
    lines = [" " * NAME + "".join(f"  {name}" for name in COUNTS)]
    for study, sizes in groupby(entries, key=lambda entry: entry.study):
        lines.append(study)
        for entry in sizes:
            lines += _size_lines(entry)
    return lines


def _size_lines(entry: StudyStatus) -> list[str]:
    """The size with its counts, on two lines if the name is long; then the details."""
    name = "  " + ", ".join(filter(None, (entry.size, entry.variant)))
    counts = "".join(f"  {getattr(entry, count):>{len(count)}}" for count in COUNTS)
    lines = [name, " " * NAME + counts] if len(name) > NAME else [name.ljust(NAME) + counts]
    if entry.last_finished:
        lines.append(f"    {_dates(entry)}, {_duration(entry.seconds)} of training")
    return lines + [
        f"    excluded, {runs} {'run' if runs == 1 else 'runs'}: {reason}"
        for reason, runs in entry.reasons
    ]


def _dates(entry: StudyStatus) -> str:
    """When the first and the last run finished, in local time."""
    first, last = (
        datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M")
        for text in (entry.first_finished, entry.last_finished)
    )
    if first == last:
        return first
    same_day = first[:10] == last[:10]
    return f"{first} to {last[11:] if same_day else last}"


def _duration(seconds: float) -> str:
    """Seconds in units that suit their size, such as 3 h 5 min."""
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 100 else f"{hours / 24:.3g} days"
