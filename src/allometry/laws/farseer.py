"""Loss of N and D, where the coefficient and the exponent of D depend on N."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.law import Array, Coordinates, Law, Parameter, Values

__all__ = ["LAW", "bent"]

# For each of the three functions of N, names of: the factor of its power of N, the exponent of
# that power, the constant.
TRIPLES = (("s", "q", "S"), ("B", "b", "Q"), ("A", "a", "E"))
SMALL = 1e-4  # |r ln x| below which `bent` uses a series, whose relative error is 1e-9


def _of_three(logs: list[Array], log_d: Array) -> tuple[Array, Array, Array]:
    """The loss at infinite D, the excess at finite D, and a derivative of the excess.

    The derivative is with respect to the log of D's exponent.
    """
    floor, falls = np.exp(logs[0]), np.exp(logs[2])
    excess = np.exp(logs[1] - falls * log_d)
    return floor, excess, -excess * falls * log_d


def _logs(p: Values, log_n: Array) -> list[Array]:
    return [p[scale] * np.exp(p[power] * log_n) + p[rest] for scale, power, rest in TRIPLES]


def value(p: Values, sizes: Values) -> Array:
    """exp(s N^q + S) + exp(B N^b + Q) D^-exp(A N^a + E)."""
    floor, excess, _ = _of_three(_logs(p, np.log(sizes["N"])), np.log(sizes["D"]))
    return floor + excess


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """The value, and its derivatives with respect to every parameter."""
    log_n = np.log(sizes["N"])
    parts = _of_three(_logs(p, log_n), np.log(sizes["D"]))
    slopes = {"L": parts[0] + parts[1]}
    for (scale, power, rest), outer in zip(TRIPLES, parts, strict=True):
        slopes[rest] = outer
        slopes[scale] = outer * np.exp(p[power] * log_n)
        slopes[power] = slopes[scale] * p[scale] * log_n
    return slopes


def bent(log_x: Array, r: Array) -> tuple[Array, Array]:
    """(x^r - 1)/r, which is ln x for r = 0, and its derivative in r (Box and Cox 1964)."""
    z = np.asarray(r * log_x)
    near = np.abs(z) < SMALL
    power, safe = np.expm1(z), np.where(near, 1.0, r)
    value = power / safe
    slope = (log_x * (power + 1) - value) / safe
    if near.any():
        z, x = z[near], np.broadcast_to(log_x, z.shape)[near]
        value[near] = x * (1 + z / 2 + z**2 / 6)
        slope[near] = x**2 * (0.5 + z / 3 + z**2 / 8)
    return value, slope


def _curves(c: Values, log_n: Array) -> list[tuple[Array, Array]]:
    """(N^r - 1)/r for each of the three functions of N, and its derivative in r."""
    return [bent(log_n, c[power]) for _, power, _ in TRIPLES]


def _logs_along(c: Values, curves: list[tuple[Array, Array]]) -> list[Array]:
    return [
        c[rest] + c[scale] * curve
        for (scale, _, rest), (curve, _) in zip(TRIPLES, curves, strict=True)
    ]


def value_along(c: Values, sizes: Values) -> Array:
    """The value as a function of coordinates."""
    curves = _curves(c, np.log(sizes["N"]))
    floor, excess, _ = _of_three(_logs_along(c, curves), np.log(sizes["D"]))
    return floor + excess


def gradient_along(c: Values, sizes: Values) -> dict[str, Array]:
    """The value, and its derivatives with respect to every coordinate."""
    curves = _curves(c, np.log(sizes["N"]))
    parts = _of_three(_logs_along(c, curves), np.log(sizes["D"]))
    slopes = {"L": parts[0] + parts[1]}
    for (scale, power, rest), outer, (curve, by_power) in zip(TRIPLES, parts, curves, strict=True):
        slopes[rest] = outer
        slopes[scale] = outer * curve
        slopes[power] = outer * c[scale] * by_power
    return slopes


def coordinates(p: Values) -> dict[str, Array]:
    """Level, slope in ln N and exponent of each function of N at N = 1, the middle of the rows.

    s N^q + S is l + m (N^q - 1)/q with l = s + S and m = s q. As q goes to 0, it becomes a line
    in ln N, for which s and S are infinite. A search over l, m and q can cross q = 0.
    """
    c = dict(p)
    for scale, power, rest in TRIPLES:
        c[scale], c[rest] = p[scale] * p[power], p[scale] + p[rest]
    return c


def parameters(c: Values) -> dict[str, Array]:
    """The parameters that have these coordinates."""
    p = dict(c)
    for scale, power, rest in TRIPLES:
        p[scale] = c[scale] / c[power]
        p[rest] = c[rest] - p[scale]
    return p


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """S and Q carry the scale of the loss; s, B and A that of N. D is not centred."""
    raw, log_y = dict(p), np.log(centre["L"])
    for scale, power, _ in TRIPLES:
        raw[scale] = p[scale] * centre["N"] ** -p[power]
    return {**raw, "S": p["S"] + log_y, "Q": p["Q"] + log_y}


def starts(uniform: Array, sizes: Values, y: Array) -> Array:
    """Level and slope of each function of N at the middle of the rows, and its exponent.

    The loss at infinite D is 30 to 95% of the middle loss, and falls as N^0 to N^-0.2. The rest of
    the loss falls at the middle as D^-0.1 to D^-1 and as N^0 to N^-0.4. D's exponent varies as
    N^0.05 to N^-0.25.
    """
    log_n, log_d = (float(np.log(sizes[s]).mean()) for s in ("N", "D"))
    middle, share = float(np.log(np.abs(y)).mean()), 0.3 + 0.65 * uniform[:, 0]
    falls, turn = 0.1 * 10 ** uniform[:, 1], 0.05 - 0.3 * uniform[:, 2]
    level = {"S": middle + np.log(share), "E": np.log(falls)}
    level["Q"] = middle + np.log1p(-share) + falls * log_d
    # At the middle D, the slope of the rest in ln N is that of D's coefficient minus
    # falls * turn * ln D.
    slope = {"S": -0.2 * uniform[:, 3], "E": turn}
    slope["Q"] = -0.4 * uniform[:, 4] + falls * turn * log_d
    p = {}
    for (scale, power, rest), u in zip(TRIPLES, uniform[:, 5:8].T, strict=True):
        p[power] = np.where(u < 0.5, -0.02, 0.02) + 0.8 * (u - 0.5)
        p[scale] = slope[rest] / p[power] * np.exp(-p[power] * log_n)
        p[rest] = level[rest] - slope[rest] / p[power]
    return np.stack([p[q.name] for q in LAW.parameters], 1)


LEVEL, SLOPE, EXPONENT = (-300.0, 300.0), (-100.0, 100.0), (-5.0, 5.0)

LAW = Law(
    name="farseer",
    formula="L = exp(s N^q + S) + exp(B N^b + Q) D^-exp(A N^a + E)",
    source="Li et al. 2506.10972 (Farseer)",
    sizes=("N", "D"),
    uncentred=("D",),
    response="L",
    parameters=(
        Parameter("s", "factor of N^q in the log of the loss at infinite D", bounds=SLOPE),
        Parameter("q", "exponent of N in the log of the loss at infinite D", bounds=EXPONENT),
        Parameter("S", "rest of the log of the loss at infinite D", bounds=LEVEL),
        Parameter("B", "factor of N^b in the log of D's coefficient", bounds=SLOPE),
        Parameter("b", "exponent of N in the log of D's coefficient", bounds=EXPONENT),
        Parameter("Q", "rest of the log of D's coefficient", bounds=LEVEL),
        Parameter("A", "factor of N^a in the log of D's exponent", bounds=SLOPE),
        Parameter("a", "exponent of N in the log of D's exponent", bounds=EXPONENT),
        Parameter("E", "rest of the log of D's exponent", bounds=LEVEL),
    ),
    value=value,
    gradient=gradient,
    coordinates=Coordinates(
        coordinates, parameters, value_along, gradient_along, same=("q", "b", "a")
    ),
    uncentre=uncentre,
    starts=starts,
    valid="N > 0, D > 0, L > 0; needs many different N and D",
    default_starts=64,
)
