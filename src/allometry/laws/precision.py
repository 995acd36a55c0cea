"""Loss of networks trained in low precision: fewer bits act as fewer parameters."""

from collections.abc import Mapping

import numpy as np

from allometry.errors import UsageError
from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAW", "effective", "of_sizes"]

# Symbol of the number of bits, its parameter, what has these bits.
BITS = (
    ("P_w", "gamma_w", "weights"),
    ("P_a", "gamma_a", "activations"),
    ("P_kv", "gamma_kv", "keys and values"),
)


def _kept(p: Values, sizes: Values) -> list[tuple[str, Array, Array]]:
    """For each mapped kind of bits: gamma's name, bits / gamma, and the share of N they keep."""
    used = [(gamma, sizes[bits] / p[gamma]) for bits, gamma, _ in BITS if gamma in p]
    return [(gamma, x, -np.expm1(-x)) for gamma, x in used]


def effective(p: Values, sizes: Values) -> Array:
    """N_eff = N prod (1 - exp(-P/gamma)): the equivalent number of full-precision parameters."""
    share: Array = np.ones(())
    for _, _, kept in _kept(p, sizes):
        share = share * kept
    return np.asarray(sizes["N"] * share)


def value(p: Values, sizes: Values) -> Array:
    """E + A N_eff^-alpha + B D^-beta."""
    n_eff = effective(p, sizes)
    return p["E"] + p["A"] * n_eff ** -p["alpha"] + p["B"] * sizes["D"] ** -p["beta"]


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """Derivatives with respect to every parameter."""
    log_n, log_d = np.log(effective(p, sizes)), np.log(sizes["D"])
    by_a, by_b = np.exp(-p["alpha"] * log_n), np.exp(-p["beta"] * log_d)
    slopes = {"E": np.ones_like(by_a + by_b), "A": by_a, "B": by_b}
    slopes |= {"alpha": -p["A"] * by_a * log_n, "beta": -p["B"] * by_b * log_d}
    for gamma, x, kept in _kept(p, sizes):
        slopes[gamma] = p["A"] * by_a * p["alpha"] * x * np.exp(-x) / kept / p[gamma]
    return slopes


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """E, A and B carry the scale of L; A and B also those of N and D. Bits are not centred."""
    y = centre["L"]
    return {
        **p,
        "E": p["E"] * y,
        "A": p["A"] * y * centre["N"] ** p["alpha"],
        "B": p["B"] * y * centre["D"] ** p["beta"],
    }


def of_sizes(sizes: tuple[str, ...]) -> Law:
    """The law of N, D and those of P_w, P_a and P_kv that are mapped.

    Raises:
        UsageError: without N, D and at least one column of bits.
    """
    used = [(bits, gamma, what) for bits, gamma, what in BITS if bits in sizes]
    if not {"N", "D"} <= set(sizes) or not used:
        raise UsageError(
            "law precision needs columns for N, D and at least one of "
            f"{', '.join(bits for bits, _, _ in BITS)} (bits), got {', '.join(sizes) or 'none'}; "
            "without a column of bits use the law chinchilla"
        )
    factors = " ".join(f"(1 - exp(-{bits}/{gamma}))" for bits, gamma, _ in used)
    symbols = tuple(bits for bits, _, _ in used)
    return Law(
        name="precision",
        formula=f"L = E + A N_eff^-alpha + B D^-beta, N_eff = N {factors}",
        source="Kumar et al. 2411.04330 (training in low precision, N_eff)",
        sizes=("N", "D", *symbols),
        uncentred=symbols,
        response="L",
        parameters=(
            Parameter(
                "E", "loss at infinite N and D", positive=True, bounds=(1e-6, 1e3),
                start=(0.05, 1.0), kind="floor",
            ),
            Parameter(
                "A", "loss due to N at N_eff = 1", positive=True, bounds=(1e-9, 1e6),
                start=(0.01, 1.0),
            ),
            Parameter(
                "B", "loss due to D at D = 1", positive=True, bounds=(1e-9, 1e6), start=(0.01, 1.0)
            ),
            Parameter("alpha", "exponent of N_eff", bounds=(1e-4, 20.0), start=(0.02, 2.0)),
            Parameter("beta", "exponent of D", bounds=(1e-4, 20.0), start=(0.02, 2.0)),
            *(
                Parameter(
                    gamma, f"bits of {what} that keep 63% of the parameters", positive=True,
                    bounds=(1e-2, 1e3), start=(0.5, 5.0), kind="exponent",
                )
                for _, gamma, what in used
            ),
        ),
        value=value,
        gradient=gradient,
        uncentre=uncentre,
        linear=("E", "A", "B"),
        of_sizes=of_sizes,
        valid="N > 0, D > 0, bits > 0 of integer types, L > E > 0; bits must vary independently "
        "of N",
    )  # fmt: skip


LAW = of_sizes(("N", "D", *(bits for bits, _, _ in BITS)))
