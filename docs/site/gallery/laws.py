"""A curve of each law, at parameters that make its form visible."""

from collections.abc import Mapping
from typing import NamedTuple

from docs.site.gallery.item import Item

from allometry import laws

__all__ = ["CURVES", "items"]


class Curve(NamedTuple):
    """Where a law is drawn.

    Attributes:
        values: parameters. They are illustrations, not fitted to anything.
        along: the size on the x axis, over `span`.
        series: a second size and its values, a line for each.
        others: further sizes, as Python text.
        ylog: whether the response is drawn on a log axis.
    """

    values: Mapping[str, float]
    along: str
    span: tuple[float, float]
    series: tuple[str, tuple[float, ...]] | None = None
    others: Mapping[str, str] = {}
    ylog: bool = True


POWERS = {"E": 1.7, "A": 40, "B": 300, "alpha": 0.34, "beta": 0.28}
SIZES = (1e3, 1e7)
TOKENS = ("D", (1e5, 1e7, 1e9))

CURVES = {
    "power": Curve({"A": 30, "alpha": 0.3}, "x", SIZES),
    "power_floor": Curve({"E": 0.8, "A": 30, "alpha": 0.4}, "x", SIZES),
    "power_offset": Curve({"E": -0.2, "A": 30, "alpha": 0.25}, "x", SIZES),
    "power_ceiling": Curve({"C": 0.93, "A": 12, "alpha": 0.4}, "x", SIZES, ylog=False),
    "exponential": Curve({"E": 0.5, "A": 2, "s": 1e5}, "x", (1e3, 1e6)),
    "exponential_ceiling": Curve({"C": 0.9, "A": 0.6, "s": 1e5}, "x", (1e3, 1e6), ylog=False),
    "log": Curve({"a": 5, "b": 0.3}, "x", SIZES, ylog=False),
    "sigmoid": Curve({"lo": 0.9, "hi": 0.2, "k": 1.2e-5, "z0": 2e5}, "x", (1e3, 1e6), ylog=False),
    "m3": Curve({"A": 20, "gamma": 1e-5, "alpha": 0.3}, "x", SIZES),
    "m4": Curve({"E": 0.5, "y0": 4, "A": 2000, "alpha": 0.8, "g": 0.7}, "x", SIZES),
    "bnsl1": Curve({"a": 0.5, "b": 8, "c0": 0.05, "c1": 0.7, "d1": 3e4, "f1": 0.2}, "x", SIZES),
    "bnsl2": Curve(
        {"a": 0.3, "b": 8, "c0": 0.05, "c1": 0.6, "d1": 8e3, "f1": 0.15, "c2": -0.4, "d2": 2e5,
         "f2": 0.15}, "x", SIZES,
    ),
    "bnsl3": Curve(
        {"a": 0.3, "b": 8, "c0": 0.05, "c1": 0.6, "d1": 6e3, "f1": 0.1, "c2": -0.5, "d2": 3e4,
         "f2": 0.1, "c3": 0.8, "d3": 2e5, "f3": 0.1}, "x", SIZES,
    ),
    "chinchilla": Curve(POWERS, "N", SIZES, TOKENS),
    "chinchilla_tied": Curve({"E": 1.7, "A": 40, "B": 300, "alpha": 0.31}, "N", SIZES, TOKENS),
    "skaling": Curve(
        {"E": 1.7, "A": 40, "B": 300, "alpha": 0.5, "beta": 0.4, "k": 0.7}, "N", SIZES, TOKENS
    ),
    "farseer": Curve(
        {"s": -0.4, "q": 0.1, "S": 1.5, "B": 10, "b": -0.2, "Q": 1, "A": -0.5, "a": 0.1, "E": 0.3},
        "N", SIZES, TOKENS,
    ),
    "kaplan": Curve(
        {"N_c": 8e7, "D_c": 5e8, "alpha_N": 0.2, "alpha_D": 0.3}, "N", SIZES, TOKENS
    ),
    "overtraining": Curve(
        {"E": 1.5, "alpha": 40, "beta": 100, "eta": -0.28}, "N", SIZES, ("M", (10, 100, 1000)),
        {"D": "M * N"},
    ),
    "data_constrained": Curve(
        {**laws.data_constrained.fixed, "R_N": 5, "R_D": 15}, "D", (1e7, 1e11),
        ("U", (1e7, 1e8, 1e9)), {"N": "1e7"},
    ),
    "downstream": Curve(
        {"E": 0, "A": 60, "B": 30, "alpha": 0.3, "beta": 0.2, "a": 0.7, "k": -1, "L0": 4, "b": 0.25},
        "N", (1e3, 1e8), TOKENS, ylog=False,
    ),
    "lr_batch": Curve({"c": 2, "a": -0.7, "b": 0.3}, "N", SIZES, TOKENS),
    "moe_krajewski": Curve(
        {"c": 1.4, "a": 18, "g": 20, "b": 300, "gamma": 0.6, "alpha": 0.3, "beta": 0.4},
        "N", SIZES, ("G", (1, 4, 16)), {"D": "1e8"},
    ),
    "multi_power": Curve(
        {"L0": 2.5, "A": 0.6, "alpha": 0.45, "B": 300, "C": 2, "beta": 0.6, "gamma": 0.6},
        "step", (10, 2000), None, {"lr": "1e-3 * np.cos(np.pi / 2 * step / 2000)"},
    ),
    "power_product": Curve(
        {"A": 0.3, "alpha_L": 1.17, "alpha_D": 0.05, "alpha_N": 0.9, "alpha_M": 1},
        "L", (2, 10), ("D", (1e5, 1e9)), {"N": "1e6", "M": "100"},
    ),
    "precision": Curve(
        {**POWERS, "gamma_w": 2.7, "gamma_a": 2.2, "gamma_kv": 1}, "N", SIZES,
        ("P_w", (3, 4, 16)), {"D": "1e8", "P_a": "16", "P_kv": "16"},
    ),
    "quanta": Curve(
        {"a": 0.02, "b": 1, "alpha": 0.4, "C": 3e3, "tau_D": 1e5, "tau_S": 5, "K": 1e9},
        "N", (1e4, 1e9), ("D", (1e6, 1e8, 1e10)), {"step": "1e6"},
    ),
    "sparsity": Curve(
        {"a": 300, "alpha": 0.6, "b": 300, "beta": 0.35, "c": 0.5, "lambda": -0.2, "d": 15,
         "delta": 0.2, "gamma": 0.25, "e": 0.9}, "N", SIZES, ("S", (0, 0.9, 0.98)), {"D": "1e8"},
    ),
    "vocabulary": Curve(
        {"E": -0.8, "A1": 40, "alpha1": 0.35, "A2": 60, "alpha2": 0.5, "B": 300, "beta": 0.3},
        "N_nv", SIZES, ("N_v", (1e3, 1e5, 1e7)), {"H": "1e9"},
    ),
}  # fmt: skip


