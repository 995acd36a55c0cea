"""Studies that train by a function of their own: PyTorch, or anything else.

``train(spec) -> measures`` makes one run and gives its columns. As a generator it
yields ``(step, measures)`` along training: the last ones are the run's columns, all of
them its trajectory. A study names it in place of a model::

    STUDY = Study(..., runs=runs, measures={}, procedure=Function(train))

`runs` gives specs of a class of yours (`allometry.spec.Experiment` with your fields).
Such runs are made one by one, on every engine, in processes of their own: what fails
there is reported with its log, and the other runs go on.
"""

import math
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from allometry.errors import UsageError
from allometry.spec import Experiment, Spec
from allometry.training.checkpoints import Checkpoints
from allometry.training.procedure import Measures, Pack, Procedure
from allometry.training.result import Cell, RunResult, Status, measured_row

__all__ = ["Function", "pin_seeds"]

Values = Mapping[str, Any]


class Function(Procedure):
    """The procedure of a study that trains by a function of its own.

    Before each run the global generators of Python, NumPy and, where the study imports
    it, PyTorch are set to the spec's seed; PyTorch gets as many threads as the worker has.
    A run with a measure that is not finite is stored as ``diverged``.

    Args:
        train: of a spec; gives measures by name, or yields ``(step, measures)``.
        updates: of a spec: units of work, for the progress bar.
    """

    isolated = True

    def __init__(
        self,
        train: Callable[[Any], Values | Iterator[tuple[float, Values]]],
        updates: Callable[[Any], int] = lambda spec: 1,
    ):
        self._train = train
        self._updates = updates

    @property
    def code(self) -> object:
        """The function that trains: what counts its steps decides no result."""
        return self._train

    def updates(self, spec: Experiment) -> int:
        return self._updates(spec)

    def run(
        self,
        pack: Pack,
        measures: Measures,
        trajectory: Measures,
        advance: Callable[[int], None],
        checkpoints: Checkpoints | None = None,
    ) -> list[RunResult]:
        """Make the runs of a pack; `measures` and `trajectory` are functions of what `train` gave.

        Raises:
            UsageError: when `train` gives no measures, or columns that are taken.
        """
        results = []
        for spec in pack.specs:
            results.append(self._one(spec, measures, trajectory, advance))
            advance(self._updates(spec))
        return results

    def _one(
        self,
        spec: Experiment,
        measures: Measures,
        trajectory: Measures,
        advance: Callable[[int], None],
    ) -> RunResult:
        began = time.perf_counter()
        pin_seeds(spec.seed)
        given = self._train(spec)
        points: list[tuple[float, Values]] = []
        if isinstance(given, Iterator):
            for step, values in given:
                points.append((step, dict(values)))
                advance(0)  # a sign of life
            given = points[-1][1] if points else {}
        if not isinstance(given, Mapping) or not given:
            raise UsageError(
                f"train(spec): measures by name expected, or pairs (step, measures) one after "
                f"another, got {given!r}"
            )
        fields = columns(spec)
        reported = {name: value for name, value in given.items() if np.ndim(value) == 0}
        measured = measured_row(reported, measures, given, diverged=not _finite(reported))
        taken = sorted(fields.keys() & measured.keys())
        if taken:
            raise UsageError(f"train(spec) gave {taken[0]!r}, which is a field of the spec: rename")
        status: Status = "done" if _finite(measured) else "diverged"
        arrays = _along(points, trajectory) if points else {}
        seconds = time.perf_counter() - began
        return RunResult(spec, status, fields | measured, seconds, arrays)


def pin_seeds(seed: int) -> None:
    """Set the global generators of Python, NumPy and a loaded PyTorch."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for functions that use the global one
    # Never imported here: that is the study's to do.
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


def columns(spec: Spec, before: str = "") -> dict[str, Cell]:
    """A spec's own fields as columns, a field of an inner spec as ``outer_inner``.

    Seed and measures are left out: every table has the one, and the other is no number.
    """
    row: dict[str, Cell] = {}
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        if isinstance(value, Spec):
            row |= columns(value, f"{before}{name}_")
        elif before or name not in Experiment.model_fields:
            row[f"{before}{name}"] = value if isinstance(value, float | int | str) else str(value)
    return row


def _along(points: Sequence[tuple[float, Values]], trajectory: Measures) -> dict[str, Any]:
    """Each measure over the points, ``(points, ...)``, with their steps."""
    rows = []
    for _, values in points:
        more = {name: v for measure in trajectory.values() for name, v in measure(values).items()}
        rows.append({**values, **more})
    if any(row.keys() != rows[0].keys() for row in rows):
        raise UsageError("train(spec): the same measures expected at every step")
    arrays = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {"step": np.array([step for step, _ in points]), **arrays}


def _finite(values: Mapping[str, Any]) -> bool:
    """Whether all numbers among these are finite."""
    plain = (v.item() if isinstance(v, np.generic | np.ndarray) else v for v in values.values())
    return all(math.isfinite(v) for v in plain if isinstance(v, float))
