"""Studies that train by a user-defined function, with PyTorch or anything else.

``train(spec) -> measures`` trains one run and returns its columns. A generator instead yields
``(step, measures)`` along training: all yielded measures are the run's trajectory, and the last
ones, with those that it returns, are its columns. A study names the function as its procedure::

    STUDY = Study(..., runs=runs, measures={}, procedure=Function(train))

`runs` returns specs of your own class (a subclass of `allometry.spec.Experiment` with your fields).
Such runs are trained one by one, on every engine, in worker processes: a failure is reported with
its log, and the other runs continue.
"""

import math
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError, quoted
from allometry.spec import Experiment, Spec
from allometry.training.checkpoints import Checkpoints
from allometry.training.procedure import Measures, Pack, Procedure
from allometry.training.result import (
    ARRAY_DTYPES,
    RESERVED,
    Cell,
    RunFailure,
    RunResult,
    Status,
    measured_columns,
    measured_row,
    number_of,
)

__all__ = ["Function", "pin_seeds"]

Values = Mapping[str, Any]


class Function(Procedure):
    """The procedure of a study that trains by a user-defined function.

    The kind of a measure decides how it is kept. Numbers, strings, and arrays or tensors with one
    element are columns. Other arrays, tensors and lists of numbers are arrays of the run, found at
    ``table.trajectories[run_id][name]``. Anything else is an error. A run is stored as
    ``diverged`` if a loss (``loss``, or a name that ends in ``_loss``) is not finite at its end or
    at any step, or if any number is infinite; other NaNs are missing values.

    Before each run the global random generators of Python, NumPy and, if the study imports it,
    PyTorch are seeded with the spec's seed. PyTorch gets as many threads as the worker has.

    Args:
        train: function of a spec that returns measures by name, or a generator that yields
            ``(step, measures)`` and may return more measures.
        updates: function of a spec that returns its units of work, for the progress bar.
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
        """The function `train`; the function `updates` does not affect results."""
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
    ) -> list[RunResult | RunFailure]:
        """Train the runs of a pack.

        A run fails by itself if `train` raises or returns something that cannot be kept.

        Args:
            measures, trajectory: functions of the measures that `train` returned or yielded.
        """
        made: list[RunResult | RunFailure] = []
        curves = checkpoints.curves(pack.specs) if checkpoints else None
        for place, spec in enumerate(pack.specs):
            show = partial(curves.add, place) if curves else _show_nothing
            try:
                made.append(self._one(spec, measures, _Given(trajectory, show), advance))
            except Exception as error:
                made.append(RunFailure.of(spec, error))
            advance(self._updates(spec))
        return made

    def _one(
        self,
        spec: Experiment,
        measures: Measures,
        given: "_Given",
        advance: Callable[[int], None],
    ) -> RunResult:
        began = time.perf_counter()
        pin_seeds(spec.seed)
        given.take(self._train(spec), advance)
        along = given.along()
        fields = columns(spec)
        _refuse_taken(given.values, fields)
        arrays = {n: v for n, v in given.values.items() if isinstance(v, np.ndarray)}
        numbers = {n: v for n, v in given.values.items() if n not in arrays}
        diverged = any(map(_diverged, (numbers, arrays, along)))
        row = measured_row(fields | numbers, measures, given.values, diverged=diverged)
        status: Status = "diverged" if diverged or _diverged(row) else "done"
        # A yielded array is replaced by its series.
        return RunResult(spec, status, row, time.perf_counter() - began, arrays | along)


def _show_nothing(step: float, values: Values) -> None:
    """Used without a live page."""


# ---- the measures of `train` -----------------------------------------------------------------


class _Given:
    """The measures of `train`, copied at once because the program may change its arrays later.

    Attributes:
        values: the last measures by name: numbers, strings and arrays.
        steps: the steps of the yielded points.
        rows: the measures at each point, with those of the study's trajectory.
    """

    def __init__(self, trajectory: Measures, show: Callable[[float, Values], None]):
        self.values: dict[str, Any] = {}
        self.steps: list[float] = []
        self.rows: list[dict[str, Any]] = []
        self._trajectory = trajectory
        self._show = show

    def take(self, made: Any, advance: Callable[[int], None]) -> None:
        """Read everything that `train` returns or yields.

        Raises:
            UsageError: there are no measures, or a value cannot be kept.
        """
        returned = made
        if isinstance(made, Iterator):
            # A `for` loop would lose the return value of a generator.
            while True:
                try:
                    self._point(next(made))
                except StopIteration as end:
                    returned = {} if end.value is None and self.rows else end.value
                    break
                advance(0)  # a sign of life
        if not isinstance(returned, Mapping) or not (returned or self.rows):
            raise UsageError(
                f"train(spec): measures by name expected, or pairs (step, measures) one after "
                f"another, got {quoted(returned)}"
            )
        last = {name: _kept(name, value) for name, value in returned.items()}
        for name, value in last.items():
            if isinstance(value, np.ndarray) and name in self.values:
                raise UsageError(
                    f"train(spec) yielded {name!r} and returned an array of that name; rename one"
                )
        self.values |= last

    def _point(self, pair: Any) -> None:
        match pair:
            case (step, Mapping() as given) if isinstance(number_of(step), int | float):
                self.values = {name: _kept(name, value) for name, value in given.items()}
                self.steps.append(number_of(step))
            case _:
                raise UsageError(
                    f"train(spec) must yield pairs (step, measures by name), got {quoted(pair)}"
                )
        yielded = {"train": lambda values: values}
        row = measured_columns({**yielded, **self._trajectory}, self.values)
        self.rows.append({name: _kept(name, value) for name, value in row.items()})
        self._show(self.steps[-1], self.rows[-1])

    def along(self) -> dict[str, NDArray[Any]]:
        """Each measure at all points, ``(points, ...)``, and the steps.

        Raises:
            UsageError: points differ in their measures, or the study has a trajectory and nothing
                was yielded.
        """
        if not self.rows:
            if self._trajectory:
                raise UsageError(
                    "trajectory= needs a train(spec) that yields (step, measures) along training"
                )
            return {}
        names = self.rows[0].keys()
        if any(row.keys() != names for row in self.rows):
            raise UsageError("train(spec): the same measures expected at every step")
        if "step" in names:
            raise UsageError("train(spec) yielded 'step', which every trajectory has: rename it")
        return {
            "step": np.array(self.steps),
            **{name: _series(name, [row[name] for row in self.rows]) for name in names},
        }


def _refuse_taken(given: Values, fields: Values) -> None:
    for name in given:
        if name in fields or name in RESERVED:
            owner = "is a field of the spec" if name in fields else "every table already has"
            raise UsageError(f"train(spec) gave {name!r}, which {owner}: rename it")


def _kept(name: str, value: Any) -> Any:
    """A number or a string unchanged; anything else as a new array of numbers.

    Raises:
        UsageError: the value is none of these; the message names it.
    """
    value = number_of(value)
    if isinstance(name, str) and isinstance(value, bool | int | float | str | None):
        return value
    try:
        array = np.array(_in_numpy(value))
    except (TypeError, ValueError, RuntimeError) as error:  # such as lists of unequal lengths
        raise UsageError(
            f"train(spec) gave {name!r}, which is not an array of numbers: {error}"
        ) from error
    if not isinstance(name, str) or array.dtype.name not in ARRAY_DTYPES:
        raise UsageError(
            f"train(spec) gave {name!r}: a number, a string, or an array of numbers, named by a "
            f"string, expected, got {type(value).__name__} ({array.dtype})"
        )
    return array


def _in_numpy(value: Any) -> Any:
    """Convert PyTorch tensors, also in lists, to arrays; from any device and with gradients."""
    if isinstance(value, list | tuple):
        return [_in_numpy(item) for item in value]
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _series(name: str, values: Sequence[Any]) -> NDArray[Any]:
    """The values of one measure at all points; a missing value is NaN."""
    series: NDArray[Any] = _kept(name, [math.nan if v is None else v for v in values])
    return series


def _diverged(values: Values) -> bool:
    """Whether a loss is not finite, or any number is infinite."""
    for name, value in values.items():
        array = np.asarray(value)
        if array.dtype.kind in "fc":
            is_loss = name == "loss" or name.endswith("_loss")
            if not np.isfinite(array).all() if is_loss else np.isinf(array).any():
                return True
    return False


def pin_seeds(seed: int) -> None:
    """Seed the global random generators of Python, NumPy and, if it is loaded, PyTorch."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for functions that use the global one
    # PyTorch is never imported here; only the study decides to use it.
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


def columns(spec: Spec, before: str = "") -> dict[str, Cell]:
    """The fields of a spec as columns; a field of an inner spec is named ``outer_inner``.

    The fields that every `Experiment` has, such as the seed, are left out at the outermost level.
    """
    row: dict[str, Cell] = {}
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        if isinstance(value, Spec):
            row |= columns(value, f"{before}{name}_")
        elif before or name not in Experiment.model_fields:
            row[f"{before}{name}"] = value if isinstance(value, float | int | str) else str(value)
    return row
