"""Fit a law to a table: minimise from all starts, polish the best, refit every resample."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from allometry import laws
from allometry.errors import DataError, UsageError, did_you_mean
from allometry.fitting.default_objective import with_objective
from allometry.fitting.document import Fit
from allometry.fitting.estimates import Evidence, estimates, limited
from allometry.fitting.identifiability import Design, design
from allometry.fitting.intervals import Estimate
from allometry.fitting.mapping import law_of_columns
from allometry.fitting.objectives import FittedObjective
from allometry.fitting.options import FitOptions, IntervalName, ObjectiveChoice
from allometry.fitting.problem import Problem
from allometry.fitting.profile import of_fit
from allometry.fitting.resample import rounded
from allometry.fitting.rows import Rows, noise_of_residuals
from allometry.fitting.solve import Solved, solve
from allometry.fitting.status import ENOUGH_REFITS, judged, without_noise
from allometry.fitting.variance import components
from allometry.laws import Law
from allometry.stats.digits import shown, shown_interval
from allometry.stats.resample import Labels
from allometry.tables.read import TableLike, as_table
from allometry.tables.table import Table

__all__ = ["fit", "fit_with"]

STAND_INS = ("C", "M", "x", "z")  # symbols accepted in place of one of the law's own
OPTIONS = tuple(f.name for f in fields(FitOptions))


def fit(
    table: TableLike,
    law: str | Law,
    columns: Mapping[str, str] | None = None,
    *,
    objective: ObjectiveChoice = "auto",
    delta: float | None = None,
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
    start: Mapping[str, float] | None = None,
    interval: IntervalName = "auto",
    **symbols: str,
) -> Fit:
    """Fit one law::

        al.fit(table, al.laws.chinchilla, N="params", D="tokens", L="loss")
        al.fit(table, "chinchilla", {"N": "params", "D": "tokens", "L": "loss"})

    Args:
        table: the runs: a Table, a DataFrame, a dict of lists, or the path of a file.
        law: a law, or the name of one in `allometry.laws.available()`.
        columns: law symbol -> column. C may be mapped in place of D, which is then C / (6 N).
        objective: huber_log, squared_log, squared, absolute_log, asymmetric_absolute; or
            auto, which chooses one by the rule of `allometry.fitting.default_objective` and
            gives the reason in `Fit.objective`.
        delta: of huber_log; 1e-3 if huber_log is named without a delta.
        starts: number of starts; None takes the law's default.
        resamples: number of bootstrap resamples; 0 gives no intervals.
        cluster: column(s) whose groups are resampled whole (seeds of one size,
            checkpoints of one run). With several columns, the counts drawn for each are
            multiplied.
        level: of the intervals.
        seed: of starts and resamples.
        drop_largest: symbol -> number of rows with its largest values to leave out.
        weights: column of row weights, as inverse variances. noise: column of the standard
            deviation of each row's y, in units of y. Its weights are 1/noise^2, with noise/y
            in place of noise if the objective is in logs, and `Fit.variance` reports it
            separately from the scatter of seeds. Both kinds of weights are scaled to mean 1.
        where: conditions such as "COLUMN<=VALUE" that a row must meet.
        fixed: parameters held at a raw value; None takes the law's own.
        start: raw values of one additional start; parameters that are not named take the
            values of the law's first start. With starts=1 this is the only start.
        interval: pairs (rows drawn with replacement), fractional (rows given random
            weights), residual (wild bootstrap if clustered), student (for few rows),
            jackknife (for few clusters), auto (one of these by the number of rows and
            clusters, see `allometry.fitting.resample`), profile (for squares without
            clusters; draws and derived quantities as with auto) or none.
        symbols: the columns as keywords, in place of `columns`. A law with a symbol
            that is also an option above needs `columns`.

    Raises:
        UsageError: invalid names or values. DataError: rows that cannot be used.
    """
    named_law = laws.named(law) if isinstance(law, str) else law
    options = FitOptions(
        objective=objective,
        delta=delta,
        starts=starts,
        resamples=resamples,
        cluster=cluster,
        level=level,
        seed=seed,
        drop_largest=drop_largest,
        weights=weights,
        noise=noise,
        where=where,
        fixed=fixed,
        start=start,
        interval=interval,
    )
    mapping = _columns(named_law, columns, symbols)
    return fit_with(as_table(table, options.numbers(mapping.values())), named_law, mapping, options)


def _columns(
    law: Law, columns: Mapping[str, str] | None, symbols: Mapping[str, str]
) -> Mapping[str, str]:
    """The columns by symbol, from the mapping or, without one, from the keywords."""
    if columns is not None:
        if symbols:
            raise UsageError(
                f"columns are given as a mapping, so {', '.join(symbols)} cannot be a keyword; "
                f"options of fit are {', '.join(OPTIONS)}"
                f"{did_you_mean(next(iter(symbols)), OPTIONS)}"
            )
        return columns
    if clash := [s for s in law.symbols if s in ("table", "law", "columns", *OPTIONS)]:
        mapping = ", ".join(f"{s!r}: COLUMN" for s in law.symbols)
        raise UsageError(
            f"law {law.name} has the symbol {clash[0]!r}, which is an argument of fit as well; "
            f"give the columns as a mapping: fit(table, law, {{{mapping}}})"
        )
    if not symbols:
        keywords = ", ".join(f"{s}=COLUMN" for s in (*law.sizes, law.response))
        raise UsageError(f"no columns are given; give them: fit(table, law, {keywords})")
    if unknown := [s for s in symbols if s not in (*law.symbols, *STAND_INS)]:
        raise UsageError(
            f"law {law.name} has no symbol {', '.join(unknown)}, and fit has no such option; "
            f"symbols are {', '.join(law.symbols)}, options are {', '.join(OPTIONS)}"
            f"{did_you_mean(unknown[0], (*law.symbols, *OPTIONS))}"
        )
    return symbols


# Starts far from the data overflow. The solver handles values that are not finite.
@np.errstate(all="ignore")
def fit_with(table: Table, law: Law, columns: Mapping[str, str], options: FitOptions) -> Fit:
    """Fit one law, its options given as one value; see `fit`."""
    law = law_of_columns(law, columns)
    options.check_fixed(law)
    companion = law.companion.response if law.companion is not None else None
    columns_of_law = {symbol: c for symbol, c in columns.items() if symbol != companion}
    options, reason = with_objective(table, law, columns_of_law, options)
    options.check_start(law)
    if law.companion is not None and law.companion.response in columns:
        fitted = _with_companion(law, law.companion, table, columns, options)
    else:
        fitted = _one(law, table, columns, options)
    return replace(fitted, objective=replace(fitted.objective, reason=reason))


def _one(law: Law, table: Table, columns: Mapping[str, str], options: FitOptions) -> Fit:
    """Solve one problem and judge the result."""
    problem = Problem.of_table(table, law, columns, options)
    rows = problem.rows
    solved = solve(problem, options, dict(_clusters(table, options, rows)))
    surface, best, certificate, method = (
        solved.surface, solved.best, solved.certificate, solved.method,
    )  # fmt: skip
    rows_design = design(surface, rows.sizes, best)
    if rows_design.together:
        along = _along(rows_design.together[0], table, problem, options)
        rows_design = replace(rows_design, along=along)
    evidence = _evidence(problem, solved, rows_design)
    parameters, derived = estimates(surface, best, solved.draws, options.level, evidence)
    fitted = Fit(
        law=law,
        columns=dict(columns),
        parameters=parameters,
        derived=derived,
        objective=_objective(problem, parameters),
        rows=len(rows.y),
        dropped=rows.dropped,
        status=judged(certificate, parameters, method, problem, rows_design),
        certificate=certificate,
        interval=method,
        data_hash=rows.digest(),
        draws=rounded(surface.raw(solved.draws)) if len(solved.draws) else {},
        data=problem.data(),
        problem=problem,
        endings=solved.endings,
        notes=(*rows.notes, *solved.notes, *filter(None, [rows_design.falls])),
        variance=_variance(table, options, problem, parameters),
        seconds=dict(solved.seconds),
    )
    if options.interval == "profile" and len(rows.y) > len(surface.free):
        return _with_profiles(fitted, evidence, rows_design)
    return fitted


def _clusters(table: Table, options: FitOptions, rows: Rows) -> Iterator[tuple[str, Labels]]:
    """Each cluster column with the labels of the used rows, (n,).

    Raises:
        DataError: a row has no label. Rows without a label do not form a cluster.
    """
    for name in options.clusters:
        labels = table[name][rows.kept]
        for row, label in zip(rows.kept, labels.tolist(), strict=True):
            if label is None or label != label or label == "":
                raise DataError(
                    f"{table.place(row)} has no value of {name!r}, the cluster column; "
                    "give it one, or leave the row out"
                )
        yield name, labels


def _along(size: str, table: Table, problem: Problem, options: FitOptions) -> str:
    """For sizes that move together: how the response falls along their common line, in words."""
    rows, response = problem.rows, problem.law.response
    if len(rows.y) < len(laws.power_floor.parameters):
        return ""
    clusters = {f"cluster {name}": labels for name, labels in _clusters(table, options, rows)}
    line = Table({"size": rows.sizes[size], "response": rows.y, "weight": rows.weights, **clusters})
    choices = replace(
        options, drop_largest=None, where=(), fixed=None, noise=None, weights="weight",
        cluster=tuple(clusters) or None,
    )  # fmt: skip
    fitted = _one(laws.power_floor, line, {"x": "size", "y": "response"}, choices)
    alpha = fitted.parameters["alpha"]
    interval = shown_interval(alpha.value, alpha.low, alpha.high)
    known = "" if alpha.verdict == "identified" else f" ({alpha.verdict.replace('_', ' ')})"
    return (
        f"Along their line {response} = {shown(fitted.values['E'])} + "
        f"{shown(fitted.values['A'])} {size}^-{shown(alpha.value)}, exponent {interval}{known}."
    )


def _evidence(problem: Problem, solved: Solved, rows_design: Design) -> Evidence:
    """The evidence of the search, the refits and the design of the rows that limits verdicts.

    A floor at its bound is allowed, because refits leave that bound. With any other parameter at
    a bound of the solver, the law has no optimum.
    """
    values = {name: float(v[0]) for name, v in solved.surface.raw(solved.best).items()}
    method, certificate = solved.method, solved.certificate
    exact = without_noise(problem, values)
    refitted = method.method == "none" or method.converged >= ENOUGH_REFITS
    inside = all(problem.law.kind(name) == "floor" for name in certificate.active_bounds)
    proven = certificate.proven and inside and (refitted or exact)
    return Evidence(proven, rows_design.open, exact)


def _objective(problem: Problem, parameters: Mapping[str, Estimate]) -> FittedObjective:
    """Name, delta (of huber_log only) and the sum over rows."""
    objective, values = problem.objective, {name: e.value for name, e in parameters.items()}
    delta = objective.delta if objective.name == "huber_log" else None
    total = problem.total(values)
    if not np.isfinite(total):
        raise problem.without_value()
    return FittedObjective(objective.name, delta, total)


def _variance(
    table: Table, options: FitOptions, problem: Problem, parameters: Mapping[str, Estimate]
) -> dict[str, float]:
    """Standard deviations of the residuals by source; see `allometry.fitting.variance`."""
    rows, values = problem.rows, {name: e.value for name, e in parameters.items()}
    free = sum(e.verdict != "fixed" for e in parameters.values())
    evaluation = None
    if options.noise is not None:
        y = rows.y if problem.objective.logs else None
        evaluation = noise_of_residuals(table.take(rows.kept), options.noise, y)
    return components(rows.points(), problem.residuals(values), free, evaluation)


def _with_profiles(fitted: Fit, evidence: Evidence, rows_design: Design) -> Fit:
    """The fit with intervals from profiles; derived quantities keep those from resamples."""
    profiles = of_fit(fitted)
    parameters = {
        name: limited(
            name,
            Estimate(e.value, profiles[name].low, profiles[name].high, profiles[name].verdict),
            evidence,
        )
        if name in profiles
        else e
        for name, e in fitted.parameters.items()
    }
    method = replace(fitted.interval, method="profile")
    status = judged(fitted.certificate, parameters, method, fitted.problem, rows_design)
    return replace(fitted, parameters=parameters, interval=method, status=status)


def _with_companion(
    law: Law, companion: Law, table: Table, columns: Mapping[str, str], options: FitOptions
) -> Fit:
    """A law and its companion, fitted to the same rows and reported as one fit."""
    columns_of_law = {s: c for s, c in columns.items() if s != companion.response}
    symbols = (*companion.sizes, companion.response)
    first = _one(law, table, columns_of_law, options)
    other = _one(companion, table, {s: c for s, c in columns.items() if s in symbols}, options)
    doubtful = other if first.status.code == "converged" else first
    value = first.objective.value + other.objective.value
    return replace(
        first,
        columns=dict(columns),
        status=doubtful.status,
        parameters={**first.parameters, **other.parameters},
        objective=replace(first.objective, value=value),
        dropped=first.dropped + [d for d in other.dropped if d not in first.dropped],
        draws={**first.draws, **other.draws},
        data={**other.data, **first.data},
        notes=(*first.notes, f"{companion.formula} was fitted to the same rows"),
    )
