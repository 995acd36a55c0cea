"""Comparison of laws fitted to the same rows: choice of one law, and a weighted average.

Choice and weights depend on the fit rows only, not on the rows set aside. The default rule is
AICc. On the vision curves of Alabdulmohsin et al. (2209.06640), no other rule that was tried
extrapolates better on tasks that were not used to select it (`benchmarks/law_choice.py`).
Back-test errors (rolling origins inside the fit rows) are reported too; with rule backtest the
weights come from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from allometry import laws
from allometry.errors import DataError, UsageError, did_you_mean
from allometry.fitting.common_rows import common_rows, equal_rows, usable_test_rows
from allometry.fitting.comparison import Comparison, LawScore, document
from allometry.fitting.group import FIRST_DELTA, Group, adapted
from allometry.fitting.mapping import check_response
from allometry.fitting.options import RULES, FitOptions, ObjectiveChoice, Rule
from allometry.fitting.rows import Places
from allometry.laws import Array, Law
from allometry.tables.conditions import Mask, meeting
from allometry.tables.read import TableLike, as_table
from allometry.tables.table import Table

__all__ = ["Comparison", "LawScore", "compare", "document"]


def compare(
    table: TableLike,
    columns: Mapping[str, str],
    names: Sequence[str | Law],
    *,
    fit_where: Sequence[str] = (),
    by: Sequence[str] = (),
    hold_out: int = 0,
    backtest: bool | None = None,
    rule: Rule = "aicc",
    objective: ObjectiveChoice = "auto",
    delta: float | None = None,
    starts: int | None = None,
    seed: int = 0,
    drop_largest: Mapping[str, int] | None = None,
    weights: str | None = None,
    noise: str | None = None,
    where: Sequence[str] = (),
    fixed: Mapping[str, float] | None = None,
) -> list[Comparison]:
    """Fit, back-test and weigh laws in each group, on the rows that all laws can use.

    Args:
        table: the runs: a Table, a DataFrame, a dict of lists, or the path of a file.
        columns: law symbol -> column.
        names: laws, or names of laws; scores are listed under these names.
        fit_where: conditions of the rows to fit; the other rows test extrapolation.
        by: columns whose values define the groups. A group that cannot be compared has a
            reason in place of a choice.
        hold_out: how many of the largest distinct sizes of each group to set aside
            as well.
        backtest: also fit to the smaller sizes only (rolling origin), up to three more fits
            per law; None does so if no rows are set aside or the rule needs it.
        rule: of choice and weights: aicc, or backtest.
        delta: of huber_log; None takes it from the residuals of each group, see
            `allometry.fitting.group`.
        objective: as for `allometry.fitting.fit.fit`, the same for all laws; auto is squared
            if the response of a group is negative somewhere, else huber_log.
        starts, seed, drop_largest, weights, noise: as for `allometry.fitting.fit.fit`.
        where: conditions of the rows to use at all.
        fixed: parameters held at a raw value in every law that has them.

    Raises:
        UsageError: no law, or invalid names or values. DataError: no group can be compared.
            If every group is refused, the error of the first group is raised.
    """
    if not names:
        raise UsageError("name at least one law to compare")
    if backtest is None:
        backtest = rule == "backtest" or not (fit_where or hold_out)
    options = FitOptions(
        objective=objective, delta=FIRST_DELTA if delta is None else delta, starts=starts,
        seed=seed, resamples=0, drop_largest=drop_largest, weights=weights, noise=noise,
        fixed=fixed,
    )  # fmt: skip
    by_name = dict((n, laws.named(n)) if isinstance(n, str) else (n.name, n) for n in names)
    adapt = delta is None
    comparer = _Comparer(by_name, columns, hold_out, backtest, rule, options, adapt)
    comparer.check()
    runs = as_table(table, options.numbers(columns.values()))
    runs = runs.take(meeting(runs, where))
    if not len(runs):
        raise UsageError(f"no rows meet {', '.join(where)}" if where else "the table has no rows")
    return comparer.groups(runs, meeting(runs, fit_where), tuple(by))


@dataclass(frozen=True)
class _Comparer:
    """Settings that all groups share: the laws by name, the columns and the options.

    Attributes:
        adapt: whether delta is derived from the residuals of each group.
    """

    laws: Mapping[str, Law]
    columns: Mapping[str, str]
    hold_out: int
    backtest: bool
    rule: Rule
    options: FitOptions
    adapt: bool

    def check(self) -> None:
        """Refuse an invalid rule or mapping, and held parameters that no law has."""
        if self.rule not in RULES or (self.rule == "backtest" and not self.backtest):
            raise UsageError(
                f"rule is aicc, or backtest (without backtest=False); got {self.rule!r}"
            )
        for law in self.laws.values():
            check_response(law, self.columns)
        names = [name for law in self.laws.values() for name in law.names]
        if unknown := set(self.options.fixed or ()) - set(names):
            raise UsageError(
                f"none of the laws has a parameter {', '.join(sorted(unknown))}; "
                f"they have {', '.join(dict.fromkeys(names))}{did_you_mean(min(unknown), names)}"
            )

    def groups(self, runs: Table, fit_rows: Mask, by: tuple[str, ...]) -> list[Comparison]:
        """Compare the laws in every group; a group that cannot be compared does not stop others."""
        comparisons: list[Comparison] = []
        refusals: list[DataError | UsageError] = []
        for key, rows in _groups(runs, by):
            try:
                comparisons.append(self.group(key, runs.take(rows), fit_rows[rows]))
            except (DataError, UsageError) as refusal:
                refusals.append(refusal)
                objective, reason = self.options.objective, str(refusal)
                comparisons.append(Comparison(key, {}, None, objective, reason=reason))
        if refusals and len(refusals) == len(comparisons):
            raise refusals[0]
        return comparisons

    def group(self, key: dict[str, object], table: Table, fit_rows: Mask) -> Comparison:
        """Compare the laws in one group of rows."""
        where = " in " + ", ".join(f"{k}={v}" for k, v in key.items()) if key else ""
        if self.hold_out:
            size = self.size(table)
            largest = np.unique(size[fit_rows & np.isfinite(size)])[-self.hold_out :]
            fit_rows = fit_rows & ~np.isin(size, largest)
        if not fit_rows.any():
            raise UsageError(f"no rows to fit{where}: check --fit-where and --hold-out")
        train, test = table.take(fit_rows), table.take(~fit_rows)
        options = self.options_of(table)
        common = common_rows(train, self.laws, self.columns, options)
        if len(common.refusals) == len(self.laws):
            reason = next(iter(common.refusals.values()))
            raise DataError(f"none of the laws could be fitted{where}: {reason}")
        comparison = self.compared(train.take(common.places), test, common.refusals, options)
        equal = equal_rows(table)
        rows_equal = "1 row equals" if equal == 1 else f"{equal} rows equal"
        equal_note = (f"{rows_equal} an earlier one; kept",) if equal else ()
        return replace(
            comparison,
            by=key,
            test_rows=len(test),
            left_out=common.left_out,
            duplicates=equal,
            notes=(*common.notes, *equal_note, *comparison.notes),
            table_notes=common.table_notes,
        )

    def options_of(self, table: Table) -> FitOptions:
        """The options with the objective of a group."""
        if self.options.objective != "auto":
            return self.options
        response = next(iter(self.laws.values())).response
        y = table.numbers(self.columns[response], response)
        return replace(self.options, objective="squared" if (y < 0).any() else "huber_log")

    def compared(
        self, train: Table, test: Table, refusals: Mapping[str, str], options: FitOptions
    ) -> Comparison:
        """The comparison on rows that all laws that were not refused can use."""
        usable = {name: law for name, law in self.laws.items() if name not in refusals}
        options = replace(options, drop_largest=None)
        if self.adapt:
            options = adapted(train, usable, self.columns, options)
        scored = usable_test_rows(test, usable, self.columns, options.named_objective)
        size, test = self.size(train), test.take(scored)
        group = Group(usable, self.columns, options, train, size, test, self.backtest, self.rule)
        comparison = group.compare()
        scores = {**comparison.laws, **{n: LawScore.refused(n, r) for n, r in refusals.items()}}
        unscored = int((~scored).sum())
        note = (
            f"{unscored} of {len(scored)} rows set aside were not scored: not every law can use "
            "them"
        )
        notes = (note,) if unscored else ()
        return replace(comparison, laws={name: scores[name] for name in self.laws}, notes=notes)

    def size(self, table: Table) -> Array:
        """Size of each row, for "larger": the size itself, or the sum of the logs of several."""
        response = next(iter(self.laws.values())).response
        parts = [table.numbers(c, s) for s, c in self.columns.items() if s != response]
        if len(parts) == 1:
            return parts[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.sum([np.log(part) for part in parts], axis=0))


def _groups(table: Table, by: tuple[str, ...]) -> list[tuple[dict[str, object], Places]]:
    """Values and rows of each group, in order of first appearance."""
    if not by:
        return [({}, np.arange(len(table)))]
    places: dict[tuple[object, ...], list[int]] = {}
    for i, key in enumerate(zip(*(table[name].tolist() for name in by), strict=True)):
        places.setdefault(key, []).append(i)
    return [(dict(zip(by, key, strict=True)), np.array(rows)) for key, rows in places.items()]
