"""Fit a law to a table: all starts at once, the best polished, every resample refitted."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry import laws
from allometry.errors import UsageError
from allometry.fitting import objectives
from allometry.fitting.document import Fit
from allometry.fitting.intervals import Estimate
from allometry.fitting.objectives import Objective
from allometry.fitting.profile import of_fit
from allometry.fitting.resample import Plan, estimates, resample, rounded
from allometry.fitting.rows import Rows, select
from allometry.fitting.search import certify, search, start_points
from allometry.fitting.status import judged
from allometry.fitting.surface import surface
from allometry.fitting.variance import components
from allometry.laws import Law
from allometry.tables.table import Table

__all__ = ["INTERVALS", "fit"]

INTERVALS = ("auto", "pairs", "fractional", "residual", "profile", "none")


# Starts far from the data overflow; what is not finite is judged by the solver, not raised.
@np.errstate(all="ignore")
def fit(
    table: Table,
    law: str | Law,
    columns: Mapping[str, str],
    *,
    objective: str = "huber_log",
    delta: float = 1e-3,
    starts: int | None = None,
    resamples: int = 1000,
    cluster: str | tuple[str, ...] | None = None,
    level: float = 0.95,
    seed: int = 0,
    drop_largest: Mapping[str, int] | None = None,
    weights: str | None = None,
    noise: str | None = None,
    where: Sequence[str] = (),
    fixed: Mapping[str, float] | None = None,
    interval: str = "auto",
) -> Fit:
    """Fit one law.

    Args:
        table: the runs.
        law: a name from `allometry.laws.available()`, or a Law of your own.
        columns: law symbol -> column, e.g. {"N": "params", "D": "tokens", "L": "loss"}.
            C may stand in for D, which is then C / (6 N).
        objective: huber_log, squared_log, squared, absolute_log, asymmetric_absolute.
        delta: of huber_log.
        starts: how many; None takes the law's own number.
        resamples: of the bootstrap; 0 gives no intervals.
        cluster: column(s) whose groups are resampled whole (seeds of one size,
            checkpoints of one run); several are drawn in turn and multiplied.
        level: of the intervals.
        seed: of starts and resamples.
        drop_largest: symbol -> how many rows with its largest values to leave out.
        weights: column of row weights. noise: column of the standard error of each
            row's evaluation, in units of the residuals (of log y where the objective
            is in logs), used as weights 1/noise^2 and told apart from the scatter of
            seeds in `Fit.variance`. Both are scaled to mean 1.
        where: conditions "COLUMN<=VALUE" a row must meet.
        fixed: parameters held at a raw value; None takes the law's own.
        interval: pairs (rows drawn with replacement), fractional (rows given random
            weights), auto (whichever of these two covers better, see
            `allometry.fitting.resample`), residual (wild where clustered), profile
            (with pairs for draws and derived quantities) or none.

    Raises:
        UsageError: names or values that do not fit. DataError: rows that cannot be used.
    """
    form = laws.named(law) if isinstance(law, str) else law
    _check(resamples, starts, level, interval, form, fixed)
    asked = _Asked(
        objectives.named(objective, delta),
        starts,
        resamples,
        (cluster,) if isinstance(cluster, str) else tuple(cluster or ()),
        level,
        seed,
        drop_largest or {},
        weights,
        noise,
        where,
        fixed,
        interval,
    )
    if form.companion is not None and form.companion.response in columns:
        return _both(form, table, columns, asked)
    return _one(form, table, columns, asked)


@dataclass(frozen=True)
class _Asked:
    """The options of a fit, as `fit` explains them."""

    aim: Objective
    starts: int | None
    resamples: int
    cluster: tuple[str, ...]
    level: float
    seed: int
    drop_largest: Mapping[str, int]
    weights: str | None
    noise: str | None
    where: Sequence[str]
    fixed: Mapping[str, float] | None
    interval: str

    def rows(self, table: Table, law: Law, columns: Mapping[str, str]) -> Rows:
        return select(
            table,
            law,
            columns,
            logs=self.aim.logs,
            drop_largest=self.drop_largest,
            where=self.where,
            weights=self.weights,
            noise=self.noise,
        )

    def evaluation(self, table: Table, rows: Rows) -> NDArray | None:
        """The standard error of each used row's evaluation, where it is known."""
        if self.noise is None:
            return None
        return np.asarray(table[self.noise], float)[rows.kept]

    def held(self, law: Law) -> Mapping[str, float]:
        """The parameters of this law that are held fixed."""
        if self.fixed is None:
            return law.fixed
        return {name: value for name, value in self.fixed.items() if name in law.names}

    def plan(self, table: Table, rows: Rows, free: int) -> Plan:
        """How to resample; profile takes its draws and derived quantities from pairs.

        With no more rows than free parameters every resample would say the same.
        """
        spare = len(rows.y) > free
        return Plan(
            "pairs" if self.interval == "profile" else self.interval,
            self.resamples if spare and self.interval != "none" else 0,
            self.level,
            {name: table[name][rows.kept] for name in self.cluster},
            self.seed,
        )


