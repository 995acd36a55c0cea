"""Number of digits of each printed parameter that reproduce the predictions of the fit."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from allometry.fitting.intervals import Estimate
from allometry.laws import Array, Law
from allometry.stats.digits import rounded

__all__ = ["reproducing_digits", "with_zero_floors"]

CLOSE = 1e-3  # largest relative difference of the printed law's predictions at any row
LAST = 15  # significant digits of a double
NO_FLOOR = 1e-5  # of the smallest y: a floor below this changes no printed prediction
ROWS = 10_000  # number of rows above which they are thinned


def reproducing_digits(
    law: Law, values: Mapping[str, float], sizes: Mapping[str, Array], least: Mapping[str, int]
) -> dict[str, int]:
    """Significant digits of each parameter of the law.

    While the rounded parameters predict some row with an error of more than 0.1%, the parameter
    whose rounding causes the largest error gets one more digit. If predictions change sign,
    errors are relative to their root mean square.

    Args:
        values: raw parameters. sizes: of the rows, each (n,).
        least: digits to start from, by parameter name.
    """
    digits = {name: least[name] for name in law.names}
    points = _thinned(law, sizes)
    exact = law.evaluate(values, points)[0]
    scale = np.abs(exact)
    if exact.min(initial=0.0) < 0 < exact.max(initial=0.0):
        scale = np.full_like(exact, np.sqrt(np.mean(exact**2)))
    while True:
        errors = _errors(law, values, digits, points, exact, CLOSE * scale)
        if not errors[0] > 1:
            return digits
        open_names = [i for i, name in enumerate(law.names) if digits[name] < LAST]
        if not open_names:
            return digits
        digits[law.names[max(open_names, key=lambda i: errors[1 + i])]] += 1


def with_zero_floors(law: Law, estimates: Mapping[str, Estimate], y: Array) -> dict[str, Estimate]:
    """Estimates in which floors, and ends of their intervals, far below every y are set to 0.

    The value of a floor at its bound, such as 1e-6, only reflects the solver's coordinates; the
    law is the same with 0.

    Args:
        y: of the rows (n,).
    """
    least = NO_FLOOR * float(np.abs(y).min())
    floors = {name for name in law.names if law.kind(name) == "floor"}

    def or_zero(value: float) -> float:
        return 0.0 if abs(value) < least else value

    return {
        name: replace(e, value=or_zero(e.value), low=or_zero(e.low), high=or_zero(e.high))
        if name in floors and e.verdict != "fixed"
        else e
        for name, e in estimates.items()
    }


def _errors(
    law: Law,
    values: Mapping[str, float],
    digits: Mapping[str, int],
    points: Mapping[str, Array],
    exact: Array,
    allowed: Array,
) -> Array:
    """Largest error over the allowed one, with all parameters rounded, then with each alone."""
    lanes = np.array([[values[name] for name in law.names]] * (1 + len(law.names)))
    for i, name in enumerate(law.names):
        lanes[[0, 1 + i], i] = rounded(values[name], digits[name])
    with np.errstate(all="ignore"):
        predicted = law.evaluate(dict(zip(law.names, lanes.T, strict=True)), points)
        errors = np.abs(predicted - exact) / allowed
    errors = np.where(np.isfinite(predicted), errors, np.inf)
    judged = np.isfinite(exact) & (allowed > 0)
    return np.asarray(np.where(judged, errors, 0.0).max(1, initial=0.0))


def _thinned(law: Law, sizes: Mapping[str, Array]) -> dict[str, Array]:
    """The rows, thinned to about `ROWS` if there are more; both ends of each size are kept."""
    rows = max((len(column) for column in sizes.values()), default=0)
    if rows <= ROWS or not law.per_row:
        return {symbol: sizes[symbol] for symbol in law.sizes}
    places = np.linspace(0, rows - 1, ROWS).astype(int)
    ends = [f(sizes[symbol]) for symbol in law.sizes for f in (np.argmin, np.argmax)]
    kept = np.unique([*places, *ends])
    return {symbol: sizes[symbol][kept] for symbol in law.sizes}
