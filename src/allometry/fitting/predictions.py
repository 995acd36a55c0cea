"""Predictions of a fit at requested sizes, with intervals and extrapolation distances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from allometry.errors import UsageError, did_you_mean
from allometry.fitting.document import Fit
from allometry.fitting.mapping import SIZE_ALIASES, sizes_at
from allometry.laws import Law
from allometry.stats.digits import shown

__all__ = ["Prediction", "check_point", "predictions"]


@dataclass(frozen=True)
class Prediction:
    """Prediction at one point.

    Attributes:
        sizes: the law's sizes. mean: the law's value there.
        low, high: interval of the mean. run_low, run_high: interval of one new run. NaN if
            the fit has no resamples.
        beyond: for each size, its ratio to the largest fitted size if it is larger, to the
            smallest if it is smaller, and 1 inside the range. If a size is not positive: minus
            its distance from the fitted range, in widths of that range, and 0 inside.
        within: whether all sizes are inside the fitted range.
    """

    sizes: dict[str, float]
    mean: float
    low: float
    high: float
    run_low: float
    run_high: float
    beyond: dict[str, float]
    within: bool

    def distance(self) -> str:
        """The extrapolation in words, such as `N 12 times the largest fitted`."""
        if self.within:
            return "within the fitted sizes"
        return ", ".join(
            text for name, far in self.beyond.items() if (text := _in_words(name, far))
        )


def _in_words(name: str, far: float) -> str:
    if far in (0.0, 1.0):
        return ""
    if far > 1:
        return f"{name} {shown(far)} times the largest fitted"
    if far > 0:
        return f"{name} {shown(1 / far)} times below the smallest fitted"
    return f"{name} outside by {-far:.2g} times the fitted range"


def predictions(fit: Fit, points: Sequence[Mapping[str, float]]) -> list[Prediction]:
    """Mean, its interval, a new run's interval and the extrapolation distance at each point.

    Args:
        points: numbers by symbol of the law or by column, as for `Fit.predict`.

    Raises:
        UsageError: as in `check_point`.
    """
    return [_prediction(fit, point) for point in points]


def check_point(law: Law, columns: Mapping[str, str], point: Mapping[str, float]) -> None:
    """Refuse a point at which the law cannot be evaluated. No fit is needed.

    Raises:
        UsageError: an unknown name, a size that is missing or must be positive, or a law
            whose value depends on more than one row.
    """
    if not law.per_row:
        raise UsageError(
            f"law {law.name} describes a whole learning curve and has no prediction at one point; "
            "call predict of the fit with the sizes of a curve"
        )
    response = (law.response, columns.get(law.response))
    names = [
        *law.sizes,
        *(n for pair in columns.items() for n in pair if n not in response),
    ]
    aliases = SIZE_ALIASES if len(law.sizes) == 1 else ("C", "M") if "D" in law.sizes else ()
    for name in point:
        if name not in (*names, *aliases):
            raise UsageError(
                f"a prediction needs {', '.join(law.sizes)}; {name!r} is not a size of law "
                f"{law.name}{did_you_mean(name, names)}"
            )
    for symbol, values in sizes_at(law, columns, point).items():
        if not np.isfinite(values).all() or (law.positive_sizes and not (values > 0).all()):
            kind = "positive" if law.positive_sizes else "finite"
            raise UsageError(
                f"a prediction of law {law.name} needs a {kind} {symbol}, got {values[0]:g}"
            )


def _prediction(fit: Fit, point: Mapping[str, float]) -> Prediction:
    check_point(fit.law, fit.columns, point)
    sizes = sizes_at(fit.law, fit.columns, point)
    ends = [np.array([np.nan])] * 4
    if fit.draws:
        ends = [*fit.predict_interval(sizes), *fit.predict_interval(sizes, of="run")]
    low, high, run_low, run_high = (float(end[0]) for end in ends)
    beyond = {symbol: _beyond(fit, symbol, float(v[0])) for symbol, v in sizes.items()}
    return Prediction(
        sizes={symbol: float(v[0]) for symbol, v in sizes.items()},
        mean=float(fit.predict(sizes)[0]),
        low=low, high=high, run_low=run_low, run_high=run_high, beyond=beyond,
        within=all(far in (0.0, 1.0) for far in beyond.values()),
    )  # fmt: skip


def _beyond(fit: Fit, symbol: str, value: float) -> float:
    fitted = fit.data[symbol]
    low, high = float(fitted.min()), float(fitted.max())
    if low > 0 and value > 0:
        return value / high if value > high else value / low if value < low else 1.0
    return -max(low - value, value - high, 0.0) / (high - low)
