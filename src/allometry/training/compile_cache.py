"""Compiled programs kept on disk, so that the next process need not compile them again."""

import atexit
import hashlib
import logging
import os
import platform
import re
import stat
import time
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

from allometry.datasets.cache import cache_root
from allometry.errors import DiskError
from allometry.files.durable import PART, written
from allometry.files.own import own_files
from allometry.files.private import private_folder

__all__ = ["keep_programs", "processor_kind"]

JAX = "JAX_COMPILATION_CACHE_DIR"
OURS = "ALLOMETRY_PROGRAMS"  # what we put into JAX's variable, to be told from the user's choice
PROGRAM, SIGNATURE = "-cache", ".sha256"  # ends of the names: of JAX's files, of ours beside them
LARGEST = 1 << 28  # bytes of all programs, which are hashed at each start; the oldest go first
# Lines of /proc/cpuinfo, on x86 and on ARM.
KIND = r"^(?:vendor_id|cpu family|model|flags|CPU implementer|CPU part|Features)\s*:.*$"

_log = logging.getLogger(__name__)


def keep_programs(
    environ: MutableMapping[str, str] = os.environ, *, sweep: bool = True
) -> Path | None:
    """Have JAX keep what it compiles; call it in a process of our own before JAX is imported.

    Set through the environment, which processes started from this one inherit, on other
    machines too where a queue carries it there; so each worker calls this for itself.
    What the user has set stays as it is.

    JAX goes by the name of a file alone. So the folder is one that nobody else can write, and each
    program has a SHA-256 over its name and content beside it, written when the process ends that
    made it. What has none, or another, is removed before anything is read.

    Args:
        environ: where it is set.
        sweep: remove damaged and surplus programs first, and warn where none can be kept; for
            one process, not for a thousand jobs that share the folder.

    Returns:
        the folder, one for each kind of processor: a program may use instructions
        that another lacks. None where programs are not kept, for want of a folder.
    """
    # Most of our programs take less than the second below which JAX keeps none.
    environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    if environ.get(JAX) not in (None, environ.get(OURS)):
        return Path(environ[JAX])
    folder = cache_root() / "programs" / processor_kind()
    try:
        private_folder(folder.parent)
        private_folder(folder)
        if sweep:
            _sweep(folder.parent)
    except (DiskError, OSError) as error:
        for name in {JAX, OURS} & environ.keys():
            del environ[name]
        if sweep:
            _log.warning("compiled programs are not kept: %s", error)
        return None
    environ[JAX] = environ[OURS] = str(folder)
    atexit.register(_sign, folder, time.time())
    return folder


def _sweep(root: Path) -> None:
    """Remove programs that are not as they were signed, and the oldest of too many."""
    files = []
    for path in root.glob(f"*/*{PROGRAM}"):
        with suppress(FileNotFoundError):  # another process sweeps as well
            files.append((path, path.lstat()))
    left = sum(status.st_size for _, status in files)
    for path, status in sorted(files, key=lambda file: file[1].st_mtime):
        with suppress(FileNotFoundError):
            if left > LARGEST or not stat.S_ISREG(status.st_mode) or not _is_signed(path):
                left -= status.st_size
                path.unlink()
    for signature in root.glob(f"*/*{PROGRAM}{SIGNATURE}"):
        if not signature.with_name(signature.name.removesuffix(SIGNATURE)).exists():
            signature.unlink(missing_ok=True)
    for folder in root.iterdir():
        for part in own_files(folder, PART):
            part.unlink(missing_ok=True)


def _is_signed(path: Path) -> bool:
    try:
        return _signature_file(path).read_bytes() == _signature(path)
    except FileNotFoundError:
        return False


def _sign(folder: Path, began: float) -> None:
    """Sign what this process and its workers made since it began.

    Also what is signed already: several processes may have written one file, and who signed first
    may have seen half of it.
    """
    try:
        for path in folder.glob(f"*{PROGRAM}"):
            file = _signature_file(path)
            if path.stat().st_mtime >= began or not file.exists():
                with written(file, follow=False) as part:
                    part.write_bytes(_signature(path))
    except OSError as error:  # another process has removed it, say
        _log.info("compiled programs in %s are not all signed: %s", folder, error)


def _signature(path: Path) -> bytes:
    """Over the name too: one program in the place of another is noticed."""
    digest = hashlib.sha256(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest().encode()


def _signature_file(path: Path) -> Path:
    return path.with_name(path.name + SIGNATURE)


def processor_kind(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """A name for the kind of processor: its architecture, and a hash of model and features.

    The compiler goes by both: what a processor can do, and what it is good at.
    """
    first = _text(cpuinfo).partition("\n\n")[0]
    named = "\n".join(re.findall(KIND, first, re.M)) or platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(named.encode()).hexdigest()[:12]}"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
