"""Trained networks kept on disk: weights, states to continue from, and runs to be measured.

Weights are one safetensors file for each run, with the parameters by name, which
``safetensors.torch.load_file`` reads. The state is a second file, from which the same run with a
longer length continues. A run whose measures failed is a third file, which stays until the measures
have been computed.

Weights are named by `run_id`. States and runs to be measured are named by a hash of everything that
decides the training, which excludes measures and user code that only measures reach.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray
from safetensors import SafetensorError

from allometry.errors import DataError, DiskError, UsageError
from allometry.files.own import own_files, remove
from allometry.spec import Experiment, RunSpec, texts
from allometry.training import saved
from allometry.training.saved import Saved

__all__ = ["Keep", "Kept"]

Keep = Literal["weights", "state"]

SCHEMA, OF_WEIGHTS = "allometry/state/2", "allometry/weights/1"
WEIGHTS, STATE = ".safetensors", ".state.safetensors"
TRAINED = ".unmeasured.safetensors"
LENGTH = ("epochs", "steps", "examples")


@dataclass(frozen=True)
class Kept:
    """Where trained networks are kept.

    Attributes:
        folder: folder beside the store.
        what: ``weights``, or ``state`` for weights and training state; None for neither. Runs
            to be measured are used in any case.
        training_code: `Experiment.code` to the digest of the user code that decides the training.
    """

    folder: Path
    what: Keep | None = None
    training_code: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def beside(
        cls, store: Path, what: Keep | None = None, training_code: Mapping[str, str] | None = None
    ) -> "Kept":
        """The networks that belong to a store."""
        return cls(store.with_name(store.name + ".kept"), what, training_code or {})

    def argument(self) -> str:
        """This object as a command line argument of a worker on this machine."""
        return json.dumps([str(self.folder.resolve()), self.what, dict(self.training_code)])

    @classmethod
    def of_argument(cls, argument: str) -> "Kept":
        """The inverse of `argument`."""
        folder, what, training_code = json.loads(argument)
        return cls(Path(folder), what, training_code)

    def has(self, run_id: str) -> bool:
        """Whether the weights of a run are kept."""
        return (self.folder / f"{run_id}{WEIGHTS}").is_file()

    # ---- weights and state ---------------------------------------------------------------

    def weights(self, run_id: str) -> dict[str, NDArray[Any]]:
        """The trained parameters of a run, by name.

        Raises:
            UsageError: they were not kept.
            DataError: the file is damaged.
        """
        path = self.folder / f"{run_id}{WEIGHTS}"
        if not path.is_file():
            raise UsageError(
                f"no weights of run {run_id[:12]} in {self.folder}: they are kept by "
                "`allometry run STUDY --keep weights` when a run is trained; a stored run is "
                f"trained again after `allometry forget --run {run_id[:12]}`"
            )
        try:
            return saved.read(path, bare=True)[1]
        except (DataError, OSError) as error:
            raise DataError(f"kept weights {path} are damaged: {error}") from error

    def write(
        self, spec: RunSpec, step: int, params: Mapping[str, NDArray[Any]], state: Saved | None
    ) -> None:
        """Keep a trained network; files are written atomically.

        Args:
            step: number of updates made.
            params: parameters by name.
            state: its training state, if a longer run may continue from it.

        Raises:
            DiskError: a file cannot be written.
        """
        document = {"schema": OF_WEIGHTS, "run_id": spec.run_id, "step": step}
        self._put(f"{spec.run_id}{WEIGHTS}", document, params)
        if state is not None and self.what == "state":
            self._put_saved(f"{self._any_length(spec)}-{step}{STATE}", state)

    def step(self, spec: RunSpec, most: int) -> int:
        """The step of the latest state kept of this run with any length; 0 if there is none.

        Args:
            most: largest step to consider.
        """
        if self.what != "state":
            return 0
        names = re.compile(rf"{self._any_length(spec)}-(\d{{1,18}}){re.escape(STATE)}")
        matches = (names.fullmatch(path.name) for path in own_files(self.folder, names))
        steps = (int(match[1]) for match in matches if match)
        return max((step for step in steps if step <= most), default=0)

    def state(self, spec: RunSpec, step: int) -> Saved:
        """The state of a run after `step` updates.

        Raises:
            DataError: the file is damaged.
        """
        return self._saved(f"{self._any_length(spec)}-{step}{STATE}")

    # ---- runs that are not measured ------------------------------------------------------

    def write_trained(self, spec: RunSpec, state: Saved) -> None:
        """Keep a trained run until its measures have been computed.

        Raises:
            DiskError: the file cannot be written.
        """
        self._put_saved(self._unmeasured(spec), state)

    def is_trained(self, spec: RunSpec) -> bool:
        """Whether this run is trained and only its measures are missing."""
        return (self.folder / self._unmeasured(spec)).is_file()

    def trained(self, spec: RunSpec) -> Saved:
        """The state that `write_trained` kept.

        Raises:
            DataError: the file is damaged.
        """
        return self._saved(self._unmeasured(spec))

    def measured(self, specs: Sequence[Experiment]) -> None:
        """Remove files of trained runs whose measures are now stored."""
        for spec in specs:
            if isinstance(spec, RunSpec) and self.folder.is_dir() and self.is_trained(spec):
                remove(self.folder / self._unmeasured(spec))

    # ---- names and files -----------------------------------------------------------------

    def _any_length(self, spec: RunSpec) -> str:
        """A name for the run that does not depend on its length or measures."""
        train = spec.train.model_copy(update=dict.fromkeys(LENGTH))
        return self._training(spec.model_copy(update={"train": train}))

    def _unmeasured(self, spec: RunSpec) -> str:
        return f"{self._training(spec)}{TRAINED}"

    def _training(self, spec: RunSpec) -> str:
        """A hash of everything that decides the training of a run."""
        code = self.training_code.get(spec.code, spec.code)
        (text,) = texts([spec.model_copy(update={"measures": (), "code": code})], defaults=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _put_saved(self, name: str, state: Saved) -> None:
        self._put(name, {"schema": SCHEMA, "facts": state.facts}, state.arrays)

    def _saved(self, name: str) -> Saved:
        path = self.folder / name
        try:
            document, arrays = saved.read(path)
            if document.get("schema") != SCHEMA or not isinstance(document.get("facts"), dict):
                raise DataError(f"{SCHEMA} expected, got {str(document.get('schema'))[:60]!r}")
        except (DataError, OSError) as error:
            raise DataError(f"kept network {path} is damaged ({error}): remove it") from error
        return Saved(document["facts"], arrays)

    def _put(
        self, name: str, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> None:
        path = self.folder / name
        try:
            saved.write(path, document, arrays)
        except (OSError, SafetensorError) as error:
            raise DiskError(
                f"cannot keep {path}: {error}; make room, or run without --keep"
            ) from error
