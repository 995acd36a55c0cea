"""The options of a fit, shared by `fit`, `compare`, other code that refits, and the command line.

This module does not import NumPy: the command line reads its choices from here before it knows
which command was given.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Literal, TypedDict, get_args

from allometry.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from allometry.laws import Law

__all__ = [
    "INTERVALS",
    "OBJECTIVES",
    "RULES",
    "FitOptions",
    "IntervalName",
    "ObjectiveChoice",
    "ObjectiveName",
    "OptionValues",
    "Rule",
    "SharedOptions",
]

ObjectiveName = Literal[
    "huber_log", "squared_log", "squared", "absolute_log", "asymmetric_absolute"
]
ObjectiveChoice = Literal["auto", ObjectiveName]
IntervalName = Literal[
    "auto", "pairs", "fractional", "residual", "student", "jackknife", "profile", "none"
]
Rule = Literal["aicc", "backtest"]

INTERVALS: tuple[IntervalName, ...] = get_args(IntervalName)
OBJECTIVES: tuple[ObjectiveChoice, ...] = get_args(ObjectiveChoice)
RULES: tuple[Rule, ...] = get_args(Rule)

LARGEST = 1e300  # of a parameter held fixed
SQUARES: tuple[ObjectiveName, ...] = ("squared_log", "squared")


@dataclass(frozen=True)
class FitOptions:
    """The options of a fit; `allometry.fitting.fit.fit` describes each.

    Raises:
        UsageError: a value that is not among the choices of its option, or out of range.
    """

    objective: ObjectiveChoice = "auto"
    delta: float | None = None
    starts: int | None = None
    resamples: int = 1000
    cluster: str | tuple[str, ...] | None = None
    level: float = 0.95
    seed: int = 0
    drop_largest: Mapping[str, int] | None = None
    weights: str | None = None
    noise: str | None = None
    where: Sequence[str] = ()
    fixed: Mapping[str, float] | None = None
    start: Mapping[str, float] | None = None
    interval: IntervalName = "auto"

    def __post_init__(self) -> None:
        if self.resamples < 0 or (self.starts is not None and self.starts < 1):
            raise UsageError(
                "starts must be at least 1 and resamples at least 0, got "
                f"starts={self.starts}, resamples={self.resamples}"
            )
        if not 0 < self.level < 1:
            raise UsageError(f"level must be between 0 and 1, e.g. 0.95; got {self.level}")
        if self.interval not in INTERVALS:
            raise UsageError(
                f"interval must be one of {', '.join(INTERVALS)}; got {self.interval!r}"
                f"{did_you_mean(self.interval, INTERVALS)}"
            )
        if self.interval == "profile" and self.objective not in (*SQUARES, "auto"):
            raise UsageError(
                f"profile intervals are for squares ({' and '.join(SQUARES)}), not for "
                f"{self.objective}: their coverage with it is too low. Choose another interval"
            )
        if self.interval == "profile" and self.cluster:
            raise UsageError(
                "interval profile assumes independent rows, so it takes no cluster; with cluster, "
                "interval is auto, pairs, residual or jackknife"
            )
        if self.interval == "jackknife" and len(self.clusters) != 1:
            raise UsageError(
                "interval jackknife leaves out one cluster at a time: name one cluster column"
            )
        if self.interval == "student" and self.cluster:
            raise UsageError(
                "interval student assumes independent rows, so it takes no cluster; with cluster, "
                "interval is auto, pairs, residual or jackknife"
            )
        for option, column in (("weights", self.weights), ("noise", self.noise)):
            if not isinstance(column, str | None):
                raise UsageError(
                    f"{option} must be the name of a column, got {type(column).__name__}; "
                    "add the values to the table as a column"
                )

    @property
    def named_objective(self) -> ObjectiveName:
        """The objective once `auto` has been replaced.

        Raises:
            UsageError: it is still `auto`; `allometry.fitting.default_objective` replaces it.
        """
        if self.objective == "auto":
            raise UsageError("objective auto has not been replaced by a named objective yet")
        return self.objective

    @property
    def clusters(self) -> tuple[str, ...]:
        """Columns whose groups are resampled whole."""
        return (self.cluster,) if isinstance(self.cluster, str) else tuple(self.cluster or ())

    def numbers(self, columns: Iterable[str]) -> set[str]:
        """The columns that a fit reads as numbers: the mapped ones, weights and noise."""
        return {*columns, *(c for c in (self.weights, self.noise) if c is not None)}

    def check_fixed(self, law: "Law") -> None:
        """Refuse a held parameter that the law does not have, or a value it cannot have."""
        names = law.names + (law.companion.names if law.companion else ())
        if unknown := set(self.fixed or ()) - set(names):
            raise UsageError(
                f"law {law.name} has no parameter {', '.join(sorted(unknown))}; "
                f"it has {', '.join(names)}{did_you_mean(min(unknown), names)}"
            )
        for each in (law, law.companion):
            if each is not None:
                self._check_values(each)

    def _check_values(self, law: "Law") -> None:
        fixed = {name: v for name, v in (self.fixed or {}).items() if name in law.names}
        positive = {p.name for p in law.parameters if p.positive}
        for name, value in fixed.items():
            if not -LARGEST < value < LARGEST:
                raise UsageError(f"{name} must be held at a finite number, got {value:g}")
            if name in positive and value < 0:
                raise UsageError(f"{name} must be positive in law {law.name}, got {value:g}")
        if len(fixed) == len(law.names):
            raise UsageError(
                f"every parameter of law {law.name} is held fixed: nothing is left to fit; "
                "leave one free"
            )

    def check_start(self, law: "Law") -> None:
        """Refuse a start of an unknown or fixed parameter, or at a value it cannot have."""
        both = (law, law.companion) if law.companion else (law,)
        parameters = {q.name: q for each in both for q in each.parameters}
        held = law.fixed if self.fixed is None else self.fixed
        for name, value in (self.start or {}).items():
            if name not in parameters:
                raise UsageError(
                    f"law {law.name} has no parameter {name} to start from; it has "
                    f"{', '.join(parameters)}{did_you_mean(name, parameters)}"
                )
            if name in held:
                raise UsageError(f"{name} is fixed at {held[name]:g}, so it cannot have a start")
            if not isfinite(value) or (parameters[name].positive and value <= 0):
                kind = "positive number" if parameters[name].positive else "number"
                raise UsageError(f"the start of {name} must be a {kind}, got {value:g}")

    def fixed_parameters(self, law: "Law") -> dict[str, float]:
        """The parameters held at a raw value; those of the law itself if `fixed` is None."""
        if self.fixed is None:
            return dict(law.fixed)
        return {name: value for name, value in self.fixed.items() if name in law.names}


class SharedOptions(TypedDict, total=False):
    """Options of a fit that are the same in every fit of a multiverse, as keyword arguments."""

    starts: int | None
    resamples: int
    cluster: str | tuple[str, ...] | None
    level: float
    seed: int
    weights: str | None
    noise: str | None
    fixed: Mapping[str, float] | None
    interval: IntervalName


class OptionValues(SharedOptions, total=False):
    """Every option of a fit, as keyword arguments."""

    objective: ObjectiveChoice
    delta: float | None
    start: Mapping[str, float] | None
    drop_largest: Mapping[str, int] | None
    where: Sequence[str]
