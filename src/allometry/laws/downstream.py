"""Task accuracy from N and D in two steps: a power law for task loss, a sigmoid for accuracy."""

import numpy as np

from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAW", "task_loss"]


def task_loss(p: Values, sizes: Values) -> Array:
    """The first step, chinchilla: E + A N^-alpha + B D^-beta."""
    by_n = p["A"] * np.exp(-p["alpha"] * np.log(sizes["N"]))
    return p["E"] + by_n + p["B"] * np.exp(-p["beta"] * np.log(sizes["D"]))


def _rise(p: Values, loss: Array) -> Array:
    return 1 / (1 + np.exp(np.clip(-p["k"] * (loss - p["L0"]), -500, 500)))


def value(p: Values, sizes: Values) -> Array:
    """a/(1 + exp(-k (L - L0))) + b at the task loss L."""
    return p["a"] * _rise(p, task_loss(p, sizes)) + p["b"]


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """Derivatives with respect to every parameter."""
    log_n, log_d = np.log(sizes["N"]), np.log(sizes["D"])
    by_a, by_b = np.exp(-p["alpha"] * log_n), np.exp(-p["beta"] * log_d)
    loss = task_loss(p, sizes)
    rise = _rise(p, loss)
    turn = p["a"] * rise * (1 - rise)  # by k (L - L0)
    by_loss = turn * p["k"]
    return {
        "E": by_loss,
        "A": by_loss * by_a,
        "B": by_loss * by_b,
        "alpha": -by_loss * p["A"] * by_a * log_n,
        "beta": -by_loss * p["B"] * by_b * log_d,
        "a": rise,
        "k": turn * (loss - p["L0"]),
        "L0": -by_loss,
        "b": np.ones_like(rise),
    }


def starts(uniform: Array, sizes: Values, y: Array) -> Array:
    """Task loss of 0.1 to 6 due to N and to D each at the middle of the rows; k from -0.2 to -10.

    The levels lie near those of the data, and the middle of the step near the losses of the rows.
    """
    low, high = float(y.min()), float(y.max())
    span = (high - low) * (1 + 2 * uniform[:, 0] ** 2)
    alpha, beta = 0.05 * 20 ** uniform[:, 1], 0.05 * 20 ** uniform[:, 2]
    by_n, by_d = 0.1 * 60 ** uniform[:, 3], 0.1 * 60 ** uniform[:, 4]
    n, d = (np.exp(np.log(sizes[s]).mean()) for s in ("N", "D"))
    columns = {
        "E": np.zeros(len(uniform)), "A": by_n * n**alpha, "B": by_d * d**beta, "alpha": alpha,
        "beta": beta, "a": span, "k": -0.2 * 50 ** uniform[:, 7],
        "L0": (by_n + by_d) * (0.3 + 1.4 * uniform[:, 5]),
        "b": low - (span - (high - low)) * uniform[:, 6],
    }  # fmt: skip
    return np.stack([columns[p.name] for p in LAW.parameters], 1)


LEVEL, EITHER = (-1e3, 1e3), (-1e6, 1e6)

LAW = Law(
    name="downstream",
    formula="y = a/(1 + exp(-k (L - L0))) + b, L = E + A N^-alpha + B D^-beta",
    source="Bhagia et al. 2412.04403, eq. 1 to 3",
    sizes=("N", "D"),
    response="y",
    parameters=(
        Parameter("E", "task loss at infinite N and D", bounds=LEVEL, kind="floor"),
        Parameter("A", "task loss due to N at N = 1", positive=True, bounds=(1e-9, 1e30)),
        Parameter("B", "task loss due to D at D = 1", positive=True, bounds=(1e-9, 1e30)),
        Parameter("alpha", "exponent of N in the task loss", bounds=(1e-4, 20.0)),
        Parameter("beta", "exponent of D in the task loss", bounds=(1e-4, 20.0)),
        Parameter("a", "height of the step in y", bounds=LEVEL, kind="floor"),
        Parameter(
            "k", "steepness in the task loss, negative: y falls with it where a > 0",
            bounds=(-1e6, -1e-6), kind="coefficient",
        ),
        Parameter("L0", "task loss at the middle of the step", bounds=EITHER, kind="floor"),
        Parameter("b", "y at one end of the step, a + b at the other", bounds=LEVEL, kind="floor"),
    ),
    value=value,
    gradient=gradient,
    starts=starts,
    fixed={"E": 0.0, "k": -1.0},
    linear=("a", "b"),
    positive_sizes=True,
    valid="N > 0, D > 0. y alone determines neither unit nor zero of the task loss: hold E, A, B, "
    "alpha and beta of a chinchilla fit to the task loss, or k = -1 and E = 0",
    default_starts=200,
)  # fmt: skip
