"""An animation of the representation along training."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from numpy.typing import NDArray

from allometry.errors import UsageError
from allometry.figures.style import GREY, dress, panels, paper, ramp
from allometry.studies.grokking.analysis import Along, finished
from allometry.studies.grokking.measures import unit_deviation
from allometry.tables.table import Table

__all__ = ["animate"]

FRAMES_A_SECOND = 12
HOLD = 18  # frames for which the last picture is held


def animate(table: Table, path: str | Path, *, seed: int | None = None, frames: int = 90) -> Path:
    """Write the ten coordinates along training as a GIF, for both orders of learning rates.

    Args:
        table: runs of the study `grokking`, with trajectories.
        path: file name ending in ``.gif``.
        seed: of the run; None for the first run.
        frames: number of frames, evenly spaced in the logarithm of updates.

    Raises:
        UsageError: `path` has another ending, or no finished run has this seed.
    """
    path = Path(path)
    if path.suffix != ".gif":
        raise UsageError(f"a path ending in .gif expected, got {path.name}")
    runs = [pair for pair in finished(table) if seed in (None, pair[0]["seed"])]
    if not runs:
        which = "no finished run" if seed is None else f"no finished run of seed {seed}"
        raise UsageError(f"{which} in this table; train one with `allometry run grokking`")
    row, along = runs[0]
    kinds = [p for p in ("", "swapped_") if f"{p}latent" in along]
    titles = {"": "rates as given", "swapped_": "rates exchanged"}
    figure, axes = panels(1, len(kinds), height=80, sharey=True)
    with paper():
        for ax, prefix in zip(axes[0], kinds, strict=True):
            dress(ax).set(xlim=(-0.5, row["p"] - 0.5), ylim=(-2.4, 2.4), xlabel="number")
            ax.set_title(titles[prefix], loc="left")
        axes[0, 0].set_ylabel("coordinate (unit deviation)")
        film = _film(figure, axes[0], along, kinds, frames)
        film.save(path, writer=PillowWriter(fps=FRAMES_A_SECOND), dpi=100)
    return path


def _film(
    figure: Figure, axes: NDArray[Any], along: Along, kinds: list[str], frames: int
) -> FuncAnimation:
    update = along["latent_update"]
    wanted = np.concatenate([[0], np.geomspace(1, update[-1], frames - 1)])
    places = [int(np.abs(update - w).argmin()) for w in wanted] + [len(update) - 1] * HOLD
    numbers = np.arange(along["latent"].shape[1])
    marks = []
    for ax in axes:
        (line,) = ax.plot(numbers, 0 * numbers, color=GREY, lw=0.8, zorder=1)
        dots = ax.scatter(numbers, 0 * numbers, c=ramp(numbers + 1, log=False), s=30, zorder=2)
        marks.append((line, dots, ax.text(0.97, 0.04, "", transform=ax.transAxes, ha="right")))

    def draw(frame: int) -> list[Artist]:
        place = places[frame]
        updates = int(update[place])
        for prefix, (line, dots, text) in zip(kinds, marks, strict=True):
            values = unit_deviation(along[f"{prefix}latent"][place, :, 0])
            values = values * np.sign(values[-1] - values[0])
            line.set_ydata(values)
            dots.set_offsets(np.column_stack([numbers, values]))
            rqi = along[f"{prefix}rqi"][max(updates - 1, 0)]
            text.set_text(f"{updates:,} updates, RQI {rqi:.2f}")
        drawn: list[Artist] = [mark for group in marks for mark in group]
        return drawn

    return FuncAnimation(figure, draw, frames=len(places), blit=False)
