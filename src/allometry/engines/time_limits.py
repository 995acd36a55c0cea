"""The time limit of a SLURM job: read as sbatch reads it, told in words where a job comes to it."""

import math
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, ModuleType

from allometry.engines.resources import Needs
from allometry.errors import UnavailableError, UsageError

__all__ = ["asked_minutes", "at_the_limit", "late_in_words", "may_be_late", "minutes_of"]

_TIME = re.compile(r"(?:(\d+)-)?(\d+(?::\d+){0,2})", re.ASCII)
UNLIMITED = 365 * 24 * 60  # minutes that stand for no limit
FORMS = "30, 90:00, 02:00:00, 1-12, 1-12:00 or 1-12:00:00"
MARGIN = 2.0  # of the time a pack was predicted to take, or of the limit that was too short


def asked_minutes(minutes: int) -> int:
    """The time limit that sbatch will give a job: `SBATCH_TIMELIMIT` where it is set.

    submitit takes a signal before the end for the limit, or for a job that is sent back, by the
    limit that it knows: a job with a shorter one would be sent back to the queue without end.
    """
    text = os.environ.get("SBATCH_TIMELIMIT", "")
    return minutes_of(text) if text else minutes


def minutes_of(text: str) -> int:
    """Minutes of a time limit as sbatch reads it (man sbatch, --time), rounded up.

    Raises:
        UsageError: it is none.
    """
    if text.upper() in ("UNLIMITED", "INFINITE"):
        return UNLIMITED
    match = _TIME.fullmatch(text)
    if match is None:
        raise UsageError(f"SBATCH_TIMELIMIT: a time such as {FORMS} expected, got {text!r}")
    days, numbers = match[1], match[2].split(":")
    # With days the numbers begin with hours; without, one or two begin with minutes.
    lacking = 0 if days or len(numbers) == 3 else 1
    hours, minutes, seconds = (*[0] * lacking, *map(int, numbers), 0, 0)[:3]
    total = 24 * 60 * int(days or 0) + 60 * hours + minutes + math.ceil(seconds / 60)
    return total or UNLIMITED  # as sbatch takes 0


def may_be_late(needs: Needs, minutes: int) -> str:
    """What to say of a pack that is predicted to take longer than its job may; empty for none."""
    if needs.seconds is None or needs.seconds <= 60 * minutes:
        return ""
    return (
        f"a pack is predicted to take {_spelt(needs.seconds / 60)} here, and the time limit of its "
        f"job is {_spelt(minutes)}: {_advice(needs, minutes)}"
    )


def late_in_words(needs: Needs, minutes: int) -> str:
    """Why a pack failed whose job came to its time limit, and what to do."""
    predicted = ""
    if needs.seconds is not None:
        predicted = f" (predicted for the pack: {_spelt(needs.seconds / 60)})"
    return (
        f"its SLURM job came to the time limit of {_spelt(minutes)}{predicted}; the next job "
        f"trains the pack from its start: {_advice(needs, minutes)}"
    )


def _advice(needs: Needs, minutes: int) -> str:
    longer = math.ceil(MARGIN * max(minutes, (needs.seconds or 0) / 60))
    clock = f"{longer // 60:02}:{longer % 60:02}:00"
    return (
        f"give jobs more time (export SBATCH_TIMELIMIT={clock}, or SlurmEngine(minutes={longer})), "
        "or make fewer runs at once (--seeds), which makes smaller packs; where one run takes "
        "longer than any job may, use --engine local, which goes on from its checkpoints"
    )


def _spelt(minutes: float) -> str:
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.3g} h"


@contextmanager
def at_the_limit(submitit: ModuleType, words: str) -> Iterator[None]:
    """In a job: end what runs with these words when submitit is told of the time limit.

    Raises:
        UnavailableError: of the words, wherever the signal finds the process.
    """
    number = getattr(signal, f"SIG{submitit.JobEnvironment.USR_SIG}")
    handle = signal.getsignal(number)

    def tell(signum: int, frame: FrameType | None) -> None:
        try:
            if callable(handle):
                handle(signum, frame)
        except submitit.core.utils.UncompletedJobError as error:
            raise UnavailableError(words) from error

    signal.signal(number, tell)
    try:
        yield
    finally:
        signal.signal(number, handle)
