"""Which law extrapolates: back-tests, choice and averaging of laws.

The choice and the weights come from the fit rows only: AICc of the log residuals
(Burnham and Anderson 2004), tempered for residuals that resemble their neighbours.
On 72 published vision curves laws chosen so extrapolated better than laws chosen by
back-test (rolling origin inside the fit rows), which is therefore told beside it and
used where asked. The rule and the default delta were picked among some twenty rules
and eight objectives with the test rows of those curves in view: its scores on that
benchmark are optimistic. In a comparison itself, rows set aside touch neither choice
nor weights.
RMSLE is the root mean squared difference of natural logs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry import laws
from allometry.errors import DataError, UsageError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.fitting.rows import condition, sizes_of
from allometry.laws import Law
from allometry.tables.table import Table

__all__ = ["Comparison", "LawScore", "compare", "document", "information", "rmsle"]

SCHEMA = "allometry/compare/1"
ORIGINS = (0.5, 0.65, 0.8)  # shares of the distinct sizes that a back-test may see


@dataclass(frozen=True)
class LawScore:
    """How one law did in one group.

    Attributes:
        fit: to all fit rows; None where the law could not be fitted, see `reason`.
        backtest_rmsle: over rolling origins inside the fit rows; infinite if none.
        weight: in the average.
        extrapolation_rmsle: on the rows set aside, NaN if there are none.
        aicc, bic: of the fit rows, with residuals of log y taken as Gaussian.
    """

    law: str
    fit: Fit | None = field(repr=False)
    reason: str
    backtest_rmsle: float
    weight: float
    extrapolation_rmsle: float
    aicc: float
    bic: float


@dataclass(frozen=True)
class Comparison:
    """Laws side by side in one group of rows."""

    by: dict[str, Any]
    laws: dict[str, LawScore]
    chosen: str
    averaged_rmsle: float
    rows: int
    test_rows: int
    duplicates: int

    def predict(self, sizes: Mapping[str, NDArray]) -> NDArray:
        """The average of the laws, weighted in log y."""
        return _average(
            {
                n: (s.weight, s.fit.predict(sizes))
                for n, s in self.laws.items()
                if s.fit is not None and s.weight > 0
            }
        )

    def to_document(self) -> dict[str, Any]:
        """The group's part of the compare document."""
        chosen = self.laws[self.chosen]
        return {
            "by": self.by,
            "rows": self.rows,
            "test_rows": self.test_rows,
            "duplicates": self.duplicates,
            "laws": {name: _score_document(score) for name, score in self.laws.items()},
            "chosen": {
                "law": self.chosen,
                "extrapolation_rmsle": _finite(chosen.extrapolation_rmsle),
            },
            "averaged": {"extrapolation_rmsle": _finite(self.averaged_rmsle)},
        }


@dataclass(frozen=True)
class _How:
    hold_out: int
    backtest: bool
    rule: str
    options: dict[str, Any]


def compare(
    table: Table,
    columns: Mapping[str, str],
    names: Sequence[str | Law],
    *,
    fit_where: Sequence[str] = (),
    by: Sequence[str] = (),
    hold_out: int = 0,
    backtest: bool | None = None,
    rule: str = "aicc",
    objective: str = "huber_log",
    delta: float = 0.05,
    starts: int | None = None,
    seed: int = 0,
) -> list[Comparison]:
    """Fit, back-test and weigh laws in each group.

    Args:
        columns: law symbol -> column.
        names: laws.
        fit_where: conditions of the rows to fit; the others are the extrapolation test.
        by: columns whose values make the groups.
        hold_out: how many of the largest distinct sizes of each group to set aside
            as well.
        objective, delta: squares of log residuals, robust beyond a twentieth: learning
            curves of one run are smooth but for a few points.
        backtest: also fit to the smaller sizes only (rolling origin), three fits a law
            more; None does so where no rows are set aside or the rule needs it.
        rule: of choice and weights: aicc, or backtest.

    Raises:
        UsageError: no law, or nothing to fit in a group.
    """
    if not names:
        raise UsageError("name at least one law to compare")
    if backtest is None:
        backtest = rule == "backtest" or not (fit_where or hold_out)
    if rule not in ("aicc", "backtest") or (rule == "backtest" and not backtest):
        raise UsageError(f"rule is aicc, or backtest with its back-test; got {rule!r}")
    forms = [laws.named(name) if isinstance(name, str) else name for name in names]
    inside = np.ones(len(table), bool)
    for text in fit_where:
        inside &= condition(table, text)
    options = {"objective": objective, "delta": delta, "starts": starts, "seed": seed}
    how = _How(hold_out, backtest, rule, options)
    groups = _groups(table, tuple(by))
    return [
        _group(key, table.take(rows), inside[rows], columns, forms, how) for key, rows in groups
    ]


