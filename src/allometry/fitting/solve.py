"""From a problem to its optimum, the evidence for it, and draws about it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from allometry.fitting.certificate import Certificate
from allometry.fitting.intervals import IntervalMethod
from allometry.fitting.many_rows import note_of, on_all_rows, some_rows, spread_of_all
from allometry.fitting.options import FitOptions
from allometry.fitting.own_start import with_own_start
from allometry.fitting.problem import Problem
from allometry.fitting.resample import ResamplingOptions, resample
from allometry.fitting.ridges import refit_starts
from allometry.fitting.search import certify, search, start_points
from allometry.fitting.starts import separable
from allometry.fitting.surface import LawSurface
from allometry.laws import Array
from allometry.stats.resample import Labels

__all__ = ["Solved", "solve"]


@dataclass(frozen=True)
class Solved:
    """A solved problem.

    Attributes:
        surface: that was minimised. best: the optimum (1, p) in its coordinates.
        certificate: the evidence. endings: objective at which each start ended, increasing.
        draws: of the parameters (resamples, p). method: how they were drawn.
        notes: what was done, in words.
        seconds: time spent on the starts and on the resamples.
    """

    surface: LawSurface
    best: Array
    certificate: Certificate
    endings: Array
    draws: Array
    method: IntervalMethod
    notes: tuple[str, ...]
    seconds: Mapping[str, float]


def solve(problem: Problem, options: FitOptions, clusters: Mapping[str, Labels]) -> Solved:
    """Search, certify and resample; on a subset of the rows if there are very many.

    Args:
        clusters: labels of the used rows, by column.
    """
    began = time.perf_counter()
    whole, rows = separable(problem.centred()), problem.rows
    places = some_rows(rows, problem.law.per_row, options.seed)
    many = len(places) < len(rows.y)
    surface, searched = (whole.of_rows(places), rows.take(places)) if many else (whole, rows)
    starts = start_points(surface, options.starts or problem.law.default_starts, options.seed)
    if options.start:
        starts = with_own_start(surface, starts, options.start, alone=options.starts == 1)
    ended = search(surface, starts, searched.weights)
    best, certificate = certify(surface, ended, searched.weights)
    solved = time.perf_counter()
    labels = {name: column[places] for name, column in clusters.items()}
    choices = _resampling(options, labels, len(rows.y) > len(whole.free))
    refits = refit_starts(surface, best, searched.weights, ended) if choices.resamples else best
    draws, method = resample(surface, searched, refits, choices)
    if many:
        best_of_some = best
        best, certificate = on_all_rows(whole, best, certificate, rows.weights)
        draws = spread_of_all(whole, draws, best_of_some, best, clusters=bool(clusters))
    return Solved(
        surface=whole,
        best=best,
        certificate=certificate,
        endings=np.sort(ended.value) * problem.objective.scale,
        draws=draws,
        method=method,
        notes=(note_of(len(rows.y)),) if many else (),
        seconds={
            "starts": round(solved - began, 4),
            "resamples": round(time.perf_counter() - solved, 4),
        },
    )


def _resampling(
    options: FitOptions, clusters: Mapping[str, Labels], spare_rows: bool
) -> ResamplingOptions:
    """Options of the resampling; with interval profile, draws are those of auto.

    With no more rows than free parameters there are no resamples, since the law passes through
    every row of each.
    """
    interval = options.interval
    return ResamplingOptions(
        "auto" if interval == "profile" or interval == "none" else interval,
        options.resamples if spare_rows and interval != "none" else 0,
        options.level,
        clusters,
        options.seed,
    )
