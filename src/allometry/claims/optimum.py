"""Claims about the x at which y is lowest, and how it moves with another column."""

from dataclasses import KW_ONLY, dataclass
from functools import partial
from math import inf
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from allometry.claims.claim import Claim, Judgement
from allometry.claims.valleys import LOST, MISSING, places_of
from allometry.claims.words import in_words, is_number, judged, region, region_in_words
from allometry.errors import DataError, UsageError, quoted
from allometry.findings import FindingFigure
from allometry.laws import Array
from allometry.stats.cells import cells_of
from allometry.stats.grid import Curves, Grid
from allometry.stats.lines import log_line
from allometry.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Optimum"]


@dataclass(frozen=True)
class Optimum(Claim):
    """The x at which y is lowest moves with another column: its exponent lies in a region.

    The optimum is the vertex of the parabola in log x through the lowest mean over seeds and its
    two neighbours. A diverged run is worse than every other run. Where the lowest mean is at the
    first or last x, the optimum is not known: that value of `moves_with` is left out, and the
    finding says how many were.

    Attributes:
        x: the column over which y has a minimum, such as a learning rate.
        moves_with: the column with which the optimum may move, such as a width.
        predicts: region of the exponent of the optimum in `moves_with`, ``(low, high)``.
        stays: for the claim that the optimum does not move: largest absolute exponent that counts
            as no movement. The finding marks this margin as ours.
    """

    _: KW_ONLY
    moves_with: str = ""
    predicts: tuple[float, float] = (-inf, inf)
    stays: float = 0.0

    kind: ClassVar[str] = "optimum"
    states: ClassVar[tuple[str, ...]] = ("done", "diverged")
    caption: ClassVar[str] = (
        "a, means over seeds; triangles mark the optimum, the vertex of a parabola. b, the "
        "optimum: small marks are seeds, large ones means; the line is fitted to the optima of a."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.moves_with:
            raise UsageError(f"claim on {self.y!r}: moves_with=COLUMN expected, such as a width")
        if self.stays and self.predicts != (-inf, inf):
            raise UsageError(
                f"claim on {self.y!r}: stays=... or predicts=..., one of the two, expected, got "
                f"{quoted(self.stays)} and {self.predicts!r}"
            )
        _ = self.allowed

    @property
    def columns(self) -> tuple[str, ...]:
        return self.x, self.y, self.moves_with

    @property
    def allowed(self) -> tuple[float, float]:
        """The region of the exponent."""
        if not is_number(self.stays):
            raise UsageError(
                f"claim on {self.y!r}: stays=a number above 0 expected, got {quoted(self.stays)}"
            )
        ends = (-self.stays, self.stays) if self.stays else self.predicts
        return region(ends, self.says or f"{self.kind} of {self.y}")

    def sentence(self) -> str:
        place = f"The {self.word(self.x)} of the lowest {self.word(self.y)}"
        if self.stays:
            return f"{place} does not move with the {self.word(self.moves_with)}"
        low, high = self.predicts
        direction = "falls with" if high <= 0 else "rises with" if low >= 0 else "moves with"
        return f"{place} {direction} the {self.word(self.moves_with)}"

    def runs(self, table: Table) -> Table:
        runs = super().runs(table)
        for name in (self.x, self.moves_with):
            self.check_positive(name, runs[name], "choose runs by a condition")
        return runs

    def floats(self, runs: Table, name: str) -> Array:
        values = super().floats(runs, name)
        if name != self.y or "status" not in runs:
            return values
        return np.where([state == "diverged" for state in runs["status"].tolist()], LOST, values)

    def prediction(self) -> str:
        ours = " (margin ours)" if self.stays else ""
        return f"exponent {region_in_words(self.allowed)}{ours}"

    def judge(self, table: Table) -> Judgement:
        low, high = self.allowed
        runs = self.runs(table)
        xs, grid = self.grid(runs)
        exponent = grid.jackknife(partial(_exponent, xs=xs))["exponent"]
        places = places_of(grid.mean(), xs)
        if np.isfinite(places).sum() < 3:
            raise DataError(
                f"claim {self.title!r}: {self.y} is lowest inside the {self.x} tried at "
                f"{int(np.isfinite(places).sum())} of {len(places)} values of {self.moves_with}; "
                f"three are needed: try a wider range of {self.x}"
            )
        left_out = int((~np.isfinite(places)).sum())
        first, last = (places[np.isfinite(places)][i] for i in (0, -1))
        finding = self.finding(
            exponent,
            judged(exponent, low, high, runs),
            answer=f"The best {self.word(self.x)} goes from {first:.2g} to {last:.2g} as the "
            f"{self.word(self.moves_with)} goes from {grid.size[0]:g} to {grid.size[-1]:g}: "
            f"exponent {in_words(exponent)}"
            + (
                f"; at {left_out} the lowest is at the end of the range, or seeds lack runs."
                if left_out
                else "."
            ),
            unit="exponent",
        )

        def draw() -> "Figure":
            from allometry.claims.pictures import draw_optimum

            return draw_optimum(self.labels(finding.verdict), self.label(self.moves_with), xs, grid)

        return Judgement(finding, FindingFigure(draw, self.caption))

    def grid(self, runs: Table) -> tuple[Array, Grid]:
        """The values of x, rising, and y as one column for each, seeds by `moves_with`."""
        cells = cells_of(runs, [self.x, self.moves_with], [self.y])
        xs, at_x = np.unique(cells.columns[self.x][0], return_inverse=True)
        sizes, at_size = np.unique(cells.columns[self.moves_with][0], return_inverse=True)
        every = np.full((len(xs), len(cells.seeds), len(sizes)), MISSING)
        of_cells = cells.columns[self.y].T
        every[at_x, :, at_size] = np.where(np.isfinite(of_cells), of_cells, MISSING)
        return xs, Grid(sizes, cells.seeds, {f"{i}": y for i, y in enumerate(every)})


def _exponent(curves: Curves, xs: Array) -> dict[str, float]:
    return {"exponent": log_line(curves.size, places_of(curves, xs)).slope}
