"""How informative a run would be: Gaussian beliefs about laws and targets.

Each law's parameters are Gaussian about its fit, and also about some of its draws, with the
covariance S of linear theory for the existing rows. A run with slopes j and noise variance s^2
reduces the variance of a target with slopes g by (g^T S j)^2 / (s^2 + j^T S j), and S becomes
S - S j j^T S / (s^2 + j^T S j). Which law holds is treated as another Gaussian, over the laws: a
run reduces the variance between laws if their predictions differ.

Linear theory assumes equally noisy rows. If resamples show a larger variance of the target, for
example because the most informative rows are the noisiest, all variances are multiplied by the
ratio.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from allometry.fitting.document import Fit
from allometry.laws import Array, Law
from allometry.plan.design.slopes import free_parameters, slopes
from allometry.stats.spread import NORMAL, robust_sd

__all__ = ["Belief", "Part", "belief_of", "noise_of", "part_of_fit"]

Values = Mapping[str, Array]
Of = Callable[[Law, Values], Array]

LOG_PRIOR = 10.0  # standard deviation of the log of a positive parameter before any run
ENOUGH_DRAWS = 50  # draws whose median absolute deviation is accurate to a tenth
LEAST_NOISE = 1e-5  # of ln L: the rounding of tables


@dataclass(frozen=True, eq=False)
class Part:
    """A Gaussian about each of d points.

    Attributes:
        weight: of this law among all.
        covariance: (d, p, p).
        targets: slopes of the targets, (d, t, p).
        candidates: slopes of the results of candidates, (d, m, p).
        noise: variance of a run about the law, (m,).
    """

    weight: float
    covariance: Array
    targets: Array
    candidates: Array
    noise: Array

    def spread(self) -> Array:
        """Variance of the predicted result of each candidate, without noise, (d, m)."""
        spread = self.candidates @ self.covariance
        return np.asarray(np.maximum(np.einsum("dmp,dmp->dm", spread, self.candidates), 0.0))

    def variances(self) -> Array:
        """Variance of the targets, summed, at each point, (d,)."""
        spread = np.einsum("dtp,dtp->d", self.targets @ self.covariance, self.targets)
        return np.asarray(np.maximum(spread, 0.0))

    def variance(self) -> float:
        """The median over the points, since extreme draws would dominate a mean."""
        return float(np.median(self.variances()))

    def reduction(self) -> Array:
        """Expected reduction of the variance by each candidate, (m,).

        It is the mean over the points of the relative reduction, times the variance.
        """
        cross = self.targets @ self.covariance @ self.candidates.transpose(0, 2, 1)
        taken = (cross**2).sum(1) / (self.spread() + self.noise)
        whole = self.variances()[:, None]
        shares = np.divide(taken, whole, out=np.zeros_like(taken), where=whole > 0)
        return np.asarray(shares.mean(0) * self.variance())

    def log_volume(self) -> Array:
        """Increase of the log determinant of the information by each candidate, (m,)."""
        return np.asarray(np.log1p(self.spread() / self.noise).mean(0))

    def weighing(self, weight: float) -> "Part":
        """The part with another weight."""
        return replace(self, weight=weight)

    def scaled(self, factor: float) -> "Part":
        """The part with every variance multiplied: rows and new runs are noisier than assumed."""
        return replace(self, covariance=factor * self.covariance, noise=factor * self.noise)

    def after(self, place: int) -> "Part":
        """The part after a run of one candidate: a rank-one update at each point."""
        seen = np.einsum("dpq,dq->dp", self.covariance, self.candidates[:, place])
        spread = np.einsum("dp,dp->d", seen, self.candidates[:, place]) + self.noise[place]
        taken = seen[:, :, None] * seen[:, None, :] / spread[:, None, None]
        return replace(self, covariance=self.covariance - taken)


@dataclass(frozen=True, eq=False)
class Belief:
    """Beliefs under all laws.

    Attributes:
        laws: one part per law.
        between: which law holds, with one latent number per law; None with one law.
        noise: variance of a run about its law, (m,).
    """

    laws: tuple[Part, ...]
    between: Part | None
    noise: Array

    def variance(self) -> float:
        """Variance of the targets, summed: the weighted mean within laws, plus between laws."""
        within = sum(part.weight * part.variance() for part in self.laws)
        return within + (self.between.variance() if self.between is not None else 0.0)

    def reduction(self) -> Array:
        """Expected reduction of the variance by each candidate, (m,)."""
        within = np.sum([part.weight * part.reduction() for part in self.laws], axis=0)
        return np.asarray(within + (self.between.reduction() if self.between is not None else 0.0))

    def after(self, place: int) -> "Belief":
        """The belief after a run of one candidate."""
        between = self.between.after(place) if self.between is not None else None
        return replace(self, laws=tuple(p.after(place) for p in self.laws), between=between)._seen()

    def after_all(self, places: Sequence[int]) -> "Belief":
        """The belief after runs of these candidates."""
        belief = self
        for place in places:
            belief = belief.after(place)
        return belief

    def _seen(self) -> "Belief":
        """The uncertainty of each law about a candidate added to the noise between laws."""
        if self.between is None:
            return self
        spread = np.sum([p.weight * np.median(p.spread(), 0) for p in self.laws], axis=0)
        return replace(self, between=replace(self.between, noise=self.noise + spread))


def belief_of(parts: Sequence[Part], targets: Array, candidates: Array) -> Belief:
    """The belief of several laws.

    Args:
        parts: one per law.
        targets: their answers, (laws, t). candidates: their predictions, (laws, m).
    """
    weights = np.array([part.weight for part in parts])
    noise = np.sum([part.weight * part.noise for part in parts], axis=0)
    if len(parts) == 1:
        return Belief(tuple(parts), None, noise)
    # One latent number of variance w per law, with the deviations from the mean as slopes, gives
    # the covariance between laws: sum of w (x - mean)(y - mean).
    deviations = [(x - weights @ x).T[None] for x in (targets, candidates)]
    between = Part(1.0, np.diag(weights)[None], deviations[0], deviations[1], noise)
    return Belief(tuple(parts), between, noise)._seen()


def noise_of(fit: Fit) -> float:
    """Robust standard deviation of a fit's residuals, at least that of rounded losses."""
    return max(robust_sd(fit.residuals(), len(fit.problem.free)), LEAST_NOISE)


