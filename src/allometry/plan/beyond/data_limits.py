"""Plans with fewer unique data than the best run would use.

Either no token is seen twice, so that D is smaller and N larger; or data are repeated, and a
token of a later epoch is worth less (Muennighoff et al. 2305.16264, eq. 5 and 6).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from allometry.errors import UsageError
from allometry.laws import Allocation, Array
from allometry.laws.law import Values
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.frontier.planned import Planned, planned
from allometry.plan.frontier.resized import resized
from allometry.plan.quantities import positive
from allometry.stats.interval import Interval

__all__ = ["PUBLISHED", "HalfLives", "Repeated", "one_epoch", "repeated", "unique_equivalents",
           "with_repeats"]  # fmt: skip


@dataclass(frozen=True)
class HalfLives:
    """How fast repeats lose value: an assumption of the plan, not a result of its runs.

    They are the decay constants R* of Muennighoff et al., not half-lives in the strict sense: the
    value of a repeat falls by e, not by 2, over R* repeats.

    Attributes:
        data: R_D*, in repeats of the data. parameters: R_N*, the same for parameters in excess of
            those that the unique data can use. source: of both, in words.
    """

    data: Interval
    parameters: Interval
    source: str

    def corners(self) -> tuple[tuple[float, float], ...]:
        """All four combinations of interval ends: (data, parameters)."""
        return tuple((d, n) for d in self.data[1:] for n in self.parameters[1:])


PUBLISHED = HalfLives(
    Interval(15.387756, 6.5, 3e9),  # the values: parametric_fit.ipynb of 2305.16264; the ends:
    Interval(5.309743, 0.28, 14.4),  # 95% of 200 resampled sets of its 182 rows, refitted
    "Muennighoff et al. 2305.16264; the intervals are of refits to its 182 runs, which do not "
    "identify R_D* from above",
)


def unique_equivalents(epochs: float | Array, half_life: float | Array) -> Array:
    """Value of `epochs` epochs over data, in unique epochs: 1 + R (1 - exp(-(epochs - 1)/R))."""
    repeats = np.maximum(np.asarray(epochs, float) - 1, 0)
    return np.asarray(1 - half_life * np.expm1(-repeats / half_life))


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # some draws have no optimum
def one_epoch(frontier: Frontier, compute: float, unique: float) -> Planned:
    """The best run of a compute that sees no token twice; if D* > D_max, it has D = D_max.

    Args:
        compute: FLOP. unique: number of unique tokens, D_max.
    """
    c = np.full(frontier.draws, positive(compute, "compute in FLOP"))
    best, most = frontier.at(c), np.full_like(c, positive(unique, "number of unique tokens"))
    short = best.d > most
    d = np.where(short, most, best.d)
    n = np.where(short, frontier.cost.parameters(most, c), best.n)
    return planned(frontier, n, d)


def with_repeats(
    frontier: Frontier, unique: float, data: float | Array = 1.0, parameters: float | Array = 1.0
) -> Frontier:
    """The frontier of a law for a limited number of unique tokens.

    D is replaced by its unique equivalent, and so is the part of N beyond the best size for the
    unique data (Muennighoff et al., eq. 5 and 6). The law `data_constrained` does both already,
    with its own half-lives.

    Args:
        unique: number of unique tokens. data, parameters: half-lives R_D* and R_N*, numbers or
            (k,).

    Raises:
        UsageError: the law is not a function of a sum of two powers, which the best size for the
            unique data needs.
    """
    positive(unique, "number of unique tokens")
    law = frontier.law
    if "U" in law.sizes:
        law = resized(law, lambda sizes: {**sizes, "U": np.minimum(sizes["U"], sizes["D"])})
        return replace(frontier, law=law, others={**frontier.others, "U": float(unique)})
    if law.allocation is None:
        raise UsageError(
            f"repeated data need a law that is a function of one power of N and one of D, which "
            f"law {law.name} is not; use chinchilla, skaling or data_constrained"
        )
    split = law.allocation(frontier.values)
    lives = (np.broadcast_to(np.asarray(r, float), frontier.draws)[:, None]
             for r in (data, parameters))  # fmt: skip
    return replace(frontier, law=resized(law, _effective(split, float(unique), *lives)))


def _effective(
    split: Allocation, unique: float, data: Array, parameters: Array
) -> Callable[[Values], Values]:
    """A function sizes -> effective N and D; half-lives are (k, 1)."""
    log_g = (np.log(split.alpha / split.beta) + split.log_a - split.log_b)[:, None]
    alpha, beta = split.alpha[:, None], split.beta[:, None]

    def effective(sizes: Values) -> Values:
        n, d = np.broadcast_arrays(sizes["N"], sizes["D"])
        seen = np.minimum(unique, d)
        usable = np.minimum(n, np.exp((log_g + beta * np.log(seen)) / alpha))
        return {
            **sizes,
            "N": usable * unique_equivalents(n / usable, parameters),
            "D": seen * unique_equivalents(d / seen, data),
        }

    return effective


@dataclass(frozen=True)
class Repeated:
    """The best run of a compute if data may be repeated, each (k,).

    Attributes:
        n, d, loss: for the values of the half-lives. epochs: D over the unique tokens; below 1
            if not all are needed. unique_equivalent: value of D in unique tokens.
        n_range, epochs_range, loss_range: minimum and maximum over the ends of the half-lives'
            intervals, for each set of the law's parameters; equal to the value if the law has
            its own half-lives.
        waste: the share of compute that would be saved if data were unlimited.
        assumption: source of the half-lives, in words.
    """

    n: Array
    d: Array
    loss: Array
    epochs: Array
    unique_equivalent: Array
    n_range: tuple[Array, Array]
    epochs_range: tuple[Array, Array]
    loss_range: tuple[Array, Array]
    waste: Array
    assumption: str


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # some draws have no optimum
def repeated(
    frontier: Frontier, compute: float, unique: float, half_lives: HalfLives = PUBLISHED
) -> Repeated:
    """The best run of a compute with a limited number of unique tokens, which may be repeated.

    Args:
        compute: FLOP. unique: number of unique tokens. half_lives: assumed, unless the law has
            its own (U among its sizes).
    """
    positive(compute, "compute in FLOP")
    has_lives = "U" in frontier.law.sizes
    lives = half_lives.data.value, half_lives.parameters.value
    best = with_repeats(frontier, unique, *lives).at(compute)
    ends = [best]
    if not has_lives:
        ends += [with_repeats(frontier, unique, *c).at(compute) for c in half_lives.corners()]
    half_life = frontier.values["R_D"] if has_lives else half_lives.data.value
    epochs = best.d / unique
    limitless = with_repeats(frontier, np.finfo(float).max) if has_lives else frontier
    cheaper = limitless.compute_for(best.loss, compute)
    return Repeated(
        n=best.n, d=best.d, loss=best.loss, epochs=epochs,
        unique_equivalent=np.minimum(best.d, unique) * unique_equivalents(epochs, half_life),
        n_range=_range([end.n for end in ends]),
        epochs_range=_range([end.d / unique for end in ends]),
        loss_range=_range([end.loss for end in ends]),
        waste=1 - cheaper / compute,
        assumption="half-lives fitted with the law" if has_lives else half_lives.source,
    )  # fmt: skip


def _range(values: list[Array]) -> tuple[Array, Array]:
    return np.min(values, axis=0), np.max(values, axis=0)
