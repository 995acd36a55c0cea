"""Axes of a new pyplot figure, for a panel in a notebook."""

from typing import TYPE_CHECKING, Any

from allometry.figures.style import COLUMN, MM, PAGE

if TYPE_CHECKING:
    # Importing Matplotlib takes a third of a second, so only code that draws does.
    from matplotlib.axes import Axes

__all__ = ["new_axes", "new_columns", "new_pair"]


def new_axes(height: float = 62.0) -> "Axes":
    """Axes of a new pyplot figure one column wide, for a notebook."""
    return _pyplot_axes(1, 1, COLUMN, height)[0]


def new_pair() -> "tuple[Axes, Axes]":
    """Upper and lower axes with a common x axis, in a new pyplot figure."""
    top, low = _pyplot_axes(
        2, 1, COLUMN, 85.0, sharex=True, gridspec_kw={"height_ratios": (3.2, 1)}
    )
    return top, low


def new_columns() -> "tuple[Axes, Axes]":
    """Two axes side by side with a common x scale, in a new pyplot figure."""
    left, right = _pyplot_axes(1, 2, PAGE, 62.0, sharex=True)
    return left, right


def _pyplot_axes(
    rows: int, columns: int, width: float, height: float, **words: Any
) -> "list[Axes]":
    from matplotlib import pyplot  # chooses a display backend, so it is imported only here

    _, axes = pyplot.subplots(
        rows,
        columns,
        figsize=(width * MM, height * MM),
        layout="constrained",
        squeeze=False,
        **words,
    )
    return list(axes.ravel())