def items() -> list[Item]:
    """Each law there is, aliases left out."""
    shown = {law.name: law for law in laws.available().values()}
    return [Item(name, _lines(name, CURVES[name]), _text(law)) for name, law in shown.items()]


def _lines(name: str, curve: Curve) -> str:
    """The Python that draws a law."""
    along, response = curve.along, laws.named(name).response
    sizes = {along: along, **curve.others}
    if curve.series:
        sizes[curve.series[0]] = curve.series[0]
    given = "{" + ", ".join(f'"{size}": {text}' for size, text in sizes.items()) + "}"
    values = "{" + ", ".join(f'"{name}": {value:g}' for name, value in curve.values.items()) + "}"
    plot = f"ax.plot({along}, law.evaluate(values, {given})[0]"
    if curve.series:
        size, each = curve.series
        loop = f"for {size} in ({', '.join(f'{value:g}' for value in each)}):\n    "
        drawing = f'{loop}{plot}, label=f"{size} = {{{size}:.2g}}")\nax.legend(frameon=False)'
    else:
        drawing = f"{plot})"
    return f"""\
import numpy as np
import allometry as al

law = al.laws.{name}
values = {values}
{along} = np.geomspace({curve.span[0]:g}, {curve.span[1]:g}, 200)
figure, ((ax,),) = al.figures.panels(width=110)
al.figures.dress(ax, xlog=True, ylog={curve.ylog}).set(xlabel="{along}", ylabel="{response}")
{drawing}
al.figures.save_figure(figure, "{name}.svg")
"""


def _text(law: laws.Law) -> str:
    """Formula, source and the meaning of each parameter."""
    meanings = "; ".join(f"`{p.name}` {p.meaning}" for p in law.parameters)
    return (
        f"```text\n{law.formula}\n```\n\nSource: {law.source}. Use where: {law.valid}.\n\n"
        f"Parameters: {meanings}."
    )
