"""The quantization model: loss falls as discrete quanta are learnt one by one."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAW", "frequencies", "learnt", "tail"]


def frequencies(n: int, alpha: float, offset: float = 0.0) -> Array:
    """Frequency of use of n quanta, ``(n,)``: p_k proportional to (k + offset)^-(1 + alpha)."""
    p = (np.arange(1, n + 1) + offset) ** -(1 + alpha)
    return np.asarray(p / p.sum())


def _zeta(s: Array, q: Array | float) -> Array:
    """The Hurwitz zeta function: sum of (k + q)^-s over k = 0, 1, ..."""
    # Imported here because every law is loaded with the package, and other laws need no SciPy.
    from scipy.special import zeta

    return np.asarray(zeta(s, q), float)


def tail(n: Array, alpha: Array, K: Array) -> Array:
    """Share of samples whose quantum is beyond the n-th of K: sum of p_k over n < k <= K.

    p_k is proportional to k^-(1 + alpha). The Hurwitz zeta function extends the sum to n that
    are not integers: sum over k > n of k^-s = zeta(s, n + 1).
    """
    s, n = 1 + alpha, np.clip(n, 0, K)
    beyond = _zeta(s, K + 1)
    left: Array = np.maximum(_zeta(s, n + 1) - beyond, 0) / (_zeta(s, 1.0) - beyond)
    return left


def learnt(p: Values, sizes: Values) -> Array:
    """Number of quanta learnt: those for which parameters, samples and steps all suffice.

    Parameters suffice for N/C quanta. D and step each suffice for the quanta that have been seen
    tau times or more: n^(1 + alpha) = D/(tau Z), where 1/Z is the frequency of the first quantum.
    """
    s, K = 1 + p["alpha"], p["K"]
    first = _zeta(s, 1.0) - _zeta(s, K + 1)
    by_data = (sizes["D"] / (p["tau_D"] * first)) ** (1 / s)
    by_steps = (sizes["step"] / (p["tau_S"] * first)) ** (1 / s)
    return np.minimum(np.minimum(sizes["N"] / p["C"], by_data), by_steps)


def value(p: Values, sizes: Values) -> Array:
    """a + (b - a) times the share of samples whose quantum is not learnt."""
    return p["a"] + (p["b"] - p["a"]) * tail(learnt(p, sizes), p["alpha"], p["K"])


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """a and b in units of L; C, tau_D and tau_S in those of N, D and step."""
    moved = {"a": centre["L"], "b": centre["L"]}
    moved |= {"C": centre["N"], "tau_D": centre["D"], "tau_S": centre["step"]}
    return {name: v * moved.get(name, 1.0) for name, v in p.items()}


def derived(p: Values) -> dict[str, Array]:
    """The exponents that the theory predicts in N, D and steps (2303.13506, eq. 4 to 6)."""
    by_frequency = p["alpha"] / (1 + p["alpha"])
    return {"alpha_N": p["alpha"], "alpha_D": by_frequency, "alpha_S": by_frequency}


def starts(uniform: Array, sizes: Values, y: Array) -> Array:
    """a and b near the extremes of y; the smallest of each size suffices for 0.2 to 10 quanta."""
    alpha, K = 0.1 * 12 ** uniform[:, 2], np.full(len(uniform), 1e9)
    power, first = 1 + alpha, _zeta(1 + alpha, 1.0)
    n = 0.2 * 50 ** uniform[:, 3:6]
    return np.stack(
        [
            y.min() * (0.02 + 0.96 * uniform[:, 0]),
            y.max() * (1.0 + 0.3 * uniform[:, 1]),
            alpha,
            sizes["N"].min() / n[:, 0],
            sizes["D"].min() / (n[:, 1] ** power * first),
            sizes["step"].min() / (n[:, 2] ** power * first),
            K,
        ],
        axis=1,
    )


LAW = Law(
    name="quanta",
    formula="L = a + (b - a) sum_{n < k <= K} k^-(1 + alpha) / sum_{k <= K} k^-(1 + alpha), "
    "n = min(N/C, (D/(tau_D Z))^(1/(1 + alpha)), (step/(tau_S Z))^(1/(1 + alpha))), "
    "Z = sum_{k <= K} k^-(1 + alpha)",
    source="Michaud et al. 2303.13506, section 2 (L_n and its three scalings)",
    sizes=("N", "D", "step"),
    response="L",
    parameters=(
        Parameter(
            "a", "loss of a sample whose quantum is learnt", positive=True, bounds=(1e-9, 1e3),
            kind="floor",
        ),
        Parameter(
            "b", "loss of a sample whose quantum is not learnt", positive=True,
            bounds=(1e-6, 1e3), kind="floor",
        ),
        Parameter(
            "alpha", "Zipf exponent of the quanta's frequencies, minus 1", positive=True,
            bounds=(0.02, 5.0), kind="exponent",
        ),
        Parameter("C", "parameters needed per quantum", positive=True, bounds=(1e-9, 1e12)),
        Parameter(
            "tau_D", "samples that use a quantum, needed to learn it", positive=True,
            bounds=(1e-12, 1e15),
        ),
        Parameter(
            "tau_S", "steps, times the quantum's frequency, needed to learn it", positive=True,
            bounds=(1e-12, 1e15),
        ),
        Parameter("K", "number of quanta", positive=True, bounds=(1.0, 1e12)),
    ),
    value=value,
    uncentre=uncentre,
    starts=starts,
    derived=derived,
    meanings={
        "alpha_N": "exponent of the loss in N, where N limits: L - a ~ N^-alpha_N",
        "alpha_D": "exponent of the loss in D, where D limits: L - a ~ D^-alpha_D",
        "alpha_S": "exponent of the loss in steps, where they limit: L - a ~ step^-alpha_S",
    },
    fixed={"K": 1e9},
    linear=("a", "b"),
    valid="N, D and step positive; a size that does not limit is given as a very large number",
    default_starts=200,
)  # fmt: skip
