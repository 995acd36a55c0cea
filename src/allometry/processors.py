"""The processors that this process may use."""

import os

__all__ = ["processors"]


def processors() -> list[int]:
    """Numbers of the processors this process may run on, ascending; at least one.

    Those of its affinity, which a container, a batch system or ``taskset`` may restrict;
    all of the machine's where the system has no affinity (macOS).
    """
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
