"""A joint law of several groups of rows, with parameters that all groups share.

The joint law has an additional size, the number of the group (from 1). Its parameters are the
shared ones, under their own names, and each other parameter once per group:
``alpha, A[conv], A[mixer]``. Sizes and response are centred over the rows of all groups.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from allometry.errors import UsageError, did_you_mean
from allometry.laws import Array, Law, Term
from allometry.laws.law import Values
from allometry.stats.resample import Labels

__all__ = ["GROUP", "GroupLaw"]

GROUP = "group"  # symbol of the group's number, from 1


@dataclass(frozen=True)
class GroupLaw:
    """A law of one group, the groups, and the parameters that they share.

    Attributes:
        law: of one group.
        groups: their labels.
        shared: names of the shared parameters.
        fixed: names of parameters held at one value in all groups.

    Raises:
        UsageError: the law does not have a shared parameter, or a shared parameter has a
            different meaning in each group unless others are shared too.
    """

    law: Law
    groups: tuple[str, ...]
    shared: tuple[str, ...]
    fixed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = self.law.names
        if unknown := [name for name in self.shared if name not in names]:
            raise UsageError(
                f"law {self.law.name} has no parameter {', '.join(unknown)} to share; "
                f"it has {', '.join(names)}{did_you_mean(unknown[0], names)}"
            )
        for name in self.shared:
            if others := self._needed(name):
                raise UsageError(
                    f"{name} depends on the unit of the sizes unless {', '.join(others)} is "
                    f"shared too; share {', '.join([name, *others])}, or do not share {name}"
                )

    def joint(self, by: Sequence[str]) -> Law:
        """The law of all groups. `by` names the columns of the groups, for the formula."""
        law = self.law
        linear = [t.coefficient for t in law.terms] or law.linear
        parameters = {p.name: p for p in law.parameters}
        return Law(
            name=f"{law.name} of groups",
            formula=self._formula(by),
            source=law.source,
            sizes=(*law.sizes, GROUP),
            labels=(GROUP,),
            uncentred=law.uncentred,
            response=law.response,
            parameters=tuple(
                replace(
                    parameters[p],
                    name=name,
                    meaning=self._in_group(parameters[p].meaning, g),
                    kind=law.kind(p),
                )
                for name, p, g in self._parameters()
            ),
            value=self.value,
            gradient=self.gradient if law.terms or law.gradient is not None else None,
            uncentre=self.uncentre,
            starts=self.starts,
            linear=tuple(name for name, p, _ in self._parameters() if p in linear),
            derived=self.derived,
            meanings={
                f"{name}[{g}]": self._in_group(meaning, g)
                for name, meaning in law.meanings.items()
                for g in self.groups
            }
            | {
                f"rho_{size}[{g}]": f"{size} of {self.groups[0]} that is worth one {size} of {g}"
                for size, _, _ in self._multiplied()
                for g in self.groups[1:]
            },
            centring=law.centring,
            valid=law.valid,
            positive_sizes=law.positive_sizes,
            per_row=law.per_row,
            default_starts=law.default_starts,
        )

    def name(self, parameter: str, group: str) -> str:
        """Name of one group's parameter in the law of all groups."""
        return parameter if parameter in self._alike else f"{parameter}[{group}]"

    def expanded(self, values: Mapping[str, float]) -> dict[str, float]:
        """The same values for every group, under the names of the law of all groups."""
        return {self.name(p, g): value for p, value in values.items() for g in self.groups}

    def value(self, p: Values, sizes: Values) -> Array:
        """The law of each row's group, (k, n)."""
        total = np.full((len(next(iter(p.values()))), len(sizes[GROUP])), np.nan)
        for group, rows in self._rows(sizes):
            values = {name: v[:, 0] for name, v in self._values(p, group).items()}
            total[:, rows] = self.law.evaluate(values, self._sizes(sizes, rows))
        return total

    def gradient(self, p: Values, sizes: Values) -> dict[str, Array]:
        """Derivatives with respect to every parameter, (k, n): zero in rows of other groups."""
        shape = (len(next(iter(p.values()))), len(sizes[GROUP]))
        slopes = {name: np.zeros(shape) for name, _, _ in self._parameters()}
        for group, rows in self._rows(sizes):
            of_group = _slopes(self.law, self._values(p, group), self._sizes(sizes, rows))
            for name in self.law.names:
                slopes[self.name(name, group)][:, rows] = of_group[name]
        return slopes

    def uncentre(self, p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
        """Raw parameters of every group."""
        raw: dict[str, Array] = {}
        for group in self.groups:
            values = self.law.to_raw(self._values(p, group), centre)
            raw |= {self.name(name, group): v for name, v in values.items()}
        return raw

    def starts(self, uniform: Array, sizes: Values, y: Array) -> Array:
        """Starts of the law of one group, the same for every group."""
        law, draws = self.law, uniform[:, : len(self.law.parameters)]
        if law.starts is not None:
            values = law.starts(draws, {s: sizes[s] for s in law.sizes}, y)
        else:
            low, high = np.array([p.start for p in law.parameters]).T
            positive = np.array([p.positive for p in law.parameters])
            with np.errstate(invalid="ignore", divide="ignore"):
                by_factor = low * (high / low) ** draws
            values = np.where(positive, by_factor, low + draws * (high - low))
        place = {name: j for j, name in enumerate(law.names)}
        return values[:, [place[p] for _, p, _ in self._parameters()]]

    def derived(self, p: Values) -> dict[str, Array]:
        """Derived quantities of every group."""
        derived: dict[str, Array] = {}
        for group in self.groups:
            quantities = self.law.derived(self._values(p, group))
            derived |= {f"{name}[{group}]": v for name, v in quantities.items()}
        for size, term, exponent in self._multiplied():
            first = p[self.name(term.coefficient, self.groups[0])]
            for group in self.groups[1:]:
                ratio = p[self.name(term.coefficient, group)] / first
                derived[f"rho_{size}[{group}]"] = ratio ** (term.sign / p[exponent])
        return derived

    def _multiplied(self) -> list[tuple[str, Term, str]]:
        """Sizes with an equivalence factor between groups: triples (size, its term, its exponent).

        If groups share an exponent and differ in the coefficient A, the term A N^-alpha of a group
        equals that of the first group at rho N, with rho = (A/A_first)^(-1/alpha).
        """
        terms = [term for term in self.law.terms if len(term.powers) == 1]
        return [
            (size, term, exponent)
            for term in terms
            for size, exponent in term.powers
            if exponent in self.shared and term.coefficient not in self._alike
        ]

    @property
    def _alike(self) -> tuple[str, ...]:
        """Names of the parameters that have one value in all groups."""
        return self.shared + self.fixed

    def _formula(self, by: Sequence[str]) -> str:
        """The formula with the columns of the groups at each parameter that differs."""
        separate = [re.escape(name) for name in self.law.names if name not in self._alike]
        if not separate:
            return self.law.formula
        names = re.compile(rf"\b({'|'.join(separate)})\b")
        return names.sub(lambda name: f"{name[0]}[{', '.join(by)}]", self.law.formula)

    def _parameters(self) -> list[tuple[str, str, str]]:
        """Triples (name, name in the law of one group, group; an empty group if shared)."""
        triples = []
        for name in self.law.names:
            if name in self._alike:
                triples.append((name, name, ""))
            else:
                triples += [(self.name(name, g), name, g) for g in self.groups]
        return triples

    def _in_group(self, meaning: str, group: str) -> str:
        return f"{meaning}, in {group}" if group else f"{meaning}, in all groups"

    def _values(self, p: Values, group: str) -> dict[str, Array]:
        return {name: p[self.name(name, group)] for name in self.law.names}

    def _rows(self, sizes: Values) -> list[tuple[str, Labels]]:
        return [(group, sizes[GROUP] == i) for i, group in enumerate(self.groups, start=1)]

    def _sizes(self, sizes: Values, rows: Labels) -> dict[str, Array]:
        return {s: sizes[s][rows] for s in self.law.sizes}

    def _needed(self, name: str) -> list[str]:
        """Parameters that are not shared and on which the raw value of a shared one depends.

        They are detected by changing each in turn, with sizes and response in units of 2.
        """
        law = self.law
        centre = dict.fromkeys((*law.sizes, *(f"{s} spread" for s in law.sizes), law.response), 2.0)
        values = {p: np.array([0.5]) for p in law.names}
        raw = law.to_raw(values, centre)[name]
        return [
            other
            for other in law.names
            if other not in self._alike
            and not np.allclose(law.to_raw({**values, other: np.ones(1)}, centre)[name], raw)
        ]


def _slopes(law: Law, p: Values, sizes: Values) -> Values:
    """Derivatives of a law with respect to every parameter, each (k, n)."""
    if law.gradient is not None:
        return law.gradient(p, sizes)
    shape = (len(next(iter(p.values()))), len(sizes[law.sizes[0]]))
    slopes = {name: np.zeros(shape) for name in law.names}
    for term in law.terms:
        logs: dict[str, Array] = {}
        for i, (size, exponent) in enumerate(term.powers):
            log_size = np.log(sizes[size]) + (np.log(term.factor) if i == 0 else 0.0)
            logs[exponent] = logs.get(exponent, 0.0) + term.sign * log_size
        power = np.exp(sum((p[e] * log for e, log in logs.items()), np.zeros(shape)))
        slopes[term.coefficient] = slopes[term.coefficient] + power
        for exponent, log in logs.items():
            slopes[exponent] = slopes[exponent] + p[term.coefficient] * power * log
    return slopes
