"""How often 95% intervals hold the truth: Chinchilla's law, simulated many times.

    python benchmarks/fit_coverage.py [SIMULATIONS] [INTERVAL] [OBJECTIVE] [DELTA] [ROWS] [NOISE]

Runs lie on budgets times model sizes, D = C/(6 N); noise of log L is Gaussian or
Student t with 2 degrees of freedom, both of scale 0.004.
"""

import sys
import time

import numpy as np

from allometry import laws
from allometry.fitting.fit import fit
from allometry.tables.table import Table

TRUTH = {"E": 1.82, "A": 480.0, "B": 2100.0, "alpha": 0.347, "beta": 0.367}
LAW = laws.named("chinchilla")
COLUMNS = {"N": "N", "D": "D", "L": "L"}


def design(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """6 x 5 or 9 x 9 budgets and sizes, centred on the optimal ray."""
    budgets, sizes = {30: (6, 5), 81: (9, 9)}[rows]
    c = np.repeat(np.geomspace(1e18, 1e21, budgets), sizes)
    n = np.sqrt(c / 6 / 20) * np.tile(np.geomspace(0.25, 4, sizes), budgets)
    return n, c / (6 * n)


def covered(
    rows: int, noise: str, simulation: int, interval: str, objective: str, delta: float
) -> list[bool]:
    """Which of E, alpha, beta, a and the loss at ten times the compute are covered."""
    rng = np.random.default_rng([rows, len(noise), simulation])
    n, d = design(rows)
    scatter = rng.standard_normal(rows) if noise == "Gaussian" else rng.standard_t(2, rows)
    loss = LAW.evaluate(TRUTH, {"N": n, "D": d})[0] * np.exp(0.004 * scatter)
    made = fit(
        Table({"N": n, "D": d, "L": loss}),
        "chinchilla",
        COLUMNS,
        starts=24,
        interval=interval,
        objective=objective,
        delta=delta,
        seed=simulation,
    )
    truth = {**TRUTH, "a": TRUTH["beta"] / (TRUTH["alpha"] + TRUTH["beta"])}
    found = {**made.parameters, **made.derived}
    inside = [found[k].low <= truth[k] <= found[k].high for k in ("E", "alpha", "beta", "a")]
    big = {"N": [np.sqrt(1e22 / 6 / 20)], "D": [np.sqrt(1e22 / 6 * 20)]}
    low, high = made.predict_interval(big)
    return [*inside, bool(low[0] <= LAW.evaluate(TRUTH, big)[0, 0] <= high[0])]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    interval = sys.argv[2] if len(sys.argv) > 2 else "auto"
    objective = sys.argv[3] if len(sys.argv) > 3 else "huber_log"
    delta = float(sys.argv[4]) if len(sys.argv) > 4 else 1e-3
    only = [int(sys.argv[5])] if len(sys.argv) > 5 else [30, 81]
    print(
        f"{count} simulations, {interval}, {objective} {delta:g}; columns E alpha beta a loss(10 C)"
    )
    for rows in only:
        for noise in sys.argv[6:] or ("Gaussian", "t(2)"):
            began = time.perf_counter()
            shares = np.mean(
                [covered(rows, noise, i, interval, objective, delta) for i in range(count)], axis=0
            )
            took = time.perf_counter() - began
            print(
                f"n={rows} {noise:9s}",
                " ".join(f"{s:.3f}" for s in shares),
                f"{took:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
