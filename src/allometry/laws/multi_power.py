"""The learning curve of a run from its learning-rate schedule."""

import numpy as np

from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAW"]


def _schedules(sizes: Values) -> tuple[Array, list[tuple[slice, Array, Array, Array]]]:
    """Summed learning rate of each row, and per run (rows, falls, rates, sums since each fall).

    A run begins where `step` does not increase. The rate is interpolated linearly between rows,
    and from zero at step 0 (warm-up) to the first row.
    """
    step, lr = sizes["step"], sizes["lr"]
    begins = np.flatnonzero(np.r_[True, np.diff(step) <= 0])
    summed, runs = np.empty(len(step)), []
    for begin, end in zip(begins, [*begins[1:], len(step)], strict=True):
        rows = slice(begin, end)
        rate, at = lr[rows], step[rows]
        area = np.r_[0.5 * rate[0] * at[0], 0.5 * (rate[1:] + rate[:-1]) * np.diff(at)]
        summed[rows] = np.cumsum(area)
        falls = np.r_[0.0, rate[:-1] - rate[1:]]
        k = np.flatnonzero(falls != 0)
        since = np.maximum(summed[rows][None, :] - np.r_[0.0, summed[rows]][k][:, None], 0.0)
        runs.append((rows, falls[k], np.maximum(rate[k], 1e-12), since))
    return summed, runs


def value(p: Values, sizes: Values) -> Array:
    """L0 + A S^-alpha - B sum_k fall_k (1 - (1 + C rate_k^-gamma S_k)^-beta)."""
    summed, runs = _schedules(sizes)
    loss = p["L0"] + p["A"] * summed ** -p["alpha"]
    for rows, falls, rates, since in runs:
        if len(falls):
            left = np.exp(-p["beta"][:, :, None] * np.log(1 + _spent(p, rates, since)))
            loss[:, rows] -= p["B"] * (falls.sum() - falls @ left)
    return loss


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """Derivatives with respect to every parameter."""
    summed, runs = _schedules(sizes)
    power = summed ** -p["alpha"]
    slopes = {
        "L0": np.ones_like(power),
        "A": power,
        "alpha": -p["A"] * power * np.log(summed),
        **{name: np.zeros_like(power) for name in ("B", "C", "beta", "gamma")},
    }
    b, beta = p["B"], p["beta"][:, :, None]
    for rows, falls, rates, since in runs:
        if not len(falls):
            continue
        spent = _spent(p, rates, since)
        bend = np.log(1 + spent)
        left = np.exp(-beta * bend)
        slopes["B"][:, rows] -= falls.sum() - falls @ left
        slopes["beta"][:, rows] -= b * (falls @ (left * bend))
        left *= spent
        left /= 1 + spent
        slopes["C"][:, rows] -= b * p["beta"] / p["C"] * (falls @ left)
        slopes["gamma"][:, rows] += b * p["beta"] * ((falls * np.log(rates)) @ left)
    return slopes


def _spent(p: Values, rates: Array, since: Array) -> Array:
    weight = p["C"] * np.exp(-p["gamma"] * np.log(rates))
    return weight[:, :, None] * since[None]


LAW = Law(
    name="multi_power",
    formula=(
        "L = L0 + A S^-alpha - B sum_k (lr_(k-1) - lr_k) (1 - (1 + C lr_k^-gamma S_k)^-beta), "
        "S and S_k: learning rate summed over all steps so far, and over those since step k"
    ),
    source="Luo et al. 2503.12811, eq. 1",
    sizes=("step", "lr"),
    response="L",
    parameters=(
        Parameter(
            "L0",
            "loss as S goes to infinity, at a constant rate",
            positive=True,
            bounds=(1e-3, 1e2),
            start=(0.5, 4.0),
            kind="floor",
        ),
        Parameter(
            "A", "loss above L0 at S = 1", positive=True, bounds=(1e-4, 1e3), start=(0.1, 2.0)
        ),
        Parameter("alpha", "exponent of S", bounds=(1e-3, 5.0), start=(0.2, 0.8)),
        Parameter(
            "B",
            "loss saved per unit of learning rate that is annealed, as S_k goes to infinity",
            positive=True,
            bounds=(1e-2, 1e6),
            start=(50.0, 1000.0),
        ),
        Parameter(
            "C", "how soon the saving comes", positive=True, bounds=(1e-4, 1e4), start=(0.3, 10.0)
        ),
        Parameter("beta", "exponent of the saving", bounds=(1e-3, 10.0), start=(0.2, 1.0)),
        Parameter(
            "gamma", "dependence of the saving on the rate", bounds=(-3.0, 5.0), start=(0.2, 1.0)
        ),
    ),
    value=value,
    gradient=gradient,
    linear=("L0", "A"),
    centring="none",
    per_row=False,
    positive_sizes=False,
    valid="rows in order of step, run after run, from the end of the warm-up; lr >= 0",
    default_starts=32,
)
