"""Fitted laws as curves to draw."""

import numpy as np
from numpy.typing import NDArray

from allometry.figures.marks import Curve
from allometry.figures.panels import curve
from allometry.fitting.document import Fit
from allometry.stats.lines import Line

__all__ = ["exponential_curve", "fit_curve", "logarithm_curve", "power_curve"]

Ends = tuple[float, float]


def fit_curve(fit: Fit, between: Ends, *, symbol: str = "x") -> Curve:
    """A fit of one size, with the band of its interval."""

    def predict(x: NDArray) -> NDArray:
        return fit.predict({symbol: x})

    def interval(x: NDArray) -> tuple[NDArray, NDArray]:
        return fit.predict_interval({symbol: x})

    return curve(predict, between, interval=interval)


def power_curve(
    line: Line, between: Ends, *, floor: float = 0.0, beyond: Ends | None = None, label: str = ""
) -> Curve:
    """y = floor + 10^intercept x^slope, of a line through the logarithms (base 10)."""

    def predict(x: NDArray) -> NDArray:
        return floor + 10**line.intercept * x**line.slope

    return curve(predict, between, beyond=beyond, label=label)


def logarithm_curve(line: Line, between: Ends, *, floor: float = 0.0) -> Curve:
    """y = floor + intercept + slope log10 x."""

    def predict(x: NDArray) -> NDArray:
        return floor + line.intercept + line.slope * np.log10(x)

    return curve(predict, between)


def exponential_curve(line: Line, between: Ends) -> Curve:
    """y = exp(intercept + slope x), of a line through ln y."""

    def predict(x: NDArray) -> NDArray:
        return np.exp(line.intercept + line.slope * x)

    return curve(predict, between, log=False)
