"""Phase maps of the grokking runs beside the published ones, and the critical training size."""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.stats.interval import Interval
from allometry.studies.grokking.phases_published import (
    FIGURE_3,
    FIGURE_4,
    MAPS,
    RATES,
    ROWS,
    TRAIN_SIZES,
)
from allometry.tables.table import Table

__all__ = [
    "ORDER", "SOURCE", "Agreement", "agreement", "agreement_of", "agreements", "critical_size",
    "ordered_rows", "parts", "phase_map", "phases", "published_map", "published_of", "reached",
    "row_field", "seeds_of", "times_apart",
]  # fmt: skip

SOURCE = (
    "Z. Liu, O. Kitouni, N. Nolte, E. Michaud, M. Tegmark, M. Williams 2022, Towards "
    "Understanding Grokking, arXiv 2205.10343; ejmichaud/grokking-squared, toy/results"
)
# From slow to fast decoders: nothing or training questions alone within the budget, then
# grokking, then comprehension, then memorisation.
ORDER = re.compile(r"[XM]*G*C*M*")
Letters = NDArray[np.str_]


def parts(table: Table) -> list[str]:
    """The phase diagrams of which there are runs."""
    there = set(table["part"].tolist())
    return [part for part in MAPS if part in there]


def row_field(part: str) -> str:
    """The column that varies from row to row of a diagram."""
    return "eta_repr" if part == "5a" else "weight_decay"


def published_map(part: str) -> Letters:
    """Letters of the published diagram, ``(rows, rates)``."""
    return np.array([list(row) for row in MAPS[part]])


def phase_map(table: Table, part: str, seed: int) -> Letters:
    """Letters of our diagram at one seed, ``(rows, rates)``; "" where a run is missing."""
    mine = table.where(part=part, seed=seed, status="done")
    out = np.full((len(ROWS[part]), len(RATES)), "")
    for row in mine:
        i = int(np.argmin(np.abs(np.array(ROWS[part]) - row[row_field(part)])))
        j = int(np.argmin(np.abs(np.array(RATES) - row["eta_dec"])))
        out[i, j] = row["phase"]
    return out


def seeds_of(table: Table, part: str) -> list[int]:
    """Rising; the first is the published one."""
    return np.unique(table.where(part=part)["seed"]).astype(int).tolist()


class Agreement(NamedTuple):
    """How two maps compare.

    Attributes:
        part: the diagram. cells: compared, `same`: of them alike.
        between_seeds: share alike of two of our seeds, mean over pairs; NaN from one seed.
        chance: share alike of maps with these phases in random places.
    """

    part: str
    cells: int
    same: int
    between_seeds: float
    chance: float


def agreement_of(table: Table, part: str) -> Agreement:
    """The map at the published seed beside the published map, and the yardsticks."""
    maps = [phase_map(table, part, seed) for seed in seeds_of(table, part)]
    there = maps[0] != ""
    ours, theirs = maps[0][there], published_map(part)[there]
    pairs = [
        float((a == b)[(a != "") & (b != "")].mean()) for i, a in enumerate(maps) for b in maps[:i]
    ]
    return Agreement(
        part=part,
        cells=int(there.sum()),
        same=int((ours == theirs).sum()),
        between_seeds=float(np.mean(pairs)) if pairs else np.nan,
        chance=float(sum((ours == k).mean() * (theirs == k).mean() for k in "CGMX")),
    )


def agreements(table: Table) -> list[Agreement]:
    """Of every diagram there is."""
    return [agreement_of(table, part) for part in parts(table)]


def agreement(table: Table) -> Table:
    """The same as a table (the view ``agreement``)."""
    return Table.from_rows([a._asdict() for a in agreements(table)])


def phases(table: Table) -> Table:
    """Every cell: its phase at each seed beside the published one (the view ``phases``)."""
    done = table.where(status="done")
    rows = []
    for part in parts(done):
        published = published_map(part)
        for seed in seeds_of(done, part):
            ours = phase_map(done, part, seed)
            rows += [
                {
                    "part": part, "seed": seed, row_field(part): ROWS[part][i],
                    "eta_dec": RATES[j], "phase": str(ours[i, j]),
                    "published": str(published[i, j]),
                }
                for i, j in np.argwhere(ours != "").tolist()
            ]  # fmt: skip
    return Table.from_rows(rows)


