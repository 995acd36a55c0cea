"""What a result of a benchmark says about the machine: processor, load, versions, date."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["BUSY", "cpu", "facts", "load"]

BUSY = 0.25  # load a processor above which a machine is not idle
CPUINFO = Path("/proc/cpuinfo")


def facts() -> dict[str, Any]:
    """JSON data: processor, how many this process may use, load, versions, date in UTC."""
    return {
        "cpu": cpu(),
        "cpus": processors(),
        "arch": platform.machine(),
        "load": load(),
        "python": platform.python_version(),
        "versions": {name: v for name in ("jax", "torch") if (v := _version(name))},
        "date": datetime.now(UTC).date().isoformat(),
    }


def cpu(cpuinfo: Path = CPUINFO) -> str:
    """The processor's name as Linux gives it; elsewhere what Python knows, its architecture at
    least."""
    text = cpuinfo.read_text("utf-8", errors="replace") if cpuinfo.is_file() else ""
    named = re.search(r"^model name\s*: (.*)$", text, re.M)
    return named[1].strip() if named else platform.processor() or platform.machine()


def processors() -> int:
    """How many this process may use: by its affinity where the system has one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float:
    """Mean number of processes that ran or waited in the last minute."""
    return round(os.getloadavg()[0], 2)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
