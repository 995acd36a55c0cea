"""A law with parameter values, fitted or given, and draws that express their uncertainty."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from allometry.errors import UsageError, did_you_mean
from allometry.fitting.document import Fit
from allometry.laws import Array, Law
from allometry.plan.frontier.cost import Cost
from allometry.plan.frontier.optimum import Frontier

__all__ = ["SEARCHED_DRAWS", "Believed", "check_sizes"]

SEARCHED_DRAWS = 200  # draws of a law or a cost without closed forms, where each needs a search


@dataclass(frozen=True, eq=False)
class Believed:
    """A law, its values, and draws of them.

    Attributes:
        values: parameter -> number.
        draws: parameter -> (k,) from resampled runs; empty if the values were given.
        fit: from which the values come, if any.
    """

    law: Law
    values: Mapping[str, float]
    draws: Mapping[str, Array] = field(default_factory=dict, repr=False)
    fit: Fit | None = field(default=None, repr=False)

    @classmethod
    def of_fit(cls, fit: Fit) -> "Believed":
        """The values and draws of a fit of N and D.

        Raises:
            UsageError: its law is not one of N and D.
        """
        check_sizes(fit.law)
        names = fit.law.names
        draws = {name: fit.draws[name] for name in names} if fit.draws else {}
        return cls(fit.law, {name: fit.values[name] for name in names}, draws, fit)

    @classmethod
    def of_values(cls, law: Law, values: Mapping[str, float]) -> "Believed":
        """A law with given values of all its parameters.

        Raises:
            UsageError: a parameter is missing, unknown, or has an impossible value.
        """
        check_sizes(law)
        if unknown := [name for name in values if name not in law.names]:
            raise UsageError(
                f"law {law.name} has no parameter {unknown[0]}; it has {', '.join(law.names)}"
                f"{did_you_mean(unknown[0], law.names)}"
            )
        if missing := [name for name in law.names if name not in values]:
            raise UsageError(f"law {law.name} needs a value of {', '.join(missing)} as well")
        for parameter in law.parameters:
            value = values[parameter.name]
            exponent = parameter.name in {e for t in law.terms for _, e in t.powers}
            if not np.isfinite(value) or ((parameter.positive or exponent) and value <= 0):
                kind = "positive number" if parameter.positive or exponent else "number"
                raise UsageError(
                    f"{parameter.name} of law {law.name} must be a {kind}, got {value:g}"
                )
        return cls(law, dict(values))

    def frontier(self, cost: Cost) -> Frontier:
        """The frontier for the values, as one set of parameters."""
        return Frontier(self.law, {n: np.array([v]) for n, v in self.values.items()}, cost)

    def drawn(self, cost: Cost) -> Frontier | None:
        """The frontier for all draws, or 200 if each needs a search; None without draws."""
        if not self.draws or not len(next(iter(self.draws.values()))):
            return None
        whole = Frontier(self.law, self.draws, cost)
        return whole if whole.split is not None else self.searched(cost)

    def searched(self, cost: Cost) -> Frontier:
        """The frontier for at most 200 draws, evenly spaced in their order."""
        count = len(next(iter(self.draws.values())))
        places = np.linspace(0, count - 1, min(count, SEARCHED_DRAWS)).astype(int)
        return Frontier(self.law, {n: v[places] for n, v in self.draws.items()}, cost)


def check_sizes(law: Law) -> None:
    """Refuse a law that is not a law of N and D, with U or without.

    Raises:
        UsageError: the message names the law's sizes.
    """
    if not {"N", "D"} <= set(law.sizes) <= {"N", "D", "U"}:
        raise UsageError(
            f"a plan splits compute between N and D, but law {law.name} has the sizes "
            f"{', '.join(law.sizes)}. Laws of N and D are chinchilla, skaling, farseer and kaplan; "
            "data_constrained also has the unique tokens U"
        )
