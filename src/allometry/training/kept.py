"""Trained networks kept on disk, by `run_id`, and their training state to go on from.

Weights are one safetensors file a run, the parameters by name: ``safetensors.torch.load_file``
reads it. The state is a second file, from which the same run with a longer length goes on.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from allometry.durable import put
from allometry.errors import DataError, DiskError, UsageError
from allometry.spec import RunSpec, texts
from allometry.training.saved import Saved

__all__ = ["Keep", "Kept", "weights"]

Keep = Literal["weights", "state"]

SCHEMA = "allometry/state/1"
WEIGHTS, STATE, PART = ".safetensors", ".state.safetensors", ".part"
LENGTH = ("epochs", "steps", "examples")


@dataclass(frozen=True)
class Kept:
    """Where trained networks are kept.

    Attributes:
        folder: beside the store.
        what: weights alone, or the training state as well.
    """

    folder: Path
    what: Keep

    @classmethod
    def beside(cls, store: Path, what: Keep) -> "Kept":
        """The place that belongs to a store."""
        return cls(store.with_name(store.name + ".kept"), what)

    def has(self, run_id: str) -> bool:
        """Whether the weights of a run are kept."""
        return (self.folder / f"{run_id}{WEIGHTS}").is_file()

    def write(
        self, spec: RunSpec, step: int, params: Mapping[str, NDArray[Any]], saved: Saved | None
    ) -> None:
        """Keep a trained network; a file seen under its name is whole.

        Args:
            step: updates made.
            params: by name.
            saved: its training state, if a longer run may go on from it.

        Raises:
            DiskError: when it cannot be written.
        """
        self._put(f"{spec.run_id}{WEIGHTS}", params, {"run_id": spec.run_id, "step": str(step)})
        if saved is not None and self.what == "state":
            document = json.dumps({"schema": SCHEMA, "facts": saved.facts}, sort_keys=True)
            self._put(f"{_key(spec)}-{step}{STATE}", saved.arrays, {"document": document})

    def state(self, spec: RunSpec, most: int) -> tuple[int, Saved] | None:
        """The latest state kept of this run with whatever length, and its step.

        Args:
            most: updates it may have made.

        Raises:
            DataError: the file is damaged.
        """
        key = _key(spec)
        files = {
            int(path.name.removeprefix(f"{key}-").removesuffix(STATE)): path
            for path in self.folder.glob(f"{key}-*{STATE}")
        }
        usable = [step for step in files if step <= most]
        if not usable:
            return None
        path = files[max(usable)]
        try:
            with safe_open(path, framework="np") as file:
                document = json.loads((file.metadata() or {})["document"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return max(usable), Saved(document["facts"], arrays)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise DataError(f"kept state {path} is damaged ({error}): remove it") from error

    def _put(self, name: str, arrays: Mapping[str, NDArray[Any]], metadata: dict[str, str]) -> None:
        path = self.folder / name
        part = path.with_name(f"{name}.{os.getpid()}{PART}")
        dense = {key: np.asarray(array, order="C") for key, array in arrays.items()}
        try:
            self.folder.mkdir(exist_ok=True)
            save_file(dense, part, metadata)
            put(part, path)
        except (OSError, SafetensorError) as error:
            part.unlink(missing_ok=True)
            raise DiskError(
                f"cannot keep {path}: {error}; make room, or run without --keep"
            ) from error


def weights(run_id: str, store: str | Path = "allometry.db") -> dict[str, NDArray[Any]]:
    """The trained parameters of a run, by name, kept by ``run(..., keep="weights")``.

    Args:
        run_id: of the run, a column of every table.
        store: the store beside which they are.

    Raises:
        UsageError: they were not kept.
        DataError: the file is damaged.
    """
    folder = Kept.beside(Path(store).expanduser(), "weights").folder
    path = folder / f"{run_id}{WEIGHTS}"
    if not path.is_file():
        raise UsageError(
            f"no weights of run {run_id[:12]} in {folder}: they are kept by "
            "`allometry run STUDY --keep weights` when a run is trained"
        )
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise DataError(f"kept weights {path} are damaged: {error}") from error


def _key(spec: RunSpec) -> str:
    """A name for the run whatever its length is, and whatever is measured of it."""
    train = spec.train.model_copy(update=dict.fromkeys(LENGTH))
    (text,) = texts([spec.model_copy(update={"measures": (), "train": train})], defaults=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
