"""The charts of a study in training: values along training, and final values against size."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from allometry.serve.charts import ACCENT, Line, chart, ramp
from allometry.tables.cells import holds_numbers
from allometry.tables.table import Table
from allometry.training.live import Curve

__all__ = ["RUNS", "Drawn", "charts_of"]

RUNS: Final = 120  # stored runs read for the charts, with their trajectories
CURVES: Final = 40  # curves of stored runs drawn in a chart
MOST_CHARTS: Final = 3  # charts along training
ALONG: Final = ("step", "epoch", "examples")  # arrays that can be the horizontal axis
SIZES: Final = ("n_params", "compute", "n_data", "width", "steps")
VALUES: Final = ("test_loss", "valid_loss", "train_loss", "loss")

Points = list[tuple[float, float]]


class Drawn(NamedTuple):
    """A chart with its title and caption."""

    svg: Markup
    title: str
    caption: str


def charts_of(sample: Table, under_way: Sequence[Curve]) -> list[Drawn]:
    """The charts of stored runs and of packs in training; empty if nothing can be drawn.

    Args:
        sample: a sample of the stored runs, with their trajectories.
        under_way: curves of runs in training, which are not stored yet.
    """
    names = _measures(sample, under_way)
    along = [_along(name, sample, under_way) for name in names]
    return [drawn for drawn in (_against_size(sample), *along) if drawn]


def _measures(sample: Table, under_way: Iterable[Curve]) -> list[str]:
    """The measures to show along training, losses first."""
    names = dict.fromkeys(name for curve in under_way for name in curve.values)
    for arrays in list(sample.trajectories.values())[:1]:
        length = max((len(arrays[n]) for n in ALONG if n in arrays), default=0)
        names |= dict.fromkeys(
            n for n, a in arrays.items()
            if n not in ALONG and a.ndim == 1 and len(a) == length and a.dtype.kind in "fiu"
        )  # fmt: skip
    order = {name: place for place, name in enumerate(VALUES)}
    return sorted(names, key=lambda n: (order.get(n, 9), "loss" not in n))[:MOST_CHARTS]


def _along(name: str, sample: Table, under_way: Sequence[Curve]) -> Drawn | None:
    growing = [c.values[name] for c in under_way if name in c.values]
    first: Mapping[str, NDArray[Any]] = next(iter(sample.trajectories.values()), {})
    # Curves of a pack in training are recorded against steps.
    axis = "step" if growing else next((n for n in ALONG if n in first), "step")
    arrays = {r: a for r, a in sample.trajectories.items() if _has_line(a, axis, name)}
    every = max(1, -(-len(arrays) // CURVES))
    stored = dict(list(arrays.items())[::every])
    sizes = _sizes(sample)
    lines = _stored_lines(stored, axis, name, sizes)
    lines += [Line(points, ACCENT) for points in growing]
    log = None if "loss" in name else False
    svg = chart(lines, label=f"{name} along training", x=axis, y=_words(name), log_y=log)
    if svg is None:
        return None
    counts = [f"{len(stored)} of {len(arrays)} stored runs" if every > 1 else _runs(len(stored))]
    counts += [f"{len(growing)} under way, in orange"] if growing else []
    caption = ", ".join(part for part in counts if part) + "."
    caption += " Lighter lines: larger runs." if sizes and len(stored) > 1 else ""
    return Drawn(svg, f"{_words(name)} along training", caption)


def _has_line(arrays: Mapping[str, NDArray[Any]], axis: str, name: str) -> bool:
    """Whether a run has values of this name at each point along the axis."""
    if axis not in arrays or name not in arrays:
        return False
    x, y = arrays[axis], arrays[name]
    return x.ndim == 1 and x.shape == y.shape and y.dtype.kind in "fiu"


def _runs(count: int) -> str:
    return "" if not count else f"{count} stored {'run' if count == 1 else 'runs'}"


def _stored_lines(
    arrays: Mapping[str, Mapping[str, NDArray[Any]]], axis: str, name: str, sizes: dict[str, float]
) -> list[Line]:
    colours = ramp([sizes.get(run_id, 1.0) for run_id in arrays])
    return [
        Line(_pairs(values[axis], values[name]), colour)
        for values, colour in zip(arrays.values(), colours, strict=True)
    ]


def _against_size(sample: Table) -> Drawn | None:
    """The final loss of done runs against the first measure of size in which they differ."""
    if not len(sample) or "status" not in sample:
        return None
    done = sample.take(sample["status"] == "done")
    x = next((n for n in SIZES if _differs(done, n)), None)
    y = next((n for n in VALUES if _differs(done, n)), None)
    if x is None or y is None:
        return None
    points = _pairs(done[x].astype(float), done[y].astype(float))
    colours = ramp(done[x].astype(float).tolist())
    lines = [
        Line([point], colour, dots=True) for point, colour in zip(points, colours, strict=True)
    ]
    svg = chart(lines, label=f"{y} against {x}", x=_words(x), y=_words(y))
    title = f"{_words(y)} at the end, against {_words(x)}"
    return Drawn(svg, title, f"{len(done)} done runs.") if svg else None


def _differs(table: Table, name: str) -> bool:
    if name not in table or not len(table) or not holds_numbers(table[name]):
        return False
    values = table[name].astype(float)
    finite = values[np.isfinite(values)]
    return len(finite) > 0 and float(finite.min()) < float(finite.max())


def _sizes(sample: Table) -> dict[str, float]:
    """run_id to the size that determines the colour of its line."""
    name = next((n for n in SIZES if _differs(sample, n)), None)
    if name is None:
        return {}
    return dict(zip(sample["run_id"].tolist(), sample[name].astype(float).tolist(), strict=True))


def _pairs(x: NDArray[Any], y: NDArray[Any]) -> Points:
    return list(zip(x.astype(float).tolist(), y.astype(float).tolist(), strict=True))


def _words(name: str) -> str:
    return {"n_params": "parameters N", "n_data": "training examples D"}.get(
        name, name.replace("_", " ")
    )
