"""Derivatives of functions of a law with respect to its free parameters, for linear theory."""

from collections.abc import Callable, Collection, Mapping

import numpy as np

from allometry.fitting import differences
from allometry.laws import Array, Law, Parameter

__all__ = ["free_parameters", "slopes"]

Values = Mapping[str, Array]


def free_parameters(law: Law, fixed: Collection[str] = ()) -> tuple[Parameter, ...]:
    """The parameters that are not held fixed."""
    return tuple(p for p in law.parameters if p.name not in fixed)


def slopes(
    law: Law, values: Values, of: Callable[[Values], Array], fixed: Collection[str] = ()
) -> tuple[Array, Array]:
    """A function of a law's parameters and its derivatives, at k sets of parameters.

    Args:
        values: parameter -> (k,).
        of: parameters, each (k,) -> (k, m).
        fixed: names of parameters that are held fixed.

    Returns:
        values (k, m), and slopes (k, p, m) with respect to the free parameters, or to the logs of
        positive ones.
    """
    free = free_parameters(law, fixed)
    positive = np.array([p.positive for p in free])
    middle = np.stack([np.log(values[p.name]) if p.positive else values[p.name] for p in free], 1)
    held = {name: values[name][:1] for name in law.names if name in fixed}

    def at(u: Array) -> Array:
        lanes = {name: np.broadcast_to(value, len(u)) for name, value in held.items()}
        for j, p in enumerate(free):
            lanes[p.name] = np.exp(u[:, j]) if p.positive else u[:, j]
        return of(lanes)

    with np.errstate(all="ignore"):
        return differences.slopes(at, middle, positive)
