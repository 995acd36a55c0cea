"""A disk cache of compiled programs, so that the next process need not compile them again."""

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
OURS = "ALLOMETRY_PROGRAMS"  # copy of our value of JAX's variable, to recognise a user's choice
PROGRAM, SIGNATURE = "-cache", ".sha256"  # name endings of JAX's files, and of our hashes of them
LARGEST = 1 << 28  # bytes of all programs, hashed at each start; the oldest are removed first
# Lines of /proc/cpuinfo, on x86 and on ARM.
KIND = r"^(?:vendor_id|cpu family|model|flags|CPU implementer|CPU part|Features)\s*:.*$"

_log = logging.getLogger(__name__)


def keep_programs(
    environ: MutableMapping[str, str] = os.environ, *, sweep: bool = True
) -> Path | None:
    """Make JAX cache compiled programs; call it in Allometry's own processes before importing JAX.

    The cache is set by environment variables, which child processes inherit. A queue may carry
    them to another machine, so each worker calls this function itself. The user's own settings are
    not changed.

    JAX finds a program by its file name and does not check its content. So nobody else may be able
    to write the folder, and beside each program lies a SHA-256 over its name and content, written
    at the end of the process that made it. Programs without a valid hash are removed before
    anything is read.

    Args:
        environ: the environment to set.
        sweep: whether to remove damaged and surplus programs first, and to warn if none can be
            kept; meant for one process, not for a thousand jobs that share the folder.

    Returns:
        the folder. Each kind of processor has its own, because a program may use instructions
        that another processor lacks. None if programs are not kept, because the folder cannot be
        used.
    """
    # By default JAX keeps only programs that take a second to compile; most of ours take less.
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
    """Remove programs that do not match their hash, and the oldest if they are too many."""
    files = []
    for path in root.glob(f"*/*{PROGRAM}"):
        with suppress(FileNotFoundError):  # another process may sweep at the same time
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
    """Write hashes of the programs that this process and its workers made since it began.

    Existing hashes are replaced: several processes may have written one program, and the first
    hash may be of an incomplete file.
    """
    try:
        for path in folder.glob(f"*{PROGRAM}"):
            file = _signature_file(path)
            if path.stat().st_mtime >= began or not file.exists():
                with written(file, follow=False) as part:
                    part.write_bytes(_signature(path))
    except OSError as error:  # for example, another process has removed a program
        _log.info("compiled programs in %s are not all signed: %s", folder, error)


def _signature(path: Path) -> bytes:
    """The hash of name and content; with the name, so that swapped programs are detected."""
    digest = hashlib.sha256(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest().encode()


def _signature_file(path: Path) -> Path:
    return path.with_name(path.name + SIGNATURE)


def processor_kind(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """A name for the kind of processor: its architecture, and a hash of model and features.

    The compiler uses both: the features for the instructions, the model for tuning.
    """
    first = _text(cpuinfo).partition("\n\n")[0]
    named = "\n".join(re.findall(KIND, first, re.M)) or platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(named.encode()).hexdigest()[:12]}"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