def document(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """The compare document."""
    return {"schema": SCHEMA, "groups": [c.to_document() for c in comparisons]}


def rmsle(predicted: NDArray, measured: NDArray) -> float:
    """Root mean squared difference of natural logs; infinite where a value is <= 0."""
    if not len(measured):
        return float("nan")
    if not (np.isfinite(predicted).all() and (predicted > 0).all()):
        return float("inf")
    return float(np.sqrt(np.mean((np.log(predicted) - np.log(measured)) ** 2)))


def information(made: Fit) -> tuple[float, float]:
    """AICc and BIC of log residuals (of y where the objective is not in logs)."""
    n, p = made.rows, sum(e.verdict != "fixed" for e in made.parameters.values()) + 1
    spread = n * np.log(max(float(np.mean(made.residuals() ** 2)), 1e-300))
    small = 2 * p * (p + 1) / (n - p - 1) if n > p + 1 else np.inf
    return float(spread + 2 * p + small), float(spread + p * np.log(n))


def _groups(table: Table, by: tuple[str, ...]) -> list[tuple[dict[str, Any], NDArray]]:
    if not by:
        return [({}, np.arange(len(table)))]
    keys = list(zip(*(table[name].tolist() for name in by), strict=True))
    places: dict[tuple[Any, ...], list[int]] = {}
    for i, key in enumerate(keys):
        places.setdefault(key, []).append(i)
    return [(dict(zip(by, key, strict=True)), np.array(rows)) for key, rows in places.items()]


def _group(
    key: dict[str, Any],
    table: Table,
    inside: NDArray,
    columns: Mapping[str, str],
    forms: Sequence[Law],
    how: "_How",
) -> Comparison:
    where = " in " + ", ".join(f"{k}={v}" for k, v in key.items()) if key else ""
    kept = _first_of_duplicates(table)
    duplicates = len(table) - len(kept)
    table, inside = table.take(kept), inside[kept]
    size = _size(table, forms[0], columns)
    if how.hold_out:
        largest = np.unique(size[inside & np.isfinite(size)])[-how.hold_out :]
        inside = inside & ~np.isin(size, largest)
    if not inside.any():
        raise UsageError(f"no rows to fit{where}: check --fit-where and --hold-out")
    train, test = table.take(inside), table.take(~inside)
    scores = _scores(forms, train, size[inside], columns, how)
    fits = {name: made for name, (made, _, _) in scores.items() if made is not None}
    if not fits:
        raise DataError(f"none of the laws could be fitted{where}: {scores[forms[0].name][1]}")
    weights = (
        _evidence(fits)
        if how.rule == "aicc"
        else _inverse_squares({name: scores[name][2] for name in fits})
    )
    entries = {
        name: _entry(name, *score, weights.get(name, 0.0), test, columns)
        for name, score in scores.items()
    }
    averaged = float("nan")
    if len(test):
        measured = _usable(test, columns, forms[0])
        said = {
            name: (weights[name], _on(made, test, columns)[measured])
            for name, made in fits.items()
            if weights[name] > 0
        }
        averaged = rmsle(_average(said), _response(test, columns, forms[0])[measured])
    chosen = max(fits, key=lambda name: weights[name])
    return Comparison(key, entries, chosen, averaged, len(train), len(test), duplicates)


def _first_of_duplicates(table: Table) -> NDArray:
    seen: dict[tuple[Any, ...], int] = {}
    for i, row in enumerate(zip(*(table[c].tolist() for c in table.columns), strict=True)):
        seen.setdefault(row, i)
    return np.array(sorted(seen.values()), dtype=int)


def _size(table: Table, form: Law, columns: Mapping[str, str]) -> NDArray:
    """What "larger" means: the size itself, or the sum of the logs of several."""
    parts = [np.asarray(table[c], float) for s, c in columns.items() if s != form.response]
    if len(parts) == 1:
        return parts[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sum([np.log(part) for part in parts], axis=0)


def _scores(
    forms: Sequence[Law], train: Table, size: NDArray, columns: Mapping[str, str], how: "_How"
) -> dict[str, tuple[Fit | None, str, float]]:
    """Every law's fit and back-test; one law under two names (m2, power_floor) is solved once."""
    solved: list[tuple[Law, tuple[Fit | None, str, float]]] = []
    scores = {}
    for form in forms:
        twin = next(
            (s for f, s in solved if replace(f, name=form.name, source=form.source) == form), None
        )
        if twin is None:
            twin = _score(form, train, size, columns, how)
            solved.append((form, twin))
        made, reason, tested = twin
        named = None if made is None else replace(made, law=form.name, form=form)
        scores[form.name] = (named, reason, tested)
    return scores


def _score(
    form: Law, train: Table, size: NDArray, columns: Mapping[str, str], how: "_How"
) -> tuple[Fit | None, str, float]:
    """Fit to all of the rows, and the back-test."""
    try:
        made = fit(train, form, columns, resamples=0, **how.options)
    except DataError as refusal:
        return None, str(refusal), float("inf")
    tested = _backtest(form, train, size, columns, how.options) if how.backtest else np.inf
    return made, "", tested


def _backtest(
    form: Law, train: Table, size: NDArray, columns: Mapping[str, str], options: dict[str, Any]
) -> float:
    """Pooled RMSLE over rolling origins; infinite if no origin leaves enough rows."""
    sizes = np.unique(size[np.isfinite(size)])
    needed = len(form.parameters) - len(form.fixed) + 1
    squares = []
    for share in ORIGINS:
        last = int(np.ceil(share * len(sizes)))
        seen = size <= sizes[min(last, len(sizes)) - 1] if last else np.zeros(len(size), bool)
        if last < needed or seen.all():
            continue
        try:
            made = fit(train.take(seen), form, columns, resamples=0, **options)
        except DataError:
            continue  # too few usable rows below this origin: the next one may do
        later = train.take(~seen)
        usable = _usable(later, columns, form)
        error = rmsle(_on(made, later, columns)[usable], _response(later, columns, form)[usable])
        squares.append(error**2)
    return float(np.sqrt(np.mean(squares))) if squares else float("inf")


def _evidence(fits: Mapping[str, Fit]) -> dict[str, float]:
    """Akaike weights exp(-AICc/2t), t the rows that carry the news of one.

    With correlation c between neighbours in size, n rows are worth n (1 - c)/(1 + c);
    c is taken from the law with the best AICc. If no law has rows to spare
    (AICc infinite), all weigh alike.
    """
    score = {name: information(made)[0] for name, made in fits.items()}
    best = min(score, key=lambda name: score[name])
    if not np.isfinite(score[best]):
        return dict.fromkeys(score, 1 / len(score))
    made = fits[best]
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.sum([np.log(made.data[s]) for s in made.form.sizes], axis=0)
    order = np.argsort(place, kind="stable")
    r = made.residuals()[order]
    r = r - r.mean()
    c = float(np.clip((r[1:] @ r[:-1]) / max(float(r @ r), 1e-300), 0.0, 0.95))
    worth = {name: np.exp(-(s - score[best]) * (1 - c) / (1 + c) / 2) for name, s in score.items()}
    return {name: float(w / sum(worth.values())) for name, w in worth.items()}


def _inverse_squares(backtests: Mapping[str, float]) -> dict[str, float]:
    """Proportional to 1/RMSLE^2 of the back-test; equal where there is none."""
    power = {
        name: (max(v, 1e-12) ** -2 if np.isfinite(v) else 0.0) for name, v in backtests.items()
    }
    total = sum(power.values())
    return {name: (v / total if total > 0 else 1 / len(power)) for name, v in power.items()}


def _entry(
    name: str,
    made: Fit | None,
    reason: str,
    backtest: float,
    weight: float,
    test: Table,
    columns: Mapping[str, str],
) -> LawScore:
    nan = float("nan")
    if made is None:
        return LawScore(name, None, reason, backtest, 0.0, nan, nan, nan)
    usable = _usable(test, columns, made.form)
    error = (
        rmsle(_on(made, test, columns)[usable], _response(test, columns, made.form)[usable])
        if len(test)
        else nan
    )
    return LawScore(name, made, "", backtest, weight, error, *information(made))


def _response(table: Table, columns: Mapping[str, str], form: Law) -> NDArray:
    return np.asarray(table[columns[form.response]], float)


def _usable(table: Table, columns: Mapping[str, str], form: Law) -> NDArray:
    if not len(table):
        return np.zeros(0, bool)
    good = _response(table, columns, form) > 0
    for column in columns.values():
        good &= np.isfinite(np.asarray(table[column], float))
    return good


def _on(made: Fit, table: Table, columns: Mapping[str, str]) -> NDArray:
    """What a fit says about a table's rows."""
    if not len(table):
        return np.zeros(0)
    with np.errstate(all="ignore"):
        return made.predict(sizes_of(table, made.form, columns))


def _average(said: Mapping[str, tuple[float, NDArray]]) -> NDArray:
    total = sum(weight for weight, _ in said.values())
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.exp(sum(weight * np.log(values) for weight, values in said.values()) / total)


def _score_document(score: LawScore) -> dict[str, Any]:
    made = score.fit
    return {
        "extrapolation_rmsle": _finite(score.extrapolation_rmsle),
        "weight": score.weight,
        "backtest_rmsle": _finite(score.backtest_rmsle),
        "aicc": _finite(score.aicc),
        "bic": _finite(score.bic),
        "reason": score.reason,
        "parameters": made.values if made else {},
        "status": {"code": made.status.code, "advice": made.status.advice} if made else None,
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
