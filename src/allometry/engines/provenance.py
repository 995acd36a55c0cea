"""The provenance of a run: versions, commit, device, but no names of people or machines."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from allometry.processors import processors, threads
from allometry.training.source import package_root

__all__ = ["collect", "git_state"]

GIT_SECONDS = 5.0  # timeout of git; after it the commit is unknown


def collect() -> dict[str, object]:
    """Provenance as JSON data, stored with every run; `when` is the time of this call (UTC)."""
    device = jax.devices()[0]
    return {
        "allometry": version("allometry"),
        **git_state(package_root()),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "jax": jax.__version__,
        "jaxlib": version("jaxlib"),
        "platform": device.platform,
        "device": device.device_kind,
        "devices": jax.device_count(),
        "dtype": str(jnp.zeros(()).dtype),
        "cpus": len(processors()),
        "threads": threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def git_state(folder: Path) -> dict[str, object]:
    """The commit of the package's source, and whether the source has changed since.

    Both are None for an installed package, even inside another project's repository, and if
    git does not answer.
    """
    tracked = _git(folder, "ls-files", "--error-unmatch", "__init__.py")
    if tracked is None:
        return {"git_commit": None, "git_dirty": None}
    changes = _git(folder, "status", "--porcelain", "--", ".")
    return {
        "git_commit": _git(folder, "rev-parse", "HEAD"),
        "git_dirty": None if changes is None else bool(changes),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    # A git hook sets GIT_DIR and similar variables, which would select another repository.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True, text=True, timeout=GIT_SECONDS, env=plain, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
