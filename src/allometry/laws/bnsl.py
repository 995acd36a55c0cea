"""Broken neural scaling laws: power laws joined smoothly at breaks."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAWS"]

STEEPEST = 15.0


def _parts(p: Values, sizes: Values) -> tuple[Array, list[tuple[Array, Array]]]:
    """The power b x^-c0 prod(...), and for each break (z, log(1 + e^z))."""
    log_x = np.log(sizes["x"])
    exponent = np.log(p["b"]) - p["c0"] * log_x
    breaks = []
    for i in _breaks(p):
        z = (log_x - np.log(p[f"d{i}"])) / p[f"f{i}"]
        bend = np.maximum(z, 0) + np.log(1 + np.exp(-np.abs(z)))
        breaks.append((z, bend))
        exponent = exponent - p[f"c{i}"] * p[f"f{i}"] * bend
    return np.exp(np.minimum(exponent, 300)), breaks


def _breaks(p: Values) -> range:
    return range(1, 1 + sum(name.startswith("d") for name in p))


def value(p: Values, sizes: Values) -> Array:
    """a + b x^-c0 prod_i (1 + (x/d_i)^(1/f_i))^(-c_i f_i)."""
    return p["a"] + _parts(p, sizes)[0]


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """The value, and its derivatives with respect to every parameter."""
    power, breaks = _parts(p, sizes)
    slopes = {
        "y": p["a"] + power,
        "a": np.ones_like(power),
        "b": power / p["b"],
        "c0": -np.log(sizes["x"]) * power,
    }
    for i, (z, bend) in enumerate(breaks, start=1):
        past = np.exp(z - bend)
        c, f = p[f"c{i}"], p[f"f{i}"]
        slopes[f"c{i}"] = -f * bend * power
        slopes[f"d{i}"] = c * past * power / p[f"d{i}"]
        slopes[f"f{i}"] = c * (past * z - bend) * power
    return slopes


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """a in units of y, d in units of x; b carries y and x^c0."""
    x, y = centre["x"], centre["y"]
    moved = {**p, "a": p["a"] * y, "b": p["b"] * y * x ** p["c0"]}
    return {**moved, **{f"d{i}": p[f"d{i}"] * x for i in _breaks(p)}}


def starts(uniform: Array, sizes: Values, y: Array) -> Array:
    """Slopes of either sign, breaks in increasing order inside the data."""
    count = (uniform.shape[1] - 3) // 3
    log_x = np.log(sizes["x"])
    places = np.sort(uniform[:, 4::3][:, :count], axis=1)
    columns = [np.full(len(uniform), 0.5), np.ones(len(uniform)), -0.3 + 1.5 * uniform[:, 2] ** 2]
    for i in range(count):
        columns += [
            -1.0 + 4 * uniform[:, 3 + 3 * i],
            np.exp(log_x.min() + places[:, i] * np.ptp(log_x)),
            0.03 * 100 ** uniform[:, 5 + 3 * i],
        ]
    return np.stack(columns, 1)


def _law(breaks: int) -> Law:
    bends = []
    for i in range(1, breaks + 1):
        bends += [
            Parameter(f"c{i}", f"change of slope at break {i}", bounds=(-STEEPEST, STEEPEST)),
            Parameter(f"d{i}", f"x of break {i}", positive=True, bounds=(1e-6, 1e6)),
            Parameter(f"f{i}", f"width of break {i} in log x", positive=True, bounds=(1e-3, 10.0)),
        ]
    product = " ".join(f"(1 + (x/d{i})^(1/f{i}))^(-c{i} f{i})" for i in range(1, breaks + 1))
    return Law(
        name=f"bnsl{breaks}",
        formula=f"y = a + b x^-c0 {product}",
        source="Caballero et al. 2210.14891, eq. 1",
        sizes=("x",),
        response="y",
        parameters=(
            Parameter("a", "floor of y", positive=True, bounds=(1e-6, 1e3), kind="floor"),
            Parameter("b", "scale of y above the floor", positive=True, bounds=(1e-9, 1e9)),
            Parameter("c0", "slope before the first break", bounds=(-STEEPEST, STEEPEST)),
            *bends,
        ),
        value=value,
        gradient=gradient,
        uncentre=uncentre,
        starts=starts,
        linear=("a", "b"),
        valid="x > 0; a break outside the range of the data cannot be determined",
        default_starts=(96, 240, 400)[breaks - 1],
    )


LAWS = tuple(_law(breaks) for breaks in (1, 2, 3))
