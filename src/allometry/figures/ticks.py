"""Positions and labels of the ticks of an axis in the house style."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MaxNLocator, NullFormatter

__all__ = ["set_ticks"]


def set_ticks(axis: Axis, *, log: bool) -> None:
    """Set few ticks with decimal numbers; on a logarithmic axis also minor ticks."""
    if log:
        axis.set_major_locator(_SparseLog())
        axis.set_minor_locator(LogLocator(subs=tuple(range(2, 10)), numticks=99))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(_decimal))


class _SparseLog(Locator):
    """Ticks at decades if there are enough of them, else at 1-3, 1-2-5 or finer steps."""

    STEPS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5), (1, 1.5, 2, 3, 4, 5, 7))

    def __call__(self) -> Sequence[float]:
        assert self.axis is not None
        low, high = sorted(self.axis.get_view_interval())
        return self.tick_values(low, high)

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        """At least three ticks, at numbers as round as the range allows."""
        first, last = math.floor(math.log10(vmin)), math.ceil(math.log10(vmax))
        decades = np.arange(first, last + 1)
        sparse = decades[:: max(1, math.ceil((last - first) / 6))]
        for steps in self.STEPS:
            ticks = np.ravel(np.outer(10.0 ** (sparse if steps == (1,) else decades), steps))
            inside = ticks[(ticks >= vmin * 0.999) & (ticks <= vmax * 1.001)]
            if len(inside) >= 3:
                return list(inside)
        return list(MaxNLocator(4).tick_values(vmin, vmax))


def _decimal(value: float, position: int | None = None) -> str:
    """A number as a label: decimal from 0.001, with k from 1000, and otherwise a power of ten."""
    size = abs(value)
    if size == 0:
        return "0"
    if 1e3 <= size < 1e6:
        return f"{value / 1e3:.4g}k".replace("-", "\N{MINUS SIGN}")
    if 1e-3 <= size < 1e3:
        return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")
    exponent = math.floor(math.log10(size) + 1e-9)
    front = value / 10.0**exponent
    times = "" if math.isclose(front, 1) else rf"{front:.3g} \times "
    return rf"${times}10^{{{exponent}}}$"
