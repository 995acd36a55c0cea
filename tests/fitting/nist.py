"""NIST's 27 certified problems of nonlinear regression, each as a law of one's own.

Statistical Reference Datasets, itl.nist.gov/div898/strd: U.S. Government work, public domain.
"""

import re
from dataclasses import dataclass

import numpy as np

from allometry.laws import Law, Parameter
from allometry.tables.table import Table
from tests import ASSETS


def gauss(p, x):
    """An exponential and two Gaussian peaks."""
    peaks = [(p["b3"], p["b4"], p["b5"]), (p["b6"], p["b7"], p["b8"])]
    return p["b1"] * np.exp(-p["b2"] * x) + sum(
        height * np.exp(-((x - place) ** 2) / width**2) for height, place, width in peaks
    )


def lanczos(p, x):
    """Three exponentials."""
    pairs = (("b1", "b2"), ("b3", "b4"), ("b5", "b6"))
    return sum(p[height] * np.exp(-p[rate] * x) for height, rate in pairs)


def chwirut(p, x):
    """An exponential over a straight line."""
    return np.exp(-p["b1"] * x) / (p["b2"] + p["b3"] * x)


def cubics(p, x):
    """A cubic over a cubic."""
    above = p["b1"] + p["b2"] * x + p["b3"] * x**2 + p["b4"] * x**3
    return above / (1 + p["b5"] * x + p["b6"] * x**2 + p["b7"] * x**3)


def enso(p, x):
    """A year's wave and two of unknown period."""
    turns = 2 * np.pi * x
    waves = ((12.0, "b2", "b3"), (p["b4"], "b5", "b6"), (p["b7"], "b8", "b9"))
    return p["b1"] + sum(
        p[even] * np.cos(turns / period) + p[odd] * np.sin(turns / period)
        for period, even, odd in waves
    )


VALUES = {
    "Bennett5": lambda p, x: p["b1"] * (p["b2"] + x) ** (-1 / p["b3"]),
    "BoxBOD": lambda p, x: p["b1"] * (1 - np.exp(-p["b2"] * x)),
    "Chwirut1": chwirut,
    "Chwirut2": chwirut,
    "DanWood": lambda p, x: p["b1"] * x ** p["b2"],
    "ENSO": enso,
    "Eckerle4": lambda p, x: p["b1"] / p["b2"] * np.exp(-0.5 * ((x - p["b3"]) / p["b2"]) ** 2),
    "Gauss1": gauss,
    "Gauss2": gauss,
    "Gauss3": gauss,
    "Hahn1": cubics,
    "Kirby2": lambda p, x: (
        (p["b1"] + p["b2"] * x + p["b3"] * x**2) / (1 + p["b4"] * x + p["b5"] * x**2)
    ),
    "Lanczos1": lanczos,
    "Lanczos2": lanczos,
    "Lanczos3": lanczos,
    "MGH09": lambda p, x: p["b1"] * (x**2 + x * p["b2"]) / (x**2 + x * p["b3"] + p["b4"]),
    "MGH10": lambda p, x: p["b1"] * np.exp(p["b2"] / (x + p["b3"])),
    "MGH17": lambda p, x: p["b1"] + p["b2"] * np.exp(-x * p["b4"]) + p["b3"] * np.exp(-x * p["b5"]),
    "Misra1a": lambda p, x: p["b1"] * (1 - np.exp(-p["b2"] * x)),
    "Misra1b": lambda p, x: p["b1"] * (1 - (1 + p["b2"] * x / 2) ** -2.0),
    "Misra1c": lambda p, x: p["b1"] * (1 - (1 + 2 * p["b2"] * x) ** -0.5),
    "Misra1d": lambda p, x: p["b1"] * p["b2"] * x / (1 + p["b2"] * x),
    "Nelson": lambda p, x1, x2: p["b1"] - p["b2"] * x1 * np.exp(-p["b3"] * x2),
    "Rat42": lambda p, x: p["b1"] / (1 + np.exp(p["b2"] - p["b3"] * x)),
    "Rat43": lambda p, x: p["b1"] / (1 + np.exp(p["b2"] - p["b3"] * x)) ** (1 / p["b4"]),
    "Roszman1": lambda p, x: p["b1"] - p["b2"] * x - np.arctan(p["b3"] / (x - p["b4"])) / np.pi,
    "Thurber": cubics,
}

