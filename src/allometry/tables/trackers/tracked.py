"""A run as a tracker kept it, before it becomes a row of a table."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError

__all__ = ["FINISHED", "MOST_POINTS", "Cell", "Curve", "Curves", "Reader", "TrackedRun", "flat"]

Cell: TypeAlias = str | int | float | bool | None

FINISHED = "finished"
MOST_POINTS = 10_000_000  # of all metrics of one run: 160 MB of steps and values
MOST_DEEP = 50  # nested mappings


@dataclass(frozen=True)
class Curve:
    """A metric along training.

    Attributes:
        steps: rising, each once, (points,). values: of the metric at each, (points,).
    """

    steps: NDArray[np.float64]
    values: NDArray[np.float64]


class Curves:
    """The metrics of one run while they are read, in the order in which they were written."""

    def __init__(self, path: Path):
        self._path = path
        self._points: dict[str, list[tuple[float, float]]] = {}
        self._count = 0

    def add(self, name: str, step: float, value: float) -> None:
        self._points.setdefault(name, []).append((step, value))
        self._count += 1
        if self._count > MOST_POINTS:
            raise DataError(
                f"{self._path} has more than the {MOST_POINTS:,} points of metrics that are read "
                "of one run; export its table from the tracker instead"
            )

    def drop_from(self, step: float) -> None:
        """Forget the points at this step and beyond."""
        for name, points in self._points.items():
            self._points[name] = [point for point in points if point[0] < step]

    def curves(self) -> dict[str, Curve]:
        """Each metric by rising step; among several values at one step, the one written last."""
        return {name: _curve(points) for name, points in self._points.items() if points}


def _curve(points: list[tuple[float, float]]) -> Curve:
    steps, values = np.array(points, np.float64).T
    order = np.argsort(steps, kind="stable")
    steps, values = steps[order], values[order]
    is_last = np.append(steps[1:] != steps[:-1], True)
    return Curve(steps[is_last], values[is_last])


@dataclass(frozen=True)
class TrackedRun:
    """A run.

    Attributes:
        name: given by the user or the tracker.
        status: ``finished`` or the tracker's own word; None where the tracker keeps none.
        about: columns about the run itself, such as its id.
        config: what was set before training, as nested mappings.
        curves: metric to its values along training.
        summary: metric to its single value, where the tracker keeps no curve.
        notes: sentences on content that was not read literally.
    """

    name: str
    status: str | None = None
    about: Mapping[str, Cell] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    summary: Mapping[str, Cell] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


Reader: TypeAlias = Callable[[Path], Iterator[TrackedRun]]


def flat(path: Path, values: Mapping[Any, Any]) -> dict[str, Cell]:
    """Nested mappings as one, with dots between the names; a list becomes its JSON text.

    Raises:
        DataError: two values get one name, or mappings are nested too deeply.
    """
    cells: dict[str, Cell] = {}
    for name, value in _leaves(path, values, ()):
        if name in cells:
            raise DataError(f"{path}: two values of a configuration are called {name[:60]!r}")
        cells[name] = value
    return cells


def _leaves(
    path: Path, values: Mapping[Any, Any], above: tuple[str, ...]
) -> Iterator[tuple[str, Cell]]:
    if len(above) > MOST_DEEP:
        raise DataError(f"{path}: a configuration of at most {MOST_DEEP} nested mappings expected")
    for key, value in values.items():
        names = (*above, str(key))
        if isinstance(value, Mapping):
            yield from _leaves(path, value, names)
        elif value is None or isinstance(value, str | int | float):
            yield ".".join(names), value
        else:
            yield ".".join(names), json.dumps(value, ensure_ascii=False, default=str)
