"""Checkpoints of packs in training, so that training continues after the process was killed.

A checkpoint is one safetensors file with arrays. Its metadata has a JSON document with the runs,
the writer (versions, a hash of the source) and the progress, and a SHA-256 over document and
arrays. A checkpoint that is damaged, or that other code wrote, is never used: a warning says so,
and the pack starts afresh.
"""

import hashlib
import logging
import platform
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray
from safetensors import SafetensorError

from allometry.errors import DataError, DiskError
from allometry.files.own import is_file, own_files, remove, sweep
from allometry.spec import Experiment, run_ids
from allometry.spec.code import is_known
from allometry.training import saved
from allometry.training.kept import Kept
from allometry.training.live import Live, PackCurves
from allometry.training.saved import Saved
from allometry.training.source import source_sha256

__all__ = ["Checkpoint", "Checkpoints"]

SCHEMA = "allometry/checkpoint/2"
SUFFIX = ".safetensors"
OURS = re.compile(rf"[0-9a-f]{{64}}{re.escape(SUFFIX)}")  # names; other files are left alone
FIELDS = {"schema": str, "runs": list, "writer": dict, "facts": dict}  # fields of a document
WRITERS = ("allometry", "jax", "jaxlib", "numpy", "optax")  # packages of equal version required

_log = logging.getLogger(__name__)  # warnings go to stderr unless a program says otherwise


@dataclass(frozen=True)
class Checkpoints:
    """Where and how often packs in training are saved.

    Attributes:
        folder: folder beside the store. Only the store's writer starts packs that write here.
        seconds: interval between checkpoints in seconds; infinity disables them. Existing
            checkpoints are used in any case.
        kept: where trained networks are kept.
        live: where curves of packs in training are written.
    """

    folder: Path
    seconds: float
    kept: Kept | None = None
    live: Live | None = None

    def arguments(self) -> list[str]:
        """This object as command line arguments of a worker on this machine."""
        kept = self.kept.argument() if self.kept else ""
        live = str(self.live.folder.resolve()) if self.live else ""
        return [str(self.folder.resolve()), str(self.seconds), kept, live]

    @classmethod
    def of_arguments(cls, arguments: Sequence[str]) -> Self:
        """The inverse of `arguments`."""
        folder, seconds, kept, live = arguments
        return cls(
            Path(folder),
            float(seconds),
            Kept.of_argument(kept) if kept else None,
            Live(Path(live)) if live else None,
        )

    def of(self, specs: Sequence[Experiment]) -> "Checkpoint":
        """The checkpoint of the pack of these runs."""
        return Checkpoint(self, specs)

    def curves(self, specs: Sequence[Experiment]) -> PackCurves | None:
        """Where the curves of the pack of these runs are written during training."""
        return self.live.pack(specs) if self.live else None

    def warn(self) -> None:
        """Warn of every checkpoint that cannot be used; damaged ones are removed."""
        for path in self._files():
            _usable(path)

    def remove(self, done: Collection[str]) -> None:
        """Remove the checkpoints of packs whose runs are all stored.

        Args:
            done: run_ids of stored runs.
        """
        for path in self._files():
            try:
                document = saved.read_document(path)
                _check(document)
            except (DataError, OSError):
                _usable(path)
            else:
                if set(document["runs"]) <= set(done):
                    remove(path)

    def sweep(self) -> None:
        """Remove temporary files of killed writers, and empty folders.

        Call it only while no pack is in flight.
        """
        sweep(self.folder)
        if self.kept:
            sweep(self.kept.folder)

    def any(self) -> bool:
        """Whether there are any checkpoints."""
        return bool(self._files())

    def _files(self) -> list[Path]:
        return own_files(self.folder, OURS)


