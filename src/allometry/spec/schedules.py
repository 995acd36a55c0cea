"""Schedules: how the learning rate changes during training, as values.

A schedule gives the factor on the learning rate at each update. It is computed on the host, so that
members of a pack may have different schedules. `warmup` and other durations are counted in
updates; below 1 they are shares of all updates of the run.
"""

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from allometry.errors import lacking
from allometry.spec.value import Spec

__all__ = ["WSD", "Constant", "Cosine", "InverseSqrt", "Linear", "Schedule", "Step"]

Duration = Annotated[float, Field(ge=0)]


class Schedule(Spec):
    """The factor on the learning rate, update by update.

    With w the updates of the warmup, update t (from 0) has the factor ``(t + 1) / w`` while
    t < w, and `after` gives it from then on.

    Attributes:
        warmup: updates of a linear warmup; below 1 a share of all updates.
    """

    warmup: Duration = 0

    @property
    def uses_length(self) -> bool:
        """Whether the factor at an update depends on how many there are in all."""
        return True

    def factors(self, steps: NDArray[np.int64], total: int) -> NDArray[np.float64]:
        """Factors ``(n,)`` at the updates `steps` ``(n,)``, counted from 0, of `total` updates."""
        warmup = _updates(self.warmup, total)
        rising = (steps + 1) / max(warmup, 1)
        return np.where(steps < warmup, rising, self.after(steps, warmup, total))

    def after(self, steps: NDArray[np.int64], warmup: int, total: int) -> NDArray[np.float64]:
        """Factors ``(n,)`` at these updates, which matter from update `warmup` on."""
        raise lacking(self, "after")


class Constant(Schedule):
    """1 after the warmup."""

    @property
    def uses_length(self) -> bool:
        return 0 < self.warmup < 1

    def after(self, steps: NDArray[np.int64], warmup: int, total: int) -> NDArray[np.float64]:
        return np.ones(len(steps))


class Linear(Schedule):
    """From 1 after the warmup straight down to `final` after the last update."""

    final: float = Field(default=0.0, ge=0)

    def after(self, steps: NDArray[np.int64], warmup: int, total: int) -> NDArray[np.float64]:
        return 1 - (1 - self.final) * _progress(steps, warmup, total)


class Cosine(Schedule):
    """Half a cosine from 1 after the warmup to `final` after the last update.

    ``final + (1 - final) (1 + cos(pi p)) / 2`` with p the share of the updates after the warmup
    that have been made (Loshchilov & Hutter, 1608.03983, equation 5).
    """

    final: float = Field(default=0.0, ge=0)

    def after(self, steps: NDArray[np.int64], warmup: int, total: int) -> NDArray[np.float64]:
        half = (1 + np.cos(math.pi * _progress(steps, warmup, total))) / 2
        return self.final + (1 - self.final) * half


class WSD(Schedule):
    """Warmup, stable, decay: 1, then straight down to `final` (Hu et al., 2404.06395).

    Attributes:
        decay: updates of the decay at the end; below 1 a share of all updates.
    """

    decay: Duration = 0.1
    final: float = Field(default=0.0, ge=0)

    def after(self, steps: NDArray[np.int64], warmup: int, total: int) -> NDArray[np.float64]:
        begin = max(warmup, total - _updates(self.decay, total))
        return 1 - (1 - self.final) * _progress(steps, begin, total)


class InverseSqrt(Schedule):
    """``sqrt(w / t)`` from update t = w on, counted from 1 (Vaswani et al., 1706.03762)."""

    warmup: Annotated[float, Field(gt=0)] = 0.1

    @property
    def uses_length(self) -> bool:
        return self.warmup < 1

    def after(self, steps: NDArray[np.int64], warmup: int, total: int) -> NDArray[np.float64]:
        return np.sqrt(max(warmup, 1) / np.maximum(steps + 1, 1))


class Step(Schedule):
    """Multiplied by `factor` at each of the updates `at`.

    Attributes:
        at: updates; below 1 shares of all updates.
    """

    at: tuple[Duration, ...] = (0.5, 0.75)
    factor: float = Field(default=0.1, gt=0)

    @property
    def uses_length(self) -> bool:
        return any(0 < duration < 1 for duration in (self.warmup, *self.at))

    def after(self, steps: NDArray[np.int64], warmup: int, total: int) -> NDArray[np.float64]:
        places = np.sort([_updates(place, total) for place in self.at])
        return np.asarray(self.factor ** np.searchsorted(places, steps, side="right"), np.float64)


def _updates(duration: float, total: int) -> int:
    """Updates, from a number of them or a share of `total`."""
    return round(duration * total) if duration < 1 else round(duration)


def _progress(steps: NDArray[np.int64], begin: int, total: int) -> NDArray[np.float64]:
    """Share, 0 to 1, of the updates from `begin` on that have been made."""
    return np.clip((steps - begin) / max(total - begin, 1), 0, 1)