def part_of_fit(
    fit: Fit, target: Of, candidates: Mapping[str, Array], weight: float, draws: int
) -> tuple[Part, Array, Array]:
    """A law's part about its fit and some of its draws.

    Args:
        target: law and parameters, each (k,) -> (k, t).
        candidates: sizes, each (m,). draws: number of draws of the fit to use.

    Returns:
        the part, its targets (t,) and its predictions of the candidates (m,) at the fit: ln L,
        or L if the fit's objective is not in logs. Points without a finite value are left out; the
        part is empty (d = 0) if the fit itself has none.
    """
    law, fixed = fit.law, tuple(fit.problem.fixed)
    values, rows = _points(fit, draws), fit.problem.rows
    noise = noise_of(fit) ** 2

    def shown(sizes: Mapping[str, Array], v: Values) -> Array:
        predicted = law.evaluate(v, sizes)
        return np.log(predicted) if fit.objective.logs else predicted

    _, at_rows = slopes(law, values, lambda v: shown(rows.sizes, v), fixed)
    predicted, at_candidates = slopes(law, values, lambda v: shown(candidates, v), fixed)
    answers, at_targets = slopes(law, values, lambda v: target(law, v), fixed)
    finite = np.all([np.isfinite(x).all((1, 2)) for x in (at_rows, at_candidates, at_targets)], 0)
    if not finite[0]:
        finite[:] = False
    prior = _prior(law, values, fixed)[finite]
    weighted = at_rows[finite] * np.sqrt(rows.weights / noise)
    part = Part(
        weight,
        _inverse(weighted, prior),
        at_targets[finite].transpose(0, 2, 1),
        at_candidates[finite].transpose(0, 2, 1),
        np.full(at_candidates.shape[2], noise),
    )
    if finite[0] and len(next(iter(fit.draws.values()), [])) >= ENOUGH_DRAWS:
        drawn = target(law, fit.draws)
        part = part.scaled(_excess(part, drawn))
    return part, answers[0], predicted[0]


def _excess(part: Part, drawn: Array) -> float:
    """Ratio of the targets' variance over resamples (k, t) to that of linear theory, at least 1."""
    middle = np.nanmedian(drawn, 0)
    spread = (NORMAL * np.nanmedian(np.abs(drawn - middle), 0)) ** 2
    whole = part.variance()
    return max(1.0, float(np.nansum(spread)) / whole) if whole > 0 else 1.0


def _points(fit: Fit, draws: int) -> dict[str, Array]:
    """The fit, and some of its draws, evenly spaced in order: parameter -> (1 + draws,)."""
    count = len(next(iter(fit.draws.values()), np.zeros(0)))
    places = np.unique(np.linspace(0, max(count - 1, 0), min(draws, count)).astype(int))
    empty = np.zeros(0)
    return {
        name: np.concatenate([[fit.values[name]], fit.draws.get(name, empty)[places]])
        for name in fit.law.names
    }


def _prior(law: Law, values: Values, fixed: Sequence[str]) -> Array:
    """Prior standard deviations (d, p); they keep variances finite that rows do not determine."""
    return np.stack(
        [
            np.full(len(values[p.name]), LOG_PRIOR) if p.positive else 1 + np.abs(values[p.name])
            for p in free_parameters(law, fixed)
        ],
        axis=1,
    )


def _inverse(slope: Array, prior: Array) -> Array:
    """(J J^T + prior^-2)^-1 of slopes (d, p, rows), computed in units in which the prior is 1."""
    unit = np.broadcast_to(np.eye(prior.shape[1]), (*prior.shape, prior.shape[1]))
    # By singular values of J joined with the prior: squaring J would lose half of the digits.
    axes, sizes, _ = np.linalg.svd(
        np.concatenate([slope * prior[:, :, None], unit], 2), full_matrices=False
    )
    scaled = axes / sizes[:, None, :] * prior[:, :, None]
    return np.asarray(scaled @ scaled.transpose(0, 2, 1))
