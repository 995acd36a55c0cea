"""How often the 95% interval of the best size holds the truth, on six designs of runs.

    python benchmarks/plan_coverage.py [--simulations 1000] [--only DESIGN ...] [--json FILE]

The truth is Chinchilla's law with the coefficients of Besiroglu et al. (2404.10102), ln L scatters
by 0.005, and the best size is asked for at 10 times the largest compute of the runs. Every table
is planned as `al.plan` does by default, with 200 resamples and 8 starts: approach 3, and approach
2 where the runs lie on budgets of compute. Printed are the share of intervals that hold the truth
with its Monte-Carlo error, the median width of the interval in ln N*, and the median error of
ln N*.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

# One thread for each process: simulations run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from allometry import laws
from allometry.errors import AllometryError
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions
from allometry.plan.approaches.approach import Approach, Resampling
from allometry.plan.approaches.isoflop import isoflop
from allometry.plan.approaches.isoflop_bias import Exponents
from allometry.plan.approaches.parametric import parametric
from allometry.plan.data import Data
from allometry.plan.frontier.cost import SIX_ND
from allometry.plan.frontier.optimum import Frontier
from allometry.tables.table import Table
from machine import facts

TRUTH = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
NOISE = 0.005  # of ln L
SMALLEST, LARGEST = 1e18, 1e20  # FLOP of the runs
BEYOND = 10.0  # times the largest
RESAMPLES, STARTS, LEVEL = 200, 8, 0.95
COLUMNS = {"N": "N", "D": "D", "L": "L"}

Sizes = tuple[np.ndarray, np.ndarray]  # N and D of the runs


def best(compute: float | np.ndarray) -> Sizes:
    """The true N* and D*."""
    compute = np.atleast_1d(np.asarray(compute, float))
    values = {name: np.full(len(compute), value) for name, value in TRUTH.items()}
    point = Frontier(laws.chinchilla, values).at(compute)
    return point.n, point.d


def budgets(factor: float) -> Sizes:
    """Five budgets with seven sizes each, from N*/factor to N* factor."""
    compute = np.repeat(np.geomspace(SMALLEST, LARGEST, 5), 7)
    n = best(compute)[0] * np.tile(np.geomspace(1 / factor, factor, 7), 5)
    return n, compute / (6 * n)


def rays(ratios: tuple[float, ...], each: int) -> Sizes:
    """Runs with these D/N, over all computes."""
    compute = np.tile(np.geomspace(SMALLEST, LARGEST, each), len(ratios))
    ratio = np.repeat(ratios, each)
    n = np.sqrt(compute / (6 * ratio))
    return n, ratio * n


def l_shape() -> Sizes:
    """18 sizes at the fewest tokens, and 17 numbers of tokens more at the smallest size."""
    (n,), (d,) = best(SMALLEST)
    far = LARGEST / SMALLEST
    sizes, tokens = n * np.geomspace(1, far, 18), d * np.geomspace(1, far, 18)[1:]
    return np.concatenate([sizes, np.full(17, n)]), np.concatenate([np.full(18, d), tokens])


def grid() -> Sizes:
    """Six sizes with six numbers of tokens, a decade of each."""
    (n,), (d,) = best(LARGEST)
    side = np.geomspace(0.1, 1, 6)
    return n * np.repeat(side, 6), d * np.tile(side, 6)


DESIGNS: Mapping[str, Callable[[], Sizes]] = {
    "isoFLOP 5 x 7, +-4x": partial(budgets, 4),
    "isoFLOP 5 x 7, +-8x": partial(budgets, 8),
    "rays 10, 40": partial(rays, (10, 40), 18),
    "rays 2, 20, 200": partial(rays, (2, 20, 200), 12),
    "L-shape 18 + 17": l_shape,
    "6 x 6 grid, one decade": grid,
}


@dataclass(frozen=True)
class Coverage:
    """Of one approach on one design.

    Attributes:
        simulations: how many tables. planned: of them, those that gave an interval.
        covered: share of these that hold the truth. error: its Monte-Carlo standard error.
        above, below: share of intervals that lie above the truth, and below it.
        width: median of the interval in ln N*. bias: median error of ln N*.
    """

    design: str
    approach: str
    simulations: int
    planned: int
    covered: float
    error: float
    above: float
    below: float
    width: float
    bias: float


def simulated(design: str, simulation: int) -> Table:
    """One table."""
    rng = np.random.default_rng([simulation, *design.encode()])
    n, d = DESIGNS[design]()
    exact = laws.chinchilla.evaluate(TRUTH, {"N": n, "D": d})[0]
    return Table({"N": n, "D": d, "L": exact * np.exp(NOISE * rng.standard_normal(len(n)))})


def planned(design: str, simulation: int) -> dict[str, np.ndarray]:
    """ln N* and the ends of its interval by each approach that can be used, (3,) each."""
    options = FitOptions(resamples=RESAMPLES, starts=STARTS, level=LEVEL, seed=simulation)
    data = Data.of_table(simulated(design, simulation), COLUMNS, SIX_ND)
    compute = BEYOND * float(data.runs.compute.max())
    fit = fit_with(data.table, laws.chinchilla, COLUMNS, options)
    how = Resampling(RESAMPLES, LEVEL, simulation)
    made: dict[str, Approach] = {}
    try:
        made["3"] = parametric(fit, compute)
        exponents = Exponents.of_fit(fit)
        made["2"] = isoflop(data.runs, compute, SIX_ND, exponents, resampling=how).approach
    except AllometryError:  # the runs are on no budgets, or tell too little
        pass
    with np.errstate(divide="ignore"):
        return {name: np.log(np.array(approach.n_opt)) for name, approach in made.items()}


def coverage(design: str, found: list[dict[str, np.ndarray]]) -> list[Coverage]:
    """What simulations of one design say of each approach."""
    compute = BEYOND * float(np.max(6 * np.prod(DESIGNS[design](), axis=0)))
    truth = float(np.log(best(compute)[0][0]))
    rows = []
    for approach in ("3", "2"):
        each = [one[approach] for one in found if approach in one]
        if len(each) < len(found) / 2:  # a few tables where it happens to be possible
            continue
        value, low, high = np.stack(each, 1)
        stated = ~(np.isnan(low) | np.isnan(high))
        value, low, high = value[stated], low[stated], high[stated]
        share = float(np.mean((low <= truth) & (truth <= high)))
        rows.append(Coverage(
            design, approach, len(found), len(value), share,
            float(np.sqrt(share * (1 - share) / len(value))), float(np.mean(low > truth)),
            float(np.mean(high < truth)), float(np.median(high - low)),
            float(np.median(value) - truth),
        ))  # fmt: skip
    return rows


def measure(design: str, simulations: int, workers: int) -> list[Coverage]:
    """Simulate and plan one design."""
    job = partial(planned, design)
    if workers == 1:
        return coverage(design, [job(i) for i in range(simulations)])
    with ProcessPoolExecutor(workers) as pool:
        return coverage(design, list(pool.map(job, range(simulations), chunksize=10)))


def main(arguments: Iterable[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--only", nargs="+", choices=list(DESIGNS), default=list(DESIGNS))
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--json", type=Path, help="file to write")
    given = parser.parse_args(list(arguments))
    print(
        f"{given.simulations} simulations, {RESAMPLES} resamples, ln N* at {BEYOND:g} times the "
        "largest compute\n"
    )
    print("| design | approach | coverage | above, below | width | bias | with interval |")
    print("|---|---|---|---|---|---|---|")
    rows: list[Coverage] = []
    for design in given.only:
        for row in measure(design, given.simulations, given.workers):
            rows.append(row)
            print(
                f"| {row.design} | {row.approach} | {row.covered:.3f} +- {row.error:.3f} | "
                f"{row.above:.3f}, {row.below:.3f} | {row.width:.3f} | {row.bias:+.3f} | "
                f"{row.planned} |",
                flush=True,
            )
    seconds = sum(os.times()[:4])  # of this process and its workers
    print(f"\n{seconds:.0f} s of processor time")
    if given.json:
        document = {
            "machine": facts(),
            "simulations": given.simulations, "resamples": RESAMPLES, "starts": STARTS,
            "level": LEVEL, "noise": NOISE, "truth": TRUTH, "beyond": BEYOND,
            "processor_seconds": round(seconds),
            "rows": [asdict(row) for row in rows],
        }  # fmt: skip
        given.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
