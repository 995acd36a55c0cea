"""Made tables of runs whose law is known."""

import numpy as np

from allometry.tables.table import Table

TRUTH = {"E": 1.7, "A": 400.0, "B": 1800.0, "alpha": 0.34, "beta": 0.37}


def isoflop_table(names=("params", "tokens", "loss"), noise=0.002, seed=0):
    """Five budgets of seven sizes within a factor of 4 of the best size, and their losses."""
    rng, columns = np.random.default_rng(seed), {name: [] for name in names}
    e, a, b, alpha, beta = TRUTH.values()
    for compute in np.geomspace(1e18, 1e21, 5):
        product = compute / 6
        best = (alpha * a / (beta * b) * product**beta) ** (1 / (alpha + beta))
        n = best * np.geomspace(0.25, 4, 7)
        d = product / n
        loss = e + a * n**-alpha + b * d**-beta
        values = (n, d, loss * np.exp(noise * rng.normal(size=7)))
        for name, value in zip(names, values, strict=True):
            columns[name].extend(value.tolist())
    return Table(columns)
