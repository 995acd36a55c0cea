"""Phase diagrams compared with the published ones, and the critical size of the training set."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.stats.grid import Curves, Grid
from allometry.stats.interval import NO_VALUE, Interval
from allometry.studies.grokking.algebra import counts_unique
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
    "ORDER", "SOURCE", "Agreement", "Letters", "Numbers", "Reached", "agreement", "agreement_of",
    "critical_size", "maps_of", "ordered_rows", "parts", "phase_map", "phases", "published_map",
    "published_of", "reached", "row_field", "seeds_of", "times_apart",
]  # fmt: skip

SOURCE = (
    "Z. Liu, O. Kitouni, N. Nolte, E. Michaud, M. Tegmark, M. Williams 2022, Towards "
    "Understanding Grokking, arXiv 2205.10343; ejmichaud/grokking-squared, toy/results"
)
# Phases from slow to fast decoders: first confusion or memorisation, because the steps are too few,
# then grokking, then comprehension, then memorisation.
ORDER = re.compile(r"[XM]*G*C*M*")
Letters = NDArray[np.str_]


def parts(table: Table) -> list[str]:
    """The phase diagrams for which the table has runs."""
    present = set(table["part"].tolist())
    return [part for part in MAPS if part in present]


def row_field(part: str) -> str:
    """The column that varies between the rows of a diagram."""
    return "eta_repr" if part == "5a" else "weight_decay"


def published_map(part: str) -> Letters:
    """Letters of the published diagram, ``(rows, rates)``."""
    return np.array([list(row) for row in MAPS[part]])


def phase_map(table: Table, part: str, seed: int) -> Letters:
    """Letters of our diagram at one seed, ``(rows, rates)``; "" for a missing run."""
    runs = table.where(part=part, seed=seed, status="done")
    out = np.full((len(ROWS[part]), len(RATES)), "")
    for row in runs:
        i = int(np.argmin(np.abs(np.array(ROWS[part]) - row[row_field(part)])))
        j = int(np.argmin(np.abs(np.array(RATES) - row["eta_dec"])))
        out[i, j] = row["phase"]
    return out


def seeds_of(table: Table, part: str) -> list[int]:
    """The seeds of a diagram in ascending order; the first is the published one."""
    return [int(seed) for seed in np.unique(table.where(part=part)["seed"])]


class Agreement(NamedTuple):
    """The agreement of our diagram with the published one.

    Attributes:
        part: the diagram.
        cells: number of cells compared.
        same: number of cells in the same phase.
        between_seeds: share of cells in the same phase for two of our seeds, mean over pairs; NaN
            for one seed.
        chance: expected share of cells in the same phase if the phases were in random cells.
    """

    part: str
    cells: int
    same: int
    between_seeds: float
    chance: float


def maps_of(table: Table, part: str) -> list[Letters]:
    """Our diagram at every seed, the published seed first."""
    return [phase_map(table, part, seed) for seed in seeds_of(table, part)]


def agreement_of(table: Table, part: str) -> Agreement:
    """The agreement of our diagram at the published seed with the published one."""
    return _compared(part, maps_of(table, part))


def _compared(part: str, maps: Sequence[Letters]) -> Agreement:
    was_run = maps[0] != ""
    ours, published = maps[0][was_run], published_map(part)[was_run]
    pairs = [
        float((a == b)[(a != "") & (b != "")].mean()) for i, a in enumerate(maps) for b in maps[:i]
    ]
    return Agreement(
        part=part,
        cells=int(was_run.sum()),
        same=int((ours == published).sum()),
        between_seeds=float(np.mean(pairs)) if pairs else np.nan,
        chance=float(sum((ours == k).mean() * (published == k).mean() for k in "CGMX")),
    )


def agreement(table: Table) -> Table:
    """The agreement of every diagram with the published one (the view ``agreement``)."""
    return Table.from_rows([agreement_of(table, part)._asdict() for part in parts(table)])


def phases(table: Table) -> Table:
    """The phase of every cell at each seed, and the published one (the view ``phases``)."""
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
    """The rows of a diagram, at all seeds, whose phases are in the order `ORDER`.

    Returns:
        The number of rows in order, the number of all rows, and the share of rows in order after
        their cells are shuffled.
    """
    maps = maps_of(table, part)
    rows = [row[row != ""] for letters in maps for row in letters if (row != "").sum() > 1]
    rng = np.random.default_rng(0)
    shuffled = [
        bool(ORDER.fullmatch("".join(rng.permutation(row))))
        for row in rows
        for _ in range(shuffles)
    ]
    in_order = sum(bool(ORDER.fullmatch("".join(row))) for row in rows)
    return in_order, len(rows), float(np.mean(shuffled)) if shuffled else np.nan


# ---- training sets of increasing size ----------------------------------------------------


class Reached(NamedTuple):
    """The runs of figure 4, ``(runs,)`` each.

    Attributes:
        seed: of the run.
        size: number of training questions.
        linear: whether the representation became linear.
    """

    seed: NDArray[np.int64]
    size: NDArray[np.int64]
    linear: NDArray[np.bool_]


def reached(table: Table) -> Reached:
    """The finished runs of figure 4, and whether they became linear."""
    runs = table.where(part="4", status="done")
    linear = runs["t_rqi"] < runs["epochs"] - 1
    return Reached(runs["seed"].astype(int), runs["n_train"].astype(int), linear.astype(bool))


def critical_size(table: Table) -> Interval:
    """Number of training questions at which half of the networks become linear.

    It is from a logistic curve in the size, fitted by maximum likelihood, with a 95% interval of
    the jackknife over seeds. The interval has no ends for fewer than three seeds. The value is NaN
    if all networks or none become linear.
    """
    seed, _, linear = reached(table)
    if not len(seed) or linear.all() or not linear.any():
        return NO_VALUE
    runs = table.where(part="4", status="done").with_columns(linear=linear.astype(float))
    size = Grid.of(runs, "n_train", ("linear",)).jackknife(_half, fixed_sizes=True)["size"]
    return size if len(np.unique(seed)) >= 3 else size._replace(low=np.nan, high=np.nan)


def _half(shares: Curves) -> dict[str, float]:
    """The size at which half of the networks become linear, from the share at each size."""
    middle, width = np.arange(5, 55.25, 0.25), np.geomspace(0.5, 20, 12)
    z = (shares.size[:, None, None] - middle[:, None]) / width
    share = shares["linear"][:, None, None]
    missed = share * np.logaddexp(0, -z) + (1 - share) * np.logaddexp(0, z)
    top = -missed.sum(axis=0).min(axis=1)
    # Between sizes that are far apart the likelihood is flat; the middle of its maximum is taken.
    return {"size": float(middle[top >= top.max() - 1e-4].mean())}


def published_of(table: Table, part: str) -> NDArray[np.float64]:
    """The published number for each finished run of figure 3 or 4; NaN for one not published."""
    numbers = {"3": FIGURE_3, "4": FIGURE_4}[part]
    runs = table.where(part=part, status="done")
    out = np.full(len(runs), np.nan)
    for k, row in enumerate(runs):
        if row["n_train"] in TRAIN_SIZES and row["seed"] < numbers.shape[1]:
            out[k] = numbers[TRAIN_SIZES.index(row["n_train"]), row["seed"]]
    return out


def times_apart(table: Table) -> tuple[int, int, float]:
    """The agreement of the runs of figure 4 with the published ones.

    Returns:
        The number of runs that become linear or not as published, the number of runs compared, and
        the largest relative difference of the times of those that become linear in both (NaN if
        there are none).
    """
    runs, theirs = table.where(part="4", status="done"), published_of(table, "4")
    known = np.isfinite(theirs)
    ours, theirs = runs["t_rqi"][known].astype(float), theirs[known]
    both = (ours < 9999) & (theirs < 9999)
    same = int(((ours < 9999) == (theirs < 9999)).sum())
    off = np.abs(ours[both] / theirs[both] - 1)
    return same, int(known.sum()), float(off.max()) if both.any() else np.nan


# ---- all numbers -------------------------------------------------------------------------

RANDOM_SETS = 2_000  # random training sets of each size


@dataclass(frozen=True)
class Numbers:
    """All numbers of the findings and figures.

    Attributes:
        done: the finished runs.
        maps: our diagrams at every seed, by part, the published seed first.
        agreements: agreement of each diagram with the published one.
        reached: which runs of figure 4 became linear.
        critical: number of training questions at which half of them become linear.
        times: agreement of the runs of figure 4 with the published ones; see `times_apart`.
        sizes: numbers of training questions, ``(sizes,)``.
        unique: share of random training sets of each size that allow only the line, ``(sizes,)``.
    """

    done: Table
    maps: Mapping[str, Sequence[Letters]]
    agreements: Sequence[Agreement]
    reached: Reached
    critical: Interval
    times: tuple[int, int, float]
    sizes: NDArray[np.int64]
    unique: NDArray[np.float64]

    @classmethod
    def of(cls, table: Table) -> "Numbers":
        """The numbers of the finished runs of a table.

        Raises:
            DataError: the table has no finished run.
        """
        done = table.where(status="done")
        if not len(done):
            raise DataError("no finished run to analyse; run `allometry run grokking_phases`")
        maps = {part: maps_of(done, part) for part in parts(done)}
        sizes = np.arange(10, 55)
        counts = [counts_unique(size, RANDOM_SETS, seed=size) for size in sizes.tolist()]
        return cls(
            done=done,
            maps=maps,
            agreements=[_compared(part, ours) for part, ours in maps.items()],
            reached=reached(done),
            critical=critical_size(done),
            times=times_apart(done),
            sizes=sizes,
            unique=np.array(counts) / RANDOM_SETS,
        )
