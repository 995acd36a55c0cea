"""Studies that train by a function of their own: PyTorch, or anything else.

``train(spec) -> measures`` makes one run and gives its columns. As a generator it
yields ``(step, measures)`` along training: the last ones are the run's columns, with those
that it returns, and all of them its trajectory. A study names it in place of a model::

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
    """The procedure of a study that trains by a function of its own.

    What `train` gives is kept by its kind: numbers and strings are columns, an array or
    tensor with one element is a number; other arrays, tensors and lists of numbers are
    arrays of the run, read as ``table.trajectories[run_id][name]``. Anything else is refused
    by name. A run is stored as ``diverged`` where a loss (``loss``, or a name that ends in
    ``_loss``) is not finite at its end or at any step, or any number is infinite; NaN
    elsewhere is a missing value.

    Before each run the global generators of Python, NumPy and, where the study imports
    it, PyTorch are set to the spec's seed; PyTorch gets as many threads as the worker has.

    Args:
        train: of a spec; gives measures by name, or yields ``(step, measures)`` and may
            return more measures.
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
    ) -> list[RunResult | RunFailure]:
        """Make the runs of a pack; `measures` and `trajectory` are functions of what `train` gave.

        A run whose function raises, or gives what cannot be kept, is a failure of its own.
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
        # An array that was yielded is in its series already.
        return RunResult(spec, status, row, time.perf_counter() - began, arrays | along)


def _show_nothing(step: float, values: Values) -> None:
    """Where nobody can watch."""


# ---- what `train` gave -----------------------------------------------------------------------


class _Given:
    """What `train` gave, copied when it was given: a program may go on changing its arrays.

    Attributes:
        values: the last measures by name, numbers, strings and arrays.
        steps: of the points that were yielded.
        rows: at each point, its measures and those of the study's trajectory.
    """

    def __init__(self, trajectory: Measures, show: Callable[[float, Values], None]):
        self.values: dict[str, Any] = {}
        self.steps: list[float] = []
        self.rows: list[dict[str, Any]] = []
        self._trajectory = trajectory
        self._show = show

    def take(self, made: Any, advance: Callable[[int], None]) -> None:
        """Read all that `train` gives.

        Raises:
            UsageError: when it gives no measures, or something that cannot be kept.
        """
        returned = made
        if isinstance(made, Iterator):
            # `for` would leave out what a generator returns.
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
                raise UsageError(f"train(spec) yielded {name!r} and returned an array so named")
        self.values |= last

    def _point(self, pair: Any) -> None:
        match pair:
            case (step, Mapping() as given) if isinstance(number_of(step), int | float):
                self.values = {name: _kept(name, value) for name, value in given.items()}
                self.steps.append(number_of(step))
            case _:
                raise UsageError(
                    f"train(spec) yields pairs (step, measures by name), got {quoted(pair)}"
                )
        yielded = {"train": lambda values: values}
        row = measured_columns({**yielded, **self._trajectory}, self.values)
        self.rows.append({name: _kept(name, value) for name, value in row.items()})
        self._show(self.steps[-1], self.rows[-1])

    def along(self) -> dict[str, NDArray[Any]]:
        """Each measure over the points, ``(points, ...)``, with their steps.

        Raises:
            UsageError: points differ in their measures, or nothing was yielded for a trajectory.
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
            owner = "is a field of the spec" if name in fields else "every table has already"
            raise UsageError(f"train(spec) gave {name!r}, which {owner}: rename it")


def _kept(name: str, value: Any) -> Any:
    """A number or a string as it is, a copy of anything that is an array of numbers.

    Raises:
        UsageError: naming a value that is none of these.
    """
    value = number_of(value)
    if isinstance(name, str) and isinstance(value, bool | int | float | str | None):
        return value
    try:
        array = np.array(_in_numpy(value))
    except (TypeError, ValueError, RuntimeError) as error:  # for lists of unequal lengths, say
        raise UsageError(f"train(spec) gave {name!r}, which is no array: {error}") from error
    if not isinstance(name, str) or array.dtype.name not in ARRAY_DTYPES:
        raise UsageError(
            f"train(spec) gave {name!r}: a number, a string, or an array of numbers under a name "
            f"of its own expected, got {type(value).__name__} ({array.dtype})"
        )
    return array


def _in_numpy(value: Any) -> Any:
    """Tensors of PyTorch as arrays, also in lists, wherever they lie and what they remember."""
    if isinstance(value, list | tuple):
        return [_in_numpy(item) for item in value]
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _series(name: str, values: Sequence[Any]) -> NDArray[Any]:
    """The values of one measure over the points; a missing one is NaN."""
    series: NDArray[Any] = _kept(name, [math.nan if v is None else v for v in values])
    return series


def _diverged(values: Values) -> bool:
    """Whether a number is infinite, or a loss not finite."""
    for name, value in values.items():
        array = np.asarray(value)
        if array.dtype.kind in "fc":
            is_loss = name == "loss" or name.endswith("_loss")
            if not np.isfinite(array).all() if is_loss else np.isinf(array).any():
                return True
    return False


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
