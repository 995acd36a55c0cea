"""Start of the search given by the caller as raw parameter values."""

from collections.abc import Mapping

import numpy as np

from allometry.errors import UsageError
from allometry.fitting import differences
from allometry.fitting.surface import LawSurface
from allometry.laws import Array

__all__ = ["with_own_start"]

STEPS = 20  # of Newton's method; for almost every law the map is linear in logarithms
CLOSE = 1e-6  # largest relative error of the raw values, logarithms for positive ones


def with_own_start(
    surface: LawSurface, starts: Array, raw: Mapping[str, float], *, alone: bool
) -> Array:
    """Put the start with these raw values before the law's own starts, or return it alone.

    Args:
        starts: the law's own starts (k, p). The first gives the parameters that `raw` does not
            name.
        raw: values by name; those of the law's companion are ignored.

    Raises:
        UsageError: a value is outside the solver's bounds, or no solver coordinates give these
            values.
    """
    target = _raw(surface, starts[:1])[0].copy()
    for j, parameter in enumerate(surface.free):
        if parameter.name in raw:
            value = float(raw[parameter.name])
            target[j] = np.log(value) if parameter.positive else value
    point = _point(surface, starts[:1], target)
    outside = (point[0] < surface.low) | (point[0] > surface.high)
    if outside.any():
        names = [q.name for q, out in zip(surface.free, outside, strict=True) if out]
        raise UsageError(
            f"the start of {', '.join(names)} lies outside the bounds of law {surface.law.name}"
        )
    return point if alone else np.concatenate([point, starts])


def _raw(surface: LawSurface, u: Array) -> Array:
    """Raw values (k, p) of solver vectors (k, p); logarithms for positive parameters."""
    raw = surface.raw(u)
    values = np.stack([raw[q.name] for q in surface.free], 1)
    return np.where(surface.positive, np.log(np.where(surface.positive, values, 1.0)), values)


def _point(surface: LawSurface, u: Array, target: Array) -> Array:
    """Solver coordinates (1, p) where `_raw` is `target` (p,), by Newton's method from u (1, p)."""
    for _ in range(STEPS):
        missing = target - _raw(surface, u)[0]
        if (np.abs(missing) <= 1e-12 * (1 + np.abs(target))).all():
            break
        _, slopes = differences.slopes(lambda v: _raw(surface, v), u, surface.positive)
        if not np.isfinite(slopes).all():
            break
        u = u + np.linalg.lstsq(slopes[0].T, missing, rcond=None)[0]
    missing = target - _raw(surface, u)[0]
    if not (np.abs(missing) <= CLOSE * (1 + np.abs(target))).all():
        raise UsageError(
            f"the search of law {surface.law.name} cannot begin at the given start: no centred "
            "parameters correspond to it; change its values"
        )
    return u
