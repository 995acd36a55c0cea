"""A law as a function of other sizes than its original ones."""

from collections.abc import Callable
from dataclasses import replace

from allometry.laws import Array, Law
from allometry.laws.law import Values

__all__ = ["resized"]


def resized(law: Law, sizes: Callable[[Values], Values]) -> Law:
    """The law at sizes that are computed from other sizes; for evaluation only.

    Args:
        sizes: other sizes, each (n,) or (k, n) -> the law's sizes, of the same shapes or (k, n).
    """

    def value(columns: Values, given: Values) -> Array:
        values = {name: column[:, 0] for name, column in columns.items()}
        return law.evaluate(values, sizes(given))

    return replace(law, terms=(), value=value, gradient=None, allocation=None, centring="none")
