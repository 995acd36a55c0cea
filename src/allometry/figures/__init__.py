"""Figures: the house style, and panels drawn from plain arrays."""

from allometry.figures.curves import Curve, curve
from allometry.figures.intervals import IntervalRow, interval_panel
from allometry.figures.panels import (
    control_panels,
    fit_panel,
    residual_panel,
    runs_panel,
)
from allometry.figures.style import (
    BLUE,
    COLUMN,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PAGE,
    PINK,
    SKY,
    VERMILLION,
    dress,
    equal_decades,
    headline,
    letters,
    panels,
    paper,
    ramp,
    save_figure,
    stacked,
)
from allometry.figures.trajectories import trajectory_panel

__all__ = [
    "BLUE",
    "COLUMN",
    "GREEN",
    "GREY",
    "INK",
    "ORANGE",
    "PAGE",
    "PINK",
    "SKY",
    "VERMILLION",
    "Curve",
    "IntervalRow",
    "control_panels",
    "curve",
    "dress",
    "equal_decades",
    "fit_panel",
    "headline",
    "interval_panel",
    "letters",
    "panels",
    "paper",
    "ramp",
    "residual_panel",
    "runs_panel",
    "save_figure",
    "stacked",
    "trajectory_panel",
]
