"""Packs under way, kept on disk: killed in the middle, their training goes on from there.

A checkpoint is one safetensors file: arrays, and in its metadata a JSON document that says
of which runs it is, what wrote it (versions, a hash of the source) and how far it is, with
a SHA-256 over document and arrays. One that is damaged, or that other code wrote, is never
used: a warning says so and the pack starts afresh.
"""

import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from allometry.durable import put
from allometry.errors import DataError, DiskError
from allometry.spec import Experiment, run_ids
from allometry.spec.code import is_known
from allometry.training.kept import Kept
from allometry.training.saved import Saved
from allometry.training.source import source_sha256

__all__ = ["Checkpoint", "Checkpoints"]

SCHEMA = "allometry/checkpoint/2"
SUFFIX, PART = ".safetensors", ".part"
WRITERS = ("allometry", "jax", "jaxlib", "numpy", "optax")  # whose versions must be the same

_log = logging.getLogger(__name__)  # warnings go to stderr unless a program says otherwise


@dataclass(frozen=True)
class Checkpoints:
    """Where packs under way are kept, and how often.

    Attributes:
        folder: beside the store, whose one writer alone starts packs that write here.
        seconds: a pack that takes longer is kept so often; infinite for never. What was
            kept before is used all the same.
        kept: where trained networks are kept.
    """

    folder: Path
    seconds: float
    kept: Kept | None = None

    def arguments(self) -> list[str]:
        """All of it as arguments of a worker on this machine."""
        kept = [self.kept.argument()] if self.kept else []
        return [str(self.folder.resolve()), str(self.seconds), *kept]

    @classmethod
    def of_arguments(cls, arguments: Sequence[str]) -> Self:
        """The inverse of `arguments`."""
        folder, seconds, *kept = arguments
        return cls(Path(folder), float(seconds), Kept.of_argument(kept[0]) if kept else None)

    def of(self, specs: Sequence[Experiment]) -> "Checkpoint":
        """The checkpoint of the pack of these runs."""
        return Checkpoint(self, specs)

    def warn(self) -> None:
        """Say of each file here that cannot be used why; what is damaged is removed."""
        for path in self._files():
            _usable(path)

    def remove(self, done: Collection[str]) -> None:
        """Remove what belongs to runs that are stored, by their run_ids."""
        for path in self._files():
            try:
                with safe_open(path, framework="np") as file:
                    document = _document(file.metadata())
            except (SafetensorError, DataError):
                _usable(path)
            else:
                if set(document["runs"]) <= set(done):
                    path.unlink()

    def sweep(self) -> None:
        """Remove what writers that were killed left half written, and a folder with nothing in it.

        Only while no pack is in flight.
        """
        if self.folder.is_dir():
            for path in self.folder.glob(f"*{PART}"):
                path.unlink()
            if not any(self.folder.iterdir()):
                self.folder.rmdir()

    def any(self) -> bool:
        """Whether there are checkpoints at all."""
        return bool(self._files())

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{SUFFIX}"))


class Checkpoint:
    """The one of a pack."""

    def __init__(self, place: Checkpoints, specs: Sequence[Experiment]):
        self._place = place
        self._specs = specs
        self._last = time.monotonic()
        # Now, and not when it is written: files may be edited while a pack is in flight.
        self._writer = _writer()

    def due(self) -> bool:
        """Whether the interval is over since it was last written."""
        return time.monotonic() - self._last >= self._place.seconds

    def read(self) -> Saved | None:
        """What was kept of this very pack by this very code; None, with a warning, for another."""
        if not self._place.folder.is_dir():
            return None
        runs, path = self._runs_and_path()
        usable = _usable(path) if path.is_file() else None
        if usable is None:
            return None
        document, arrays = usable
        if document["runs"] != runs:
            _log.warning("checkpoint %s is of other runs: starting afresh", path)
            return None
        return Saved(document["facts"], arrays)

    def write(self, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep this; a file seen under its name is whole, also after a loss of power.

        Args:
            facts: JSON data.
            arrays: by name, of types that safetensors keeps.

        Raises:
            DiskError: when it cannot be written; the one before stays.
        """
        self._last = time.monotonic()
        if not all(is_known(spec.code) for spec in self._specs):
            _log.warning(
                "no checkpoint of this pack: the source of its code cannot be read, so nothing "
                "could tell later whether it is the same; put the study in a file"
            )
            self._last = float("inf")
            return
        runs, path = self._runs_and_path()
        document = {"schema": SCHEMA, "runs": runs, "facts": facts, "writer": self._writer}
        dense = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        text = json.dumps(document, sort_keys=True)
        part = path.with_name(f"{path.stem}.{os.getpid()}{PART}")
        try:
            path.parent.mkdir(exist_ok=True)
            save_file(dense, part, {"document": text, "sha256": _digest(text, dense)})
            put(part, path)
        except (OSError, SafetensorError) as error:
            # safetensors tells a full disk by an error of its own.
            if part.is_file():
                part.unlink()
            raise DiskError(
                f"cannot write checkpoint {path}: {error}; make room, or go without "
                "(--checkpoint-every 0)"
            ) from error

    def _runs_and_path(self) -> tuple[list[str], Path]:
        runs = run_ids(self._specs)
        name = hashlib.sha256("\n".join(runs).encode()).hexdigest()
        return runs, self._place.folder / (name + SUFFIX)


# ---- the file --------------------------------------------------------------------------------


def _usable(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
    """Document and arrays; None, with a warning, for a damaged file and for other code's."""
    try:
        with safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata()
        document = _document(metadata)
        if metadata["sha256"] != _digest(metadata["document"], arrays):
            raise DataError("its SHA-256 is not that of its content")
    except (SafetensorError, DataError) as error:
        _log.warning("checkpoint %s is damaged (%s): removed, starting afresh", path, error)
        path.unlink(missing_ok=True)
        return None
    changed = _changed(document)
    if changed:
        _log.warning("checkpoint %s is not used, starting afresh: %s", path, "; ".join(changed))
        return None
    return document, arrays


def _document(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    """The JSON document of a file's metadata.

    Raises:
        DataError: where there is none.
    """
    try:
        document = json.loads((metadata or {})["document"])
        complete = {"schema", "runs", "writer", "facts"} <= document.keys()
    except (KeyError, ValueError, AttributeError) as error:
        raise DataError(f"no document in it: {error!r}") from error
    if not complete or "sha256" not in (metadata or {}):
        raise DataError("its document is not complete")
    return dict(document)


def _digest(document: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(document.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


# ---- what wrote it ---------------------------------------------------------------------------


def _changed(document: Mapping[str, Any]) -> list[str]:
    """What is other here than where the checkpoint was written."""
    if document["schema"] != SCHEMA:
        return [f"its schema is {document['schema']!r}, {SCHEMA} expected"]
    here, there = _writer(), document["writer"]
    changed = [
        f"{name} was {there.get(name)} and is {here[name]} now"
        for name in here
        if name != "source" and there.get(name) != here[name]
    ]
    if there.get("source") != here["source"]:
        changed.append("the source of allometry is another")
    return changed


@cache
def _writer() -> dict[str, str]:
    # Brings JAX, which whoever trains has; a finished study need not load it.
    import jax

    return {
        **{name: version(name) for name in WRITERS},
        "python": platform.python_version(),
        "platform": f"{jax.default_backend()} {platform.machine()}",
        "source": source_sha256(),
    }
