"""The examples of a run in their parts: training, test and, where there is one, validation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Split", "read_only"]


class Split(NamedTuple):
    """Features and targets of each part.

    Attributes:
        train_x, test_x, valid_x: features, ``(n, ...)`` float32.
        train_y, test_y, valid_y: classes, ``(n,)`` int32, or ``(n, T)``, one for each of the T
            symbols of an example; or real targets or probabilities of the classes, ``(n,)`` or
            ``(n, d)`` float32. Without a validation split both are None.
    """

    train_x: NDArray[np.float32]
    train_y: NDArray[Any]
    test_x: NDArray[np.float32]
    test_y: NDArray[Any]
    valid_x: NDArray[np.float32] | None = None
    valid_y: NDArray[Any] | None = None

    def parts(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        """Features and targets by part: ``train``, ``test`` and, if there is one, ``valid``."""
        sets = {"train": (self.train_x, self.train_y), "test": (self.test_x, self.test_y)}
        if self.valid_x is not None and self.valid_y is not None:
            sets["valid"] = self.valid_x, self.valid_y
        return sets

    def mapped(self, function: Callable[[str, Any], NDArray[Any]]) -> "Split":
        """A split with the results of a function of the name and array of each part.

        A part that is None stays None.
        """
        parts: dict[str, Any] = {
            name: None if array is None else function(name, array)
            for name, array in self._asdict().items()
        }
        return Split(**parts)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself, made read-only; for an array that nothing else uses."""
    array.setflags(write=False)
    return array
