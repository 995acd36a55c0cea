"""The processors that this process may use."""

import os

from allometry.errors import UsageError

__all__ = ["limit", "processors", "threads"]


def processors() -> list[int]:
    """Numbers of the processors this process may run on, ascending; at least one.

    These are the processors of its affinity mask, which a container, a batch system or
    ``taskset`` may restrict. On a system without affinity (macOS) they are all processors.
    """
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def threads() -> int:
    """Threads of a compiled program in this process; the last bits of results depend on it."""
    given = os.environ.get("NPROC", "")  # XLA's, which takes only positive numbers
    return int(given) if given.isdecimal() and int(given) else len(processors())


def limit(count: int) -> None:
    """Restrict this process and its children to `count` processors; call before loading JAX.

    Raises:
        UsageError: fewer are available, or the system has no affinity (macOS).
    """
    allowed = processors()
    if count > len(allowed):
        raise UsageError(f"{count} threads asked for, this process may use {len(allowed)}")
    if not hasattr(os, "sched_setaffinity"):
        raise UsageError("this system sets no affinity: set NPROC in the environment instead")
    os.sched_setaffinity(0, allowed[:count])