# Other places of the same optimum: terms in another order, and signs that cancel.
ORDERS = {
    "Lanczos": ((0, 1, 2, 3, 4, 5), (0, 1, 4, 5, 2, 3), (2, 3, 0, 1, 4, 5),
                (2, 3, 4, 5, 0, 1), (4, 5, 0, 1, 2, 3), (4, 5, 2, 3, 0, 1)),
    "Gauss": ((0, 1, 2, 3, 4, 5, 6, 7), (0, 1, 5, 6, 7, 2, 3, 4)),
    "MGH17": ((0, 1, 2, 3, 4), (0, 2, 1, 4, 3)),
    "ENSO": ((0, 1, 2, 3, 4, 5, 6, 7, 8), (0, 1, 2, 6, 7, 8, 3, 4, 5)),
}  # fmt: skip
SIGNS = {"Gauss": ((4,), (7,)), "Eckerle4": ((0, 1),), "ENSO": ((3, 5), (6, 8))}


@dataclass(frozen=True)
class Problem:
    """One of NIST's problems.

    Attributes:
        name: NIST's. law: the model as a function value alone. table: the data.
        starts: the two certified starts, each by parameter.
        certified: parameters (p,). total: certified residual sum of squares.
    """

    name: str
    law: Law
    table: Table
    starts: tuple[dict[str, float], dict[str, float]]
    certified: np.ndarray
    total: float

    @property
    def columns(self):
        """Every symbol is the column of its name."""
        return {symbol: symbol for symbol in self.law.symbols}

    def digits(self, values):
        """Correct digits of the worst parameter, at the nearest of the optimum's places."""
        place = np.array([values[name] for name in self.law.names])
        for group in _of(SIGNS, self.name, ()):
            if place[list(group)][-1 if self.name != "ENSO" else 0] < 0:
                place[list(group)] *= -1
        orders = _of(ORDERS, self.name, (tuple(range(len(place))),))
        errors = [np.abs(place[list(order)] / self.certified - 1).max() for order in orders]
        return -np.log10(max(min(errors), 1e-12))


def _of(table, name, default):
    return next((v for family, v in table.items() if name.startswith(family)), default)


def problem(name):
    """The problem of that name, from its file."""
    text = (ASSETS / "nist_strd" / f"{name}.dat").read_text()
    header, _, data = text.rpartition("Data:")
    lines = re.findall(r"^\s*(b\d)\s*=\s*(\S+)\s+(\S+)\s+(\S+)\s+\S+", header, re.MULTILINE)
    columns = np.array([line.split() for line in data.splitlines()[1:] if line.strip()], float).T
    y, *sizes = columns
    y = np.log(y) if name == "Nelson" else y  # its model is of log y
    symbols = ("x",) if len(sizes) == 1 else ("x1", "x2")
    function = VALUES[name]
    law = Law(
        name=name,
        formula="y = f(x)",
        source="NIST StRD",
        sizes=symbols,
        response="y",
        parameters=tuple(Parameter(line[0], "see the file") for line in lines),
        value=lambda p, s: function(p, *(s[symbol] for symbol in symbols)),
    )
    total = re.search(r"Residual Sum of Squares:\s*(\S+)", header)[1]
    starts = tuple({line[0]: float(line[i]) for line in lines} for i in (1, 2))
    table = Table({"y": y, **dict(zip(symbols, sizes, strict=True))})
    return Problem(name, law, table, starts, np.array([float(v[3]) for v in lines]), float(total))