def ordered_rows(table: Table, part: str, shuffles: int = 200) -> tuple[int, int, float]:
    """Rows, at all seeds, in the order of phases expected; rows in all; share of them that are in
    order when their cells are shuffled."""
    maps = [phase_map(table, part, seed) for seed in seeds_of(table, part)]
    rows = [row[row != ""] for one in maps for row in one if (row != "").sum() > 1]
    rng = np.random.default_rng(0)
    shuffled = [
        bool(ORDER.fullmatch("".join(rng.permutation(row))))
        for row in rows
        for _ in range(shuffles)
    ]
    in_order = sum(bool(ORDER.fullmatch("".join(row))) for row in rows)
    return in_order, len(rows), float(np.mean(shuffled)) if shuffled else np.nan


# ---- training sets of rising size --------------------------------------------------------


def reached(table: Table) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Seed, size and whether the representation became linear, of every run of figure 4."""
    mine = table.where(part="4", status="done")
    linear = mine["t_rqi"] < mine["epochs"] - 1
    return mine["seed"].astype(int), mine["n_train"].astype(int), linear.astype(bool)


def critical_size(table: Table, resamples: int = 1000) -> Interval:
    """Training questions at which half of the networks become linear, with its 95% interval.

    A logistic curve in the size by largest likelihood; seeds are drawn anew for the interval.
    NaN where there are fewer than three seeds, or where all or none become linear.
    """
    seed, n, linear = reached(table)
    every = np.unique(seed)
    if not len(every) or linear.all() or not linear.any():
        return Interval(np.nan, np.nan, np.nan)
    middle = np.arange(5, 55.25, 0.25)
    width = np.geomspace(0.5, 20, 12)
    z = (n[:, None, None] - middle[:, None]) / width
    # Log likelihood of each run on the grid, added up by seed.
    each = np.where(linear[:, None, None], -np.logaddexp(0, -z), -np.logaddexp(0, z))
    by_seed = np.array([each[seed == s].sum(axis=0) for s in every])

    def best(weights: NDArray[np.float64]) -> float:
        total = np.tensordot(weights, by_seed, 1)
        # The ridge is flat where sizes lie far apart: the middle of its top counts.
        top = total.max(axis=1)
        return float(middle[top >= top.max() - 1e-3].mean())

    value = best(np.ones(len(every)))
    if len(every) < 3:
        return Interval(value, np.nan, np.nan)
    rng = np.random.default_rng(0)
    draws = rng.multinomial(len(every), np.full(len(every), 1 / len(every)), size=resamples)
    low, high = np.quantile([best(draw.astype(float)) for draw in draws], [0.025, 0.975])
    return Interval(value, float(min(low, value)), float(max(high, value)))


def published_of(table: Table, part: str) -> NDArray[np.float64]:
    """The published number of each finished run of figure 3 or 4, NaN where there is none."""
    numbers = {"3": FIGURE_3, "4": FIGURE_4}[part]
    mine = table.where(part=part, status="done")
    out = np.full(len(mine), np.nan)
    for k, row in enumerate(mine):
        if row["n_train"] in TRAIN_SIZES and row["seed"] < numbers.shape[1]:
            out[k] = numbers[TRAIN_SIZES.index(row["n_train"]), row["seed"]]
    return out


def times_apart(table: Table) -> tuple[int, int, float]:
    """Runs of figure 4 that become linear or not as published, runs compared, and the largest
    deviation of the times of those that do (relative; NaN where there is none)."""
    mine, theirs = table.where(part="4", status="done"), published_of(table, "4")
    known = np.isfinite(theirs)
    ours, theirs = mine["t_rqi"][known].astype(float), theirs[known]
    both = (ours < 9999) & (theirs < 9999)
    same = int(((ours < 9999) == (theirs < 9999)).sum())
    off = np.abs(ours[both] / theirs[both] - 1)
    return same, int(known.sum()), float(off.max()) if both.any() else np.nan
