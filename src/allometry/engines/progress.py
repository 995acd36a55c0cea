"""Whoever is told how far a run of a study is."""

import logging
from collections.abc import Sequence
from typing import Protocol

from allometry.training.result import RunResult

__all__ = ["Progress", "Silent"]

_log = logging.getLogger(__name__)  # warnings go to stderr unless a program says otherwise


class Progress(Protocol):
    """Told how far a run of a study is."""

    def begin(self, runs: int, stored: int, packs: int, steps: int) -> None:
        """Before training: runs to train, those stored already, packs and updates to come."""
        ...

    def advance(self, model_steps: int) -> None:
        """Optimiser updates made, summed over the runs of a pack."""
        ...

    def finished(self, results: Sequence[RunResult]) -> None:
        """A pack is stored: it is on disk and will not be trained again."""
        ...

    def draining(self) -> None:
        """Asked to stop: the pack in flight is finished and stored first."""
        ...

    def end(self) -> None:
        """Always last, also after an error."""
        ...


class Silent:
    """Progress nobody watches. Only that it stops is said, as a warning of `logging`."""

    def begin(self, runs: int, stored: int, packs: int, steps: int) -> None: ...
    def advance(self, model_steps: int) -> None: ...
    def finished(self, results: Sequence[RunResult]) -> None: ...
    def end(self) -> None: ...

    def draining(self) -> None:
        _log.warning("stopping after the pack in flight; once more stops at once")
