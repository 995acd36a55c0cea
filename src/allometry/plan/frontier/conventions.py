"""Named conventions for counting the FLOP of training, each a `Cost`.

A transformer decoder of width d with n_layer layers has N_body = 12 n_layer d^2 parameters in its
matrices (attention 4 d^2, MLP 8 d^2 per layer), V d in its embedding and V d in its head. For each
token, a forward and backward pass takes 6 FLOP per parameter of a matrix and 12 n_layer d L_seq
FLOP for attention over L_seq positions, without the saving of a causal mask. N determines d if the
aspect ratio d / n_layer is given: d = (N_body aspect / 12)^(1/3).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from allometry.errors import DataError, UsageError, did_you_mean
from allometry.laws import Array
from allometry.plan.frontier.cost import SIX_ND, Cost
from allometry.plan.quantities import positive
from allometry.plan.runs import Runs
from allometry.tables.table import Table

__all__ = ["NAMES", "Counting", "Measured", "convention", "measured", "width"]

NEEDED: dict[str, tuple[str, ...]] = {
    "6nd_total": (),
    "6nd_body": (),
    "6nd_body_plus_head": ("vocabulary", "aspect_ratio"),
    "with_attention": ("vocabulary", "sequence", "aspect_ratio"),
    "deepseek": ("sequence", "aspect_ratio"),
    "measured": ("runs",),
}
NAMES = tuple(NEEDED)
MEANINGS = {
    "vocabulary": "the number of entries of the vocabulary",
    "sequence": "the length of a sequence in tokens",
    "aspect_ratio": "the aspect ratio of the model, d / n_layer",
    "runs": "runs with a measured C",
}
SAME = 1e-6  # relative variation of C / (N D) below which C is taken as proportional to N D

SIX_ND_BODY = Cost(
    "6nd_body", "C = 6 N D, N without embeddings and head (Kaplan et al. 2001.08361)",
    lambda n: 6.0 * n, 6.0,
)  # fmt: skip


def convention(
    name: str,
    *,
    vocabulary: int | None = None,
    sequence: int | None = None,
    aspect_ratio: float | None = None,
    runs: Runs | None = None,
) -> Cost:
    """The convention with a given name.

    Args:
        name: 6nd_total; or, with N without embeddings and head, 6nd_body, 6nd_body_plus_head,
            with_attention, deepseek; or measured, with N as in the runs.
        vocabulary: V. sequence: L_seq in tokens. aspect_ratio: d / n_layer.
        runs: with C from a column of the table, for `measured`.

    Raises:
        UsageError: no such convention, or a missing argument that the convention needs.
        DataError: as in `measured`.
    """
    if name not in NAMES:
        known = ", ".join(NAMES)
        raise UsageError(
            f"no FLOP convention {name!r}; there are {known}{did_you_mean(name, NAMES)}"
        )
    given = {"vocabulary": vocabulary, "sequence": sequence, "aspect_ratio": aspect_ratio,
             "runs": runs}  # fmt: skip
    missing = [MEANINGS[part] for part in NEEDED[name] if given[part] is None]
    if missing:
        raise UsageError(f"the FLOP convention {name} also needs {' and '.join(missing)}")
    if name == "measured" and runs is not None:
        return measured(runs).cost
    shape = {part: positive(float(value), f"{part} ({MEANINGS[part]})")
             for part, value in given.items() if isinstance(value, int | float)}  # fmt: skip
    return _of_shape(name, shape)


@dataclass(frozen=True)
class Counting:
    """How FLOP and N are counted, by name; see `conventions.convention`."""

    flops: str = "6nd_total"
    vocabulary: int | None = None
    sequence: int | None = None
    aspect_ratio: float | None = None

    @classmethod
    def of(cls, way: "Counting | str") -> "Counting":
        """The way of counting, given as such or by its name."""
        return cls(way) if isinstance(way, str) else way

    def cost(self, table: Table | None = None, columns: Mapping[str, str] | None = None) -> Cost:
        """The cost of a run.

        Args:
            table, columns: of the runs, for the convention `measured`.
        """
        runs = None
        if self.flops == "measured" and table is not None and columns is not None:
            if not {"C", "D"} <= set(columns):
                raise UsageError(
                    "the convention measured needs columns of N, D and C: map D=COLUMN and C=COLUMN"
                )
            runs = Runs.of_table(table, columns, SIX_ND)
        return convention(
            self.flops, vocabulary=self.vocabulary, sequence=self.sequence,
            aspect_ratio=self.aspect_ratio, runs=runs,
        )  # fmt: skip


def width(n_body: Array, aspect_ratio: float) -> Array:
    """The width d of a decoder with N_body parameters in its matrices."""
    return np.asarray(np.cbrt(n_body * aspect_ratio / 12))


def _of_shape(name: str, shape: dict[str, float]) -> Cost:
    """A convention that does not need runs."""
    if name in ("6nd_total", "6nd_body"):
        return SIX_ND if name == "6nd_total" else SIX_ND_BODY
    aspect = shape["aspect_ratio"]
    head = 6 * shape.get("vocabulary", 0.0)  # FLOP per unit of width and token
    attention = shape.get("sequence", 0.0)
    formula, per_token = _decoder(name, aspect, head, attention)
    at = ", ".join(f"{MEANINGS[part]} {shape[part]:g}" for part in NEEDED[name])
    return Cost(name, f"{formula}, N without embeddings and head; {at}", per_token)


def _decoder(
    name: str, aspect: float, head: float, sequence: float
) -> tuple[str, Callable[[Array], Array]]:
    """The formula, and FLOP per token as a function of N_body."""
    if name == "6nd_body_plus_head":
        formula = "C = 6 (N + V d) D (Porian et al. 2406.19146)"
        return formula, lambda n: 6 * n + head * width(n, aspect)
    if name == "with_attention":
        formula = "C = (6 + L_seq / d) N D + 6 V d D (Porian et al. 2406.19146)"
        return formula, lambda n: (6 + sequence / width(n, aspect)) * n + head * width(n, aspect)
    formula = "C = (72 n_layer d^2 + 12 n_layer d L_seq) D (DeepSeek LLM 2401.02954)"
    return formula, lambda n: (6 + sequence / width(n, aspect)) * n


@dataclass(frozen=True)
class Measured:
    """FLOP per token as a power of N, fitted to runs with a measured C.

    Attributes:
        coefficient, exponent: of C / D = coefficient N^exponent.
        deviation: the largest relative difference of a run's C from this fit.
        rows: number of runs.
    """

    coefficient: float
    exponent: float
    deviation: float
    rows: int

    @property
    def cost(self) -> Cost:
        """The convention; its meaning states the largest deviation."""
        power, factor = self.exponent, self.coefficient
        formula = f"C = {factor:.4g} N^{power:.4g} D by least squares in logs of {self.rows} runs"
        meaning = f"{formula}; the largest deviation of a run is {100 * self.deviation:.2g}%"
        flat = factor if power == 1 else None
        return Cost("measured", meaning, lambda n: factor * n**power, flat)


def measured(runs: Runs) -> Measured:
    """C / D as a power of N, by least squares in logs.

    Raises:
        DataError: all runs have the same N, or the FLOP per token do not rise with N.
    """
    log_n, log_each = np.log(runs.n), np.log(runs.compute / runs.d)
    if np.ptp(log_n) == 0:
        raise DataError("a measured C is fitted as a power of N, but all runs have the same N")
    ratio = log_each - log_n
    if np.ptp(ratio) < SAME:
        return Measured(float(np.exp(ratio.mean())), 1.0, float(np.expm1(np.ptp(ratio))), len(runs))
    exponent, intercept = np.polyfit(log_n, log_each, 1)
    if exponent <= 0:
        raise DataError(
            f"the measured C / D falls with N, as N^{exponent:.2g}: check the columns of N, D and C"
        )
    deviation = np.abs(np.expm1(log_each - intercept - exponent * log_n)).max()
    return Measured(float(np.exp(intercept)), float(exponent), float(deviation), len(runs))