def _one(form: Law, table: Table, columns: Mapping[str, str], asked: _Asked) -> Fit:
    """Search, certify, resample, tell."""
    began = time.perf_counter()
    rows = asked.rows(table, form, columns)
    problem = surface(form, asked.aim, rows.sizes, rows.y, asked.held(form))
    starts = start_points(problem, asked.starts or form.default_starts, asked.seed)
    ended = search(problem, starts, rows.weights)
    best, certificate = certify(problem, ended, rows.weights)
    solved = time.perf_counter()
    draws, how = resample(problem, rows, best, asked.plan(table, rows, len(problem.free)))
    parameters, derived = estimates(problem, best, draws, asked.level)
    raw = {name: e.value for name, e in parameters.items()}
    residuals = asked.aim.residuals(rows.y, form.evaluate(raw, rows.sizes)[0])
    made = Fit(
        law=form.name,
        formula=form.formula,
        columns=dict(columns),
        parameters=parameters,
        derived=derived,
        objective=_objective(asked.aim, residuals, rows),
        rows=len(rows.y),
        dropped=rows.dropped,
        status=judged(certificate, parameters, how, len(rows.y)),
        certificate=certificate,
        interval=how,
        data_hash=rows.digest(),
        draws=rounded(problem.raw(draws)) if len(draws) else {},
        data=_data(rows, form),
        endings=np.sort(ended.value) * (2.0 if np.isinf(asked.aim.delta) else 1.0),
        form=form,
        notes=rows.notes,
        variance=components(
            rows.points(), residuals, len(problem.free), asked.evaluation(table, rows)
        ),
        seconds={
            "starts": round(solved - began, 4),
            "resamples": round(time.perf_counter() - solved, 4),
        },
    )
    spare = len(rows.y) > len(problem.free)
    return _with_profiles(made) if asked.interval == "profile" and spare else made


def _objective(aim: Objective, residuals: NDArray, rows: Rows) -> dict[str, Any]:
    """Name, delta where it has a meaning, and the sum over rows."""
    delta = aim.delta if aim.name == "huber_log" else None
    value = float(aim.total(residuals, rows.weights))
    return {"name": aim.name, "delta": delta, "value": value}


def _data(rows: Rows, form: Law) -> dict[str, NDArray]:
    """The used rows by symbol, with their weights where these differ."""
    weighted = {"weight": rows.weights} if np.ptp(rows.weights) > 0 else {}
    return {**rows.sizes, form.response: rows.y, **weighted}


def _with_profiles(made: Fit) -> Fit:
    """The fit with the ends of its profiles; derived quantities keep the bootstrap's."""
    walked = of_fit(made)
    parameters = {
        name: Estimate(e.value, walked[name].low, walked[name].high, walked[name].verdict)
        if name in walked
        else e
        for name, e in made.parameters.items()
    }
    how = replace(made.interval, method="profile")
    status = judged(made.certificate, parameters, how, made.rows)
    return replace(made, parameters=parameters, interval=how, status=status)


def _both(form: Law, table: Table, columns: Mapping[str, str], asked: _Asked) -> Fit:
    """A law and its companion, fitted to the same rows and told as one."""
    second = form.companion
    assert second is not None
    own = {s: c for s, c in columns.items() if s != second.response}
    shared = {s: c for s, c in columns.items() if s in (*second.sizes, second.response)}
    first = _one(replace(form, companion=None), table, own, asked)
    other = _one(second, table, shared, asked)
    graver = other if first.status.code == "converged" else first
    return replace(
        first,
        form=form,
        columns=dict(columns),
        status=graver.status,
        parameters={**first.parameters, **other.parameters},
        objective={**first.objective, "value": first.objective["value"] + other.objective["value"]},
        dropped=first.dropped + [d for d in other.dropped if d not in first.dropped],
        draws={**first.draws, **other.draws},
        data={**other.data, **first.data},
        notes=(*first.notes, f"{second.formula} was fitted to the same rows"),
    )


def _check(
    resamples: int,
    starts: int | None,
    level: float,
    interval: str,
    law: Law,
    fixed: Mapping[str, float] | None,
) -> None:
    if resamples < 0 or (starts is not None and starts < 1):
        raise UsageError(
            "at least 1 start and 0 resamples are needed, got "
            f"starts={starts}, resamples={resamples}"
        )
    if not 0 < level < 1:
        raise UsageError(f"level is between 0 and 1, e.g. 0.95; got {level}")
    if interval not in INTERVALS:
        raise UsageError(f"interval is one of {', '.join(INTERVALS)}; got {interval!r}")
    known = law.names + (law.companion.names if law.companion else ())
    unknown = set(fixed or ()) - set(known)
    if unknown:
        raise UsageError(
            f"law {law.name} has no parameter {', '.join(sorted(unknown))}; "
            f"it has {', '.join(known)}"
        )
