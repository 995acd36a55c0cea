"""Tables of very many rows: the search and the resamples use a random subset.

Ten thousand rows suffice to find the region of the optimum and to estimate the scatter of
refits. The optimum itself is computed from all rows.
"""

from dataclasses import replace

import numpy as np

from allometry.fitting.certificate import Certificate
from allometry.fitting.rows import Places, Rows
from allometry.fitting.search import certified
from allometry.fitting.surface import LawSurface
from allometry.laws import Array

__all__ = ["MANY", "SOME", "note_of", "on_all_rows", "some_rows", "spread_of_all"]

MANY, SOME = 50_000, 10_000


def some_rows(rows: Rows, per_row: bool, seed: int) -> Places:
    """Positions of the rows used for the search: all, or a random subset if there are many."""
    count = len(rows.y)
    if count <= MANY or not per_row:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, SOME, replace=False))


def on_all_rows(
    surface: LawSurface, best: Array, certificate: Certificate, weights: Array
) -> tuple[Array, Certificate]:
    """The optimum (1, p) of all rows, from that of a subset, and the combined certificate."""
    best, of_all = certified(surface, best, weights)
    return best, replace(
        certificate,
        gradient_norm=of_all.gradient_norm,
        polished=of_all.polished and certificate.polished,
        active_bounds=of_all.active_bounds,
    )


def spread_of_all(
    surface: LawSurface, draws: Array, best_of_some: Array, best: Array, *, clusters: bool
) -> Array:
    """Draws (k, p) about the optimum of all rows, from draws about that of a subset.

    Standard errors fall with the square root of the number of rows, so the draws are scaled.
    With clusters they do not, because the subset has rows of every cluster; those draws are
    only shifted.
    """
    share = 1.0 if clusters else np.sqrt(SOME / surface.rows)
    return np.asarray(np.clip(best + share * (draws - best_of_some), surface.low, surface.high))


def note_of(rows: int) -> str:
    """A note on the subset."""
    return (
        f"{rows:,} rows: the search and the resamples used {SOME:,} of them, drawn at random; "
        "the optimum is that of all rows"
    )
