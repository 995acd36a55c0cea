"""Verdicts on packs with user-defined parts, cached on disk between processes.

The key of a verdict is a hash of everything it depends on: the members with the hash of their code,
the source of this package, versions of libraries, and the machine.
"""

import hashlib
import json
import logging
import os
import platform
import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import jax

from allometry.datasets.cache import cache_root
from allometry.errors import DataError, DiskError, UsageError
from allometry.files.durable import written
from allometry.files.foreign import read_bytes
from allometry.files.own import own_files, remove, warn_once
from allometry.files.private import private_folder
from allometry.files.strict_json import read_json
from allometry.spec import RunSpec, texts
from allometry.training.source import source_sha256

__all__ = ["kept_verdict"]

LARGEST = 1 << 16  # bytes read of a file, which has one sentence
MOST = 1000  # number of files kept; the oldest are removed first
CODE = re.compile(r"[0-9a-f]{64}")  # digest of code whose source could be read
NAME = re.compile(r"[0-9a-f]{64}\.json")
COMPUTES = ("jax", "jaxlib", "numpy", "optax", "pydantic")
SETTINGS = ("JAX_", "XLA_")  # prefixes of environment variables that may change results
ELSEWHERE = ("JAX_COMPILATION_CACHE_", "JAX_PERSISTENT_CACHE_")  # prefixes of those that do not

_log = logging.getLogger(__name__)


def kept_verdict(specs: Sequence[RunSpec], judge: Callable[[], str]) -> str:
    """The verdict on these members, from the cache or from `judge`.

    Nothing is cached if the source of the user's code is unknown.
    """
    folder = _folder() if all(CODE.fullmatch(spec.code) for spec in specs) else None
    if folder is None:
        return judge()
    name = _name(specs)
    path = folder / f"{name}.json"
    try:
        return _read(path, name)
    except (DataError, UsageError) as error:
        _log.debug("no verdict kept: %s", error)
    verdict = judge()
    try:
        _write(path, name, verdict)
    except OSError as error:
        _log.warning("%s cannot be written (%s): the pack will be tested again", path, error)
    return verdict


def _folder() -> Path | None:
    folder = cache_root() / "proofs"
    try:
        private_folder(folder)
    except DiskError as error:
        warn_once(f"verdicts on parts of your own are not kept: {error}")
        return None
    return folder


def _name(specs: Sequence[RunSpec]) -> str:
    settings = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(SETTINGS) and not name.startswith(ELSEWHERE)
    }
    of = {
        "members": texts(specs),
        "source": source_sha256(),
        "versions": {name: version(name) for name in COMPUTES},
        "python": platform.python_version(),
        "machine": [platform.system(), platform.machine(), jax.default_backend()],
        "device": jax.devices()[0].device_kind,
        "settings": settings,
    }
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()


def _read(path: Path, name: str) -> str:
    """The verdict in a file.

    Raises:
        UsageError, DataError: the file is missing, damaged, or has another name in it.
    """
    document = read_json(read_bytes(path, LARGEST))
    verdict = document.get("verdict") if isinstance(document, dict) else None
    if not isinstance(verdict, str) or document != _document(name, verdict):
        raise DataError(f"{path} is not as it was written")
    return verdict


def _write(path: Path, name: str, verdict: str) -> None:
    with written(path, follow=False) as part:
        part.write_text(json.dumps(_document(name, verdict)), encoding="utf-8")
    files = own_files(path.parent, NAME)
    for file in sorted(files, key=lambda file: file.stat().st_mtime)[:-MOST]:
        remove(file)


def _document(name: str, verdict: str) -> dict[str, str]:
    digest = hashlib.sha256(f"{name}\0{verdict}".encode()).hexdigest()
    return {"of": name, "verdict": verdict, "sha256": digest}
