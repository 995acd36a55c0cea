"""The time limit of a SLURM job: parsed as sbatch does, and messages for jobs that reach it."""

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
UNLIMITED = 365 * 24 * 60  # minutes that represent no limit
FORMS = "30, 90:00, 02:00:00, 1-12, 1-12:00 or 1-12:00:00"
MARGIN = 2.0  # advised limit over the larger of the predicted time and the limit that was reached


def asked_minutes(minutes: int) -> int:
    """The time limit in minutes that sbatch will give a job: `SBATCH_TIMELIMIT` if it is set.

    submitit must know the true limit. It uses the limit to decide whether a signal before the end
    means timeout or preemption; with too large a limit it would requeue a job forever.
    """
    text = os.environ.get("SBATCH_TIMELIMIT", "")
    return minutes_of(text) if text else minutes


def minutes_of(text: str) -> int:
    """Minutes of a time limit as sbatch reads it (man sbatch, --time), rounded up.

    Raises:
        UsageError: the text is no time limit.
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
    return total or UNLIMITED  # sbatch treats 0 as no limit


def may_be_late(needs: Needs, minutes: int) -> str:
    """A warning if a pack is predicted to exceed the time limit of its job, else empty."""
    if needs.seconds is None or needs.seconds <= 60 * minutes:
        return ""
    return (
        f"a pack is predicted to take {_spelt(needs.seconds / 60)} on this machine, and the time "
        f"limit of its job is {_spelt(minutes)}: {_advice(needs, minutes)}"
    )


def late_in_words(needs: Needs, minutes: int) -> str:
    """Why a pack failed whose job reached its time limit, and what to do."""
    predicted = ""
    if needs.seconds is not None:
        predicted = f" (predicted for the pack: {_spelt(needs.seconds / 60)})"
    return (
        f"its SLURM job reached the time limit of {_spelt(minutes)}{predicted}; the next job "
        f"trains the pack from the start: {_advice(needs, minutes)}"
    )


def _advice(needs: Needs, minutes: int) -> str:
    longer = math.ceil(MARGIN * max(minutes, (needs.seconds or 0) / 60))
    clock = f"{longer // 60:02}:{longer % 60:02}:00"
    return (
        f"give jobs more time (export SBATCH_TIMELIMIT={clock}, or SlurmEngine(minutes={longer})), "
        "or train fewer runs at once (--seeds), which makes packs smaller; if one run takes longer "
        "than any job may, use --engine local, which continues from checkpoints"
    )


def _spelt(minutes: float) -> str:
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.3g} h"


@contextmanager
def at_the_limit(submitit: ModuleType, words: str) -> Iterator[None]:
    """In a job: raise an error with these words when submitit gets the signal of the time limit.

    Raises:
        UnavailableError: the job reached its time limit; raised wherever the signal interrupts.
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
