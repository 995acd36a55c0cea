"""Training state as it is written to disk: facts and arrays."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray

__all__ = ["Saved"]


class Saved(NamedTuple):
    """What was kept: numbers and short lists in `facts`, the rest in `arrays`."""

    facts: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
