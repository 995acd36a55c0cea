"""From columns or numbers to the symbols of a law, and checks of the mapping.

C or M may be mapped in place of D: D is then C / (6 N) or M N. The size of a law of one size may
be mapped as x or z.
"""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from allometry.errors import UsageError
from allometry.laws import Array, Law

__all__ = [
    "SIZE_ALIASES",
    "check_response",
    "data_from",
    "law_of_columns",
    "logarithm_notes",
    "named_as_logarithm",
    "sizes_at",
]

SIZE_ALIASES = ("x", "z")  # of the size of a law of one size

# Matches log10_params, logN and loss_ln, but not logits or catalog_size.
LOGARITHM = re.compile(r"(?:^|[^A-Za-z])(?i:log|ln)(?:10|2|e)?(?![a-z0-9])")
CROSS_ENTROPY = re.compile(r"log_?loss", re.IGNORECASE)  # a name of the loss itself
EXPONENTIAL = re.compile(r"\*\*|\bexp\(")  # 10**log10_params is not a logarithm
EXPONENTS = (3.0, 14.0)  # range of log10 of common sizes


def law_of_columns(law: Law, columns: Mapping[str, str]) -> Law:
    """The law, reduced to the mapped sizes if it needs only some of its sizes.

    Raises:
        UsageError: fewer sizes are mapped than the law needs.
    """
    if law.of_sizes is None:
        return law
    stands_in = {"D"} if {"N", "C"} <= set(columns) else set()  # D is then C / (6 N)
    return law.of_sizes(tuple(s for s in law.sizes if s in {*columns, *stands_in}))


def data_from(stand_in: str, values: Array, n: Array) -> Array:
    """D (n,) from N and from C or M, each (n,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return values / (6 * n) if stand_in == "C" else values * n


def sizes_at(
    law: Law, columns: Mapping[str, str], given: Mapping[str, ArrayLike]
) -> dict[str, Array]:
    """The law's sizes, each (n,), from numbers named by symbol or by column.

    Args:
        columns: symbol -> column of the fit. given: name -> numbers; unknown names are ignored.

    Raises:
        UsageError: a size that cannot be computed from the given numbers.
    """
    named = {symbol: given[column] for symbol, column in columns.items() if column in given}
    named |= {symbol: given[symbol] for symbol in (*law.sizes, *SIZE_ALIASES, "C", "M")
              if symbol in given}  # fmt: skip
    points = {symbol: np.atleast_1d(np.asarray(v, float)) for symbol, v in named.items()}
    if len(law.sizes) == 1:
        for alias in {*SIZE_ALIASES} & set(points):
            points.setdefault(law.sizes[0], points[alias])
    stand_in = next((symbol for symbol in ("C", "M") if symbol in points), None)
    if {"N", "D"} <= set(law.sizes) and "D" not in points and stand_in and "N" in points:
        points["D"] = data_from(stand_in, points[stand_in], points["N"])
    for symbol in law.sizes:
        if symbol not in points:
            raise UsageError(f"law {law.name} needs a value of {symbol!r}, got {', '.join(given)}")
    sizes = np.broadcast_arrays(*(points[symbol] for symbol in law.sizes))
    return dict(zip(law.sizes, sizes, strict=True))


def check_response(law: Law, columns: Mapping[str, str]) -> None:
    """Refuse a column mapped both to the response and to a size: the fit would be y = x.

    Raises:
        UsageError: the message names the column and both symbols.
    """
    response = columns.get(law.response)
    for symbol, column in columns.items():
        if symbol != law.response and column == response:
            raise UsageError(
                f"column {column!r} is mapped to both {symbol} and {law.response}; "
                f"map the column of measured values to {law.response}"
            )


def logarithm_notes(
    law: Law, columns: Mapping[str, str], data: Mapping[str, Array]
) -> tuple[str, ...]:
    """A note for each mapped column that looks like the logarithm of what the law needs.

    A column does if its name says so (unless it is an exponent, as in `10**log10_params`). A
    column of sizes also does if its values lie between 3 and 14, span less than a factor of 2 and
    are not all integers. The values are never changed.

    Args:
        data: the used rows by symbol, (n,).
    """
    notes = []
    for symbol, column in columns.items():
        if named_as_logarithm(column) or (
            symbol in law.sizes and symbol in data and _like_exponents(data[symbol])
        ):
            notes.append(
                f"{symbol} is column {column!r}, which looks like logarithms; it was fitted "
                "unchanged. If it holds logarithms, map the plain numbers instead"
            )
    return tuple(notes)


def named_as_logarithm(column: str) -> bool:
    """Whether a column's name or expression says that it holds logarithms."""
    named = LOGARITHM.search(column) and not CROSS_ENTROPY.search(column)
    return bool(named and not EXPONENTIAL.search(column))


def _like_exponents(values: Array) -> bool:
    low, high = float(values.min()), float(values.max())
    return (
        EXPONENTS[0] <= low
        and high <= EXPONENTS[1]
        and high < 2 * low
        and bool(np.any(values % 1 != 0))
    )
