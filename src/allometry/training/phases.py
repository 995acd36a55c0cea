"""The time of a process by phase, in seconds.

A phase inside another is not counted in the outer one, so the phases of one thread add up to its
time. Times of packs in several threads add up, so the phases of a process may exceed the elapsed
time. The time of compiling is as JAX reports it, in whatever phase it occurs.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Literal, get_args

__all__ = [
    "PHASES", "SECONDS", "Phase", "count_compiling", "kept_seconds", "phase", "seconds_by_phase",
    "seconds_of_thread",
]  # fmt: skip

Phase = Literal[
    "import", "plan", "load", "compile", "train", "evaluate", "measure", "store", "analyse", "print"
]
PHASES: tuple[Phase, ...] = get_args(Phase)
# Prefix of events of `jax.monitoring` for tracing a function, lowering it, compiling it, and
# reading a compiled program.
COMPILING = "/jax/core/compile/"
SECONDS = "seconds_"  # prefix of a phase in a provenance document

_total = defaultdict[str, float](float)
_adding = threading.Lock()
_of_thread = threading.local()


def seconds_by_phase(before: Mapping[str, float] | None = None) -> dict[str, float]:
    """Seconds of this process in each phase that occurred, in the order of `PHASES`.

    Args:
        before: an earlier result, which is subtracted; None subtracts nothing.
    """
    earlier = before or {}
    with _adding:
        seconds = {name: _total[name] - earlier.get(name, 0) for name in PHASES if name in _total}
    return {name: value for name, value in seconds.items() if value or name not in earlier}


def seconds_of_thread() -> dict[str, float]:
    """Seconds of this thread in each phase so far."""
    return dict(_of_thread.__dict__.get("seconds", {}))


def kept_seconds(before: Mapping[str, float]) -> dict[str, float]:
    """Seconds of this thread by phase, as a provenance document keeps them.

    They are rounded to tenths, and phases that round to 0 are left out. So quick packs share one
    document, which the store keeps once.

    Args:
        before: an earlier result of `seconds_of_thread`, which is subtracted.
    """
    now = seconds_of_thread()
    rounded = {p: round(now[p] - before.get(p, 0), 1) for p in PHASES if p in now}
    return {SECONDS + name: seconds for name, seconds in rounded.items() if seconds}


@contextmanager
def phase(name: Phase) -> Iterator[None]:
    """Count the time of the block, without the time of phases inside it."""
    outer = getattr(_of_thread, "inner", None)
    _of_thread.inner = 0.0
    began = time.perf_counter()
    try:
        yield
    finally:
        elapsed = time.perf_counter() - began
        _add(name, elapsed - _of_thread.inner)
        _of_thread.inner = None if outer is None else outer + elapsed


@cache  # once a process
def count_compiling() -> None:
    """Count JAX's compiling from now on as the phase ``compile``."""
    import jax.monitoring  # imported here because a finished study does not need JAX

    jax.monitoring.register_event_duration_secs_listener(_of_compiler)


def _of_compiler(event: str, duration_secs: float, **_: object) -> None:
    """Count a duration that has just ended, without those inside it, which came before."""
    if not event.startswith(COMPILING):
        return
    began = time.perf_counter() - duration_secs
    intervals = _of_thread.__dict__.setdefault("intervals", list[tuple[float, float]]())
    counted = 0.0
    while intervals and intervals[-1][0] >= began:
        counted += intervals.pop()[1]
    intervals.append((began, duration_secs))
    _add("compile", duration_secs - counted)
    if getattr(_of_thread, "inner", None) is not None:
        _of_thread.inner += duration_secs - counted


def _add(name: Phase, seconds: float) -> None:
    with _adding:
        _total[name] += seconds
    of_thread = _of_thread.__dict__.setdefault("seconds", defaultdict[str, float](float))
    of_thread[name] += seconds
