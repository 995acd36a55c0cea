"""The effect of counting parameters with or without embeddings.

A law is a function of one count of N. In another count, the best N over the same runs grows with a
different power of compute: Pearce & Song 2406.12907 derive the exponent .73 of Kaplan et al. from
the law of Hoffmann et al. with N_total = N_body + omega N_body^(1/3).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from allometry.errors import DataError
from allometry.laws import Array
from allometry.plan.frontier.conventions import width
from allometry.plan.frontier.cost import Cost
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.frontier.resized import resized
from allometry.plan.frontier.roots import rising_root
from allometry.plan.frontier.waste import wasted
from allometry.plan.quantities import positive

__all__ = ["Counts", "Exponents", "OtherColumn", "exponents", "other_column", "recounted",
           "with_embedding"]  # fmt: skip

BODY = np.log(1e-6), np.log(1e36)  # search range of ln N_body


def with_embedding(vocabulary: float, aspect_ratio: float) -> Callable[[Array], Array]:
    """N_body -> N_body + V d, with one embedding of V entries; d / n_layer = aspect_ratio."""
    positive(vocabulary, "number of entries of the vocabulary")
    positive(aspect_ratio, "width per layer")
    return lambda n_body: n_body + vocabulary * width(n_body, aspect_ratio)


def recounted(frontier: Frontier, count: Callable[[Array], Array], cost: Cost) -> Frontier:
    """The same law as a function of another count of N.

    Args:
        count: the other N, of any shape -> the N of the law.
        cost: FLOP as a function of the other N.
    """
    other = resized(frontier.law, lambda sizes: {**sizes, "N": count(sizes["N"])})
    return replace(frontier, law=other, cost=cost)


@dataclass(frozen=True)
class Exponents:
    """Exponents of the best N, D and loss in compute, by least squares in logs, each (k,)."""

    n: Array
    d: Array
    loss: Array


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # some draws have no optimum
def exponents(frontier: Frontier, low: float, high: float, points: int = 25) -> Exponents:
    """Exponents of compute in the best N, D and loss between two computes in FLOP."""
    computes = np.geomspace(low, high, points)
    best = [frontier.at(compute) for compute in computes]
    log_c = np.log(computes) - np.log(computes).mean()

    def slope(values: list[Array]) -> Array:
        return np.asarray(log_c @ np.log(np.stack(values)) / (log_c @ log_c))

    return Exponents(*(slope([getattr(b, size) for b in best]) for size in ("n", "d", "loss")))


@dataclass(frozen=True)
class Counts:
    """N of models in both counts, increasing, each (m,).

    The embedding parameters are a function of N_body, interpolated in logs between the models and
    extrapolated by the power of N_body from least squares in logs.
    """

    total: Array
    body: Array
    slope: float

    @classmethod
    def of_rows(cls, total: Array, body: Array) -> "Counts":
        """From two columns; rows with the same N_body are averaged in logs.

        Raises:
            DataError: the total of a row is not above its body, there is only one size, or the
                total does not rise with the body.
        """
        usable = np.isfinite(total) & np.isfinite(body) & (total > 0) & (body > 0)
        total, body = total[usable], body[usable]
        if not len(total) or (total <= body).any():
            raise DataError("N with embeddings must exceed N without them in every row")
        sizes, places = np.unique(body, return_inverse=True)
        log_extra = np.bincount(places, np.log(total - body)) / np.bincount(places)
        if len(sizes) < 2:
            raise DataError("both counts of N are needed at two sizes or more")
        if (np.diff(sizes + np.exp(log_extra)) <= 0).any():
            raise DataError("N with embeddings does not rise with N without them: check the rows")
        slope = float(np.polyfit(np.log(sizes), log_extra, 1)[0])
        return cls(sizes + np.exp(log_extra), sizes, slope)

    def to_total(self, body: Array) -> Array:
        """N with embeddings, of any shape."""
        log_n, log_sizes = np.log(body), np.log(self.body)
        extra = np.interp(log_n, log_sizes, np.log(self.total - self.body))
        outside = log_n - np.clip(log_n, log_sizes[0], log_sizes[-1])
        return np.asarray(body + np.exp(extra + self.slope * outside))

    def to_body(self, total: Array) -> Array:
        """N without embeddings, of any shape."""
        total = np.asarray(total, float)
        low, high = (np.full_like(total, end) for end in BODY)
        return np.exp(rising_root(lambda x: self.to_total(np.exp(x)) - total, low, high))


@dataclass(frozen=True)
class OtherColumn:
    """Two plans for one compute: the law fitted to N with embeddings, and to N without.

    Attributes:
        n_total: N* of the plan by N with embeddings, (k,). n_body_as_total: N* of the plan by N
            without embeddings, converted to N with embeddings, (k,).
        waste_of_body: the share of compute that the plan by N without embeddings wastes if the
            law in N with embeddings is true, (k,). waste_of_total: the same with the counts
            exchanged.
        compute_ratio: FLOP of the plan by N without embeddings over those of the other plan,
            both by the cost with embeddings, (k,).
    """

    n_total: Array
    n_body_as_total: Array
    waste_of_body: Array
    waste_of_total: Array
    compute_ratio: Array


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # some draws have no optimum
def other_column(
    by_total: Frontier, by_body: Frontier, counts: Counts, compute: float
) -> OtherColumn:
    """The effect of taking the other column of N, in wasted compute.

    Args:
        by_total, by_body: the laws fitted to each column, with their costs; both with the same
            number of sets of parameters, or one.
        compute: FLOP, by each law's own cost.
    """
    total, body = by_total.at(compute), by_body.at(compute)
    body_as_total, total_as_body = counts.to_total(body.n), counts.to_body(total.n)
    return OtherColumn(
        n_total=total.n,
        n_body_as_total=body_as_total,
        waste_of_body=wasted(by_total, body_as_total, body.d),
        waste_of_total=wasted(by_body, total_as_body, total.d),
        compute_ratio=by_total.cost.compute(body_as_total, body.d) / compute,
    )
