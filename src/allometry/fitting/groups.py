"""One fit for each group of rows, differences between groups, and shared parameters.

Groups are assumed independent: no run is in two groups, and no common cause (one evaluation,
one seed) affects the rows of two. The interval of a difference is computed from the two
intervals (MOVER: Zou and Donner 2008, Statist. Med. 27, 1693-1702), so it is only as accurate as
they are. It is not corrected for the number of pairs.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Literal, Unpack

import numpy as np

from allometry import laws
from allometry.errors import DataError, UsageError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.intervals import Estimate
from allometry.fitting.mapping import law_of_columns
from allometry.fitting.options import FitOptions, OptionValues
from allometry.fitting.problem import Problem
from allometry.fitting.rows import Places
from allometry.fitting.sealed import sealed
from allometry.fitting.shared import GROUP, GroupLaw
from allometry.fitting.status import ENOUGH_REFITS
from allometry.laws import Law
from allometry.tables.display import as_html, as_text
from allometry.tables.read import TableLike, as_table
from allometry.tables.table import Table

__all__ = ["Difference", "DifferenceVerdict", "GroupFits", "SharedFit", "SharedTest", "fit_groups"]

SCHEMA = "allometry/fit_groups/1"
SQUARES = ("squared", "squared_log")  # objectives whose sums follow the F distribution

DifferenceVerdict = Literal[
    "different", "not_distinguished", "not_identified", "not_converged", "no_interval"
]


@dataclass(frozen=True)
class Difference:
    """Difference of one parameter between two groups: the first minus the second.

    Attributes:
        low, high: ends of the interval, at the level of the fits.
        verdict: different (the interval excludes 0), not_distinguished (it contains 0),
            not_identified (one of the two parameters is not bounded on both sides),
            not_converged (the search or the resamples of one of the two fits did not
            converge), no_interval.
    """

    parameter: str
    first: str
    second: str
    value: float
    low: float
    high: float
    verdict: DifferenceVerdict

    def to_document(self) -> dict[str, object]:
        """Plain values; an end that is not finite is None."""
        return {
            key: None if isinstance(value, float) and not np.isfinite(value) else value
            for key, value in asdict(self).items()
        }


@dataclass(frozen=True)
class SharedTest:
    """F test of shared parameters against separate parameters for each group.

    Attributes:
        f: statistic. parameters, rows: its degrees of freedom.
        p: probability of an F at least this large if the groups share the parameters.
    """

    f: float
    parameters: int
    rows: int
    p: float


@dataclass(frozen=True)
class SharedFit:
    """One joint fit to all groups, with some parameters the same in all of them.

    Attributes:
        names: of the shared parameters.
        fit: with parameters such as alpha (shared) and A[conv].
        test: of the shared parameters; None without a test, see `reason`.
    """

    names: tuple[str, ...]
    fit: Fit
    test: SharedTest | None
    reason: str = ""

    def to_document(self) -> dict[str, object]:
        """The shared part of the document, the joint fit without its rows and draws."""
        fit = self.fit.to_document()
        keys = ("formula", "rows", "objective", "parameters", "derived", "status", "interval")
        return {
            "names": list(self.names),
            **{key: fit[key] for key in keys},
            "test": None if self.test is None else asdict(self.test),
            "reason": self.reason,
        }


@dataclass(frozen=True)
class GroupFits:
    """A law fitted to each group of rows.

    Attributes:
        by: columns that define the groups.
        fits: group -> its fit, in order of first appearance.
        refused: group -> why it could not be fitted.
        differences: of every parameter and pair of fitted groups; parameters on a log scale last.
        shared: the fit with shared parameters; None if no parameters are shared.
        left_out: number of rows without a group.
        level: of the intervals.
    """

    law: Law
    by: tuple[str, ...]
    fits: dict[str, Fit]
    refused: dict[str, str]
    differences: tuple[Difference, ...]
    shared: SharedFit | None
    left_out: int
    level: float

    def to_document(self) -> dict[str, object]:
        """Plain values: a fit document for each group, differences, the shared fit."""
        return {
            "schema": SCHEMA,
            "law": self.law.name,
            "formula": self.law.formula,
            "by": list(self.by),
            "level": self.level,
            "groups": {group: fit.to_document() for group, fit in self.fits.items()},
            "refused": self.refused,
            "left_out": self.left_out,
            "differences": [d.to_document() for d in self.differences],
            "shared": None if self.shared is None else self.shared.to_document(),
        }

    def _digest(self) -> tuple[str, list[list[str]], list[str]]:
        """Title, a row for each group, and the groups that could not be fitted."""
        title = (
            f"Fits of {self.law.name} by {', '.join(self.by)}: {self.law.formula}; "
            f"{self.level:.0%} intervals"
        )
        names = list(dict.fromkeys(name for fit in self.fits.values() for name in fit.shown()))
        rows = [["group", "rows", *names, "status"]]
        for group, fit in self.fits.items():
            shown = fit.shown()
            cells = [shown.get(name, "") for name in names]
            rows.append([group, str(fit.rows), *cells, fit.status.code])
        return title, rows, [f"{group}: {reason}" for group, reason in self.refused.items()]

    def __repr__(self) -> str:
        return as_text(*self._digest())

    def _repr_html_(self) -> str:
        return as_html(*self._digest())

    def to_json(self, indent: int | None = None) -> str:
        """The document as JSON, with a seal."""
        return json.dumps(sealed(self.to_document()), indent=indent, allow_nan=False)


def fit_groups(
    table: TableLike,
    law: str | Law,
    columns: Mapping[str, str],
    *,
    by: str | Sequence[str],
    shared: Sequence[str] = (),
    **options: Unpack[OptionValues],
) -> GroupFits:
    """Fit a law to each group of rows, and compare the groups::

        al.fit_groups(table, "power", {"x": "params", "y": "error"}, by="family")

    Args:
        table, law, columns: as for `allometry.fitting.fit.fit`.
        by: columns whose values define the groups.
        shared: parameters that have the same value in all groups in an additional, joint fit.
        options: of every fit.

    Raises:
        UsageError: invalid names or values; fewer than two fitted groups to share parameters.
        DataError: no group could be fitted. A single group that could not is in `refused`.
    """
    law = law_of_columns(laws.named(law) if isinstance(law, str) else law, columns)
    by = (by,) if isinstance(by, str) else tuple(by)
    choices = FitOptions(**options)
    runs = as_table(table, choices.numbers(columns.values()))
    places, left_out = _places(runs, by)
    groups = GroupLaw(law, tuple(places), tuple(shared), tuple(choices.fixed_parameters(law)))
    fits, refused = _fits(runs, places, law, columns, choices)
    joint = None
    if shared:
        used = {group: places[group][fit.problem.rows.kept] for group, fit in fits.items()}
        rows, clusters = _labelled(runs, used, by, choices)
        choices = replace(choices, where=(), drop_largest=None, cluster=clusters)
        joint = _shared(replace(groups, groups=tuple(used)), rows, columns, by, choices, fits)
    return GroupFits(
        law=law,
        by=by,
        fits=fits,
        refused=refused,
        differences=tuple(_differences(fits)),
        shared=joint,
        left_out=left_out,
        level=choices.level,
    )


def _places(table: Table, by: Sequence[str]) -> tuple[dict[str, Places], int]:
    """The rows of each group, in order of first appearance, and how many rows have no group."""
    if not by:
        raise UsageError("name at least one column that defines the groups")
    places: dict[tuple[object, ...], list[int]] = {}
    left_out = 0
    for i, values in enumerate(zip(*(table[name].tolist() for name in by), strict=True)):
        if any(value is None or value != value or value == "" for value in values):
            left_out += 1
        else:
            places.setdefault(values, []).append(i)
    if not places:
        raise DataError(f"no row has a value of {', '.join(by)}")
    names = _names(list(places))
    return {names[values]: np.array(rows) for values, rows in places.items()}, left_out


def _names(groups: Sequence[tuple[object, ...]]) -> dict[tuple[object, ...], str]:
    """The name of each group: its values, in quotes if two names would be the same."""
    names = {values: ", ".join(map(str, values)) for values in groups}
    if len(set(names.values())) < len(names):
        names = {values: ", ".join(map(repr, values)) for values in groups}
    return names


def _fits(
    table: Table,
    places: Mapping[str, Places],
    law: Law,
    columns: Mapping[str, str],
    options: FitOptions,
) -> tuple[dict[str, Fit], dict[str, str]]:
    """The fits of the groups, and the reasons of the groups that could not be fitted."""
    fits, refused = {}, {}
    for group, rows in places.items():
        try:
            fits[group] = fit_with(table.take(rows), law, columns, options)
        except DataError as refusal:
            refused[group] = str(refusal)
    if not fits:
        group, reason = next(iter(refused.items()))
        raise DataError(f"none of {len(refused)} groups could be fitted; {group}: {reason}")
    return fits, refused


def _differences(fits: Mapping[str, Fit]) -> Iterator[Difference]:
    """The differences of every free parameter and derived quantity, for every pair of groups."""
    first = next(iter(fits.values()))
    scales = {p.name for p in first.law.parameters if p.positive}
    names = [n for n, e in first.parameters.items() if e.verdict != "fixed"] + list(first.derived)
    for name in sorted(names, key=scales.__contains__):
        for group, other in combinations(fits, 2):
            pair = (fits[group], fits[other])
            estimates = [{**fit.parameters, **fit.derived}[name] for fit in pair]
            value, low, high = _difference(*estimates)
            verdict = _verdict(estimates, low, high, all(map(_proven, pair)))
            yield Difference(name, group, other, value, low, high, verdict)


def _proven(fit: Fit) -> bool:
    """Whether the search and the resamples of a fit converged."""
    return fit.certificate.proven and fit.interval.converged >= ENOUGH_REFITS


def _difference(first: Estimate, second: Estimate) -> tuple[float, float, float]:
    """The difference of two independent estimates, with the ends of its interval (MOVER)."""
    value = first.value - second.value
    down = np.hypot(first.value - first.low, second.high - second.value)
    up = np.hypot(first.high - first.value, second.value - second.low)
    return value, float(value - down), float(value + up)


def _verdict(
    estimates: Sequence[Estimate], low: float, high: float, proven: bool
) -> DifferenceVerdict:
    if any(e.verdict == "no_interval" for e in estimates):
        return "no_interval"
    if any(e.verdict == "unproven" for e in estimates):
        return "not_converged"
    if any(e.verdict not in ("identified", "wide") for e in estimates):
        return "not_identified"
    if not proven:
        return "not_converged"
    return "not_distinguished" if low <= 0 <= high else "different"


def _labelled(
    table: Table, places: Mapping[str, Places], by: Sequence[str], options: FitOptions
) -> tuple[Table, tuple[str, ...]]:
    """The rows of all groups with their group's number, and the cluster columns.

    A value of a cluster column that occurs in two groups stands for two clusters, because groups
    are independent.
    """
    sizes = [len(rows) for rows in places.values()]
    labels = np.repeat(list(places), sizes)
    rows = table.take(np.concatenate(list(places.values())))
    rows = rows.with_columns(**{_number(by): np.repeat(np.arange(1, len(sizes) + 1), sizes)})
    clusters = []
    for name in options.clusters:
        values = zip(labels, rows[name].tolist(), strict=True)
        clusters.append(f"{name} within {', '.join(by)}")
        rows = rows.with_columns(**{clusters[-1]: [f"{g}: {value}" for g, value in values]})
    return rows, tuple(clusters)


def _number(by: Sequence[str]) -> str:
    """Name of the column of group numbers."""
    return f"number of {', '.join(by)}"


def _shared(
    groups: GroupLaw,
    table: Table,
    columns: Mapping[str, str],
    by: Sequence[str],
    options: FitOptions,
    fits: Mapping[str, Fit],
) -> SharedFit:
    """The joint fit to the rows that the fits of the groups used, and its F test."""
    law, names = groups.law, groups.shared
    if len(fits) < 2:
        raise UsageError(
            f"{', '.join(names)} can be shared by two groups or more; only {len(fits)} could be "
            "fitted"
        )
    if law.companion is not None and law.companion.response in columns:
        raise UsageError(
            f"law {law.name} is fitted together with a second law here; to share parameters, "
            f"leave out the column of {law.companion.response}"
        )
    fixed = groups.expanded(options.fixed_parameters(law))
    choices = replace(options, fixed=fixed)
    joint = fit_with(table, groups.joint(by), {**columns, GROUP: _number(by)}, choices)
    test, reason = _test(joint, GroupLaw(law, groups.groups, ()), by, fits)
    return SharedFit(names, joint, test, reason)


def _test(
    joint: Fit, apart: GroupLaw, by: Sequence[str], fits: Mapping[str, Fit]
) -> tuple[SharedTest | None, str]:
    """F test from the sums of squares of the joint fit and of the separate fits.

    Both sums use the row weights of the joint fit, whose mean over all groups is 1.
    """
    if joint.objective.name not in SQUARES:
        return None, f"the F test needs objective {' or '.join(SQUARES)}"
    if joint.interval.cluster:
        return None, "the rows of one cluster are not independent"
    free = _free(list(fits.values()))
    parameters, spare = free - _free([joint]), joint.rows - free
    if parameters < 1 or spare < 1:
        return None, (
            "no parameter is free to differ" if parameters < 1 else "there are no spare rows"
        )
    from scipy.special import fdtrc

    values = {apart.name(n, g): v for g, fit in fits.items() for n, v in fit.values.items()}
    problem = joint.problem
    total = Problem(apart.joint(by), problem.objective, problem.rows, {}).total(values)
    if total <= 0:
        return None, "the fits of the groups leave no residuals"
    f = max(0.0, (joint.objective.value - total) / parameters / (total / spare))
    return SharedTest(f, parameters, spare, float(fdtrc(parameters, spare, f))), ""


def _free(fits: Sequence[Fit]) -> int:
    return sum(e.verdict != "fixed" for fit in fits for e in fit.parameters.values())