class Checkpoint:
    """The checkpoint of one pack."""

    def __init__(self, place: Checkpoints, specs: Sequence[Experiment]):
        self._place = place
        self._specs = specs
        self._last = time.monotonic()
        # Computed now and not at writing, because files may be edited while the pack trains.
        self._writer = _writer()

    def due(self) -> bool:
        """Whether the interval since the last writing is over."""
        return time.monotonic() - self._last >= self._place.seconds

    def read(self) -> Saved | None:
        """The saved state, if it is of this pack and this code; otherwise None, with a warning."""
        if not self._place.any():
            return None
        runs, path = self._runs_and_path()
        usable = _usable(path) if is_file(path) else None
        if usable is None:
            return None
        document, arrays = usable
        if document["runs"] != runs:
            _log.warning("checkpoint %s is of other runs: starting afresh", path)
            return None
        return Saved(document["facts"], arrays)

    def write(self, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write the checkpoint atomically.

        Args:
            facts: JSON data.
            arrays: arrays by name, of types that safetensors supports.

        Raises:
            DiskError: it cannot be written; the previous checkpoint stays.
        """
        self._last = time.monotonic()
        if not all(is_known(spec.code) for spec in self._specs):
            _log.warning(
                "no checkpoint of this pack: the source of its code cannot be read, so later it "
                "could not be verified that the code is the same; put the study in a file"
            )
            self._last = float("inf")
            return
        runs, path = self._runs_and_path()
        document = {"schema": SCHEMA, "runs": runs, "facts": facts, "writer": self._writer}
        try:
            saved.write(path, document, arrays)
        except (OSError, SafetensorError) as error:
            raise DiskError(
                f"cannot write checkpoint {path}: {error}; make room, or disable checkpoints "
                "(--checkpoint-every 0)"
            ) from error

    def refuse(self, reason: DataError) -> None:
        """Warn that the checkpoint that was read cannot belong to this pack."""
        _, path = self._runs_and_path()
        _log.warning("checkpoint %s is not used, starting afresh: %s", path, reason)

    def _runs_and_path(self) -> tuple[list[str], Path]:
        runs = run_ids(self._specs)
        name = hashlib.sha256("\n".join(runs).encode()).hexdigest()
        return runs, self._place.folder / (name + SUFFIX)


# ---- the file --------------------------------------------------------------------------------


def _usable(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
    """Document and arrays; None, with a warning, if the file is damaged or by other code."""
    try:
        document, arrays = saved.read(path)
        _check(document)
    except OSError as error:
        _log.warning("checkpoint %s cannot be read (%s): starting afresh", path, error.strerror)
        return None
    except DataError as error:
        _log.warning("checkpoint %s is damaged (%s): removed, starting afresh", path, error)
        remove(path)
        return None
    changed = _changed(document)
    if changed:
        _log.warning("checkpoint %s is not used, starting afresh: %s", path, "; ".join(changed))
        return None
    return document, arrays


def _check(document: Mapping[str, Any]) -> None:
    """Refuse a document that does not belong to a checkpoint.

    Raises:
        DataError: a field is missing or has a wrong type.
    """
    wrong = [name for name, kind in FIELDS.items() if not isinstance(document.get(name), kind)]
    if not wrong and not all(isinstance(run, str) for run in document["runs"]):
        wrong = ["runs"]
    if wrong:
        raise DataError(f"its document has no valid {' and no valid '.join(wrong)}")


# ---- what wrote it ---------------------------------------------------------------------------


def _changed(document: Mapping[str, Any]) -> list[str]:
    """The differences between this process and the writer of a checkpoint, in words."""
    if document["schema"] != SCHEMA:
        return [f"its schema is {document['schema']!r}, {SCHEMA} expected"]
    current, writer = _writer(), document["writer"]
    changed = [
        f"{name} was {writer.get(name)} and is {current[name]} now"
        for name in current
        if name != "source" and writer.get(name) != current[name]
    ]
    if writer.get("source") != current["source"]:
        changed.append("the source of allometry has changed")
    return changed


@cache
def _writer() -> dict[str, str]:
    # Imports JAX here, because a finished study need not load it.
    import jax

    return {
        **{name: version(name) for name in WRITERS},
        "python": platform.python_version(),
        "platform": f"{jax.default_backend()} {platform.machine()}",
        "source": source_sha256(),
    }
