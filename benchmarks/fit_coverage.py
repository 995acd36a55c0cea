"""How often 95% intervals hold the truth, on designs that are kind and on some that are not.

    python benchmarks/fit_coverage.py [--simulations 1000] [--only PART ...] [OPTION=VALUE ...]

Every design is simulated and fitted with the options of `al.fit` as they are by default, or as
given (objective=squared_log, interval=profile). Printed is the share of intervals that hold the
truth, and beside it in brackets the share of parameters called identified.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

# One thread for each process: simulations run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from allometry import laws
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.tables.table import Table

Columns = dict[str, np.ndarray]

CHINCHILLA = {"E": 1.82, "A": 480.0, "B": 2100.0, "alpha": 0.347, "beta": 0.367}
CURVE = {"E": 0.6, "A": 30.0, "alpha": 0.5}
LINE = {"A": 12.0, "alpha": 0.35}


@dataclass(frozen=True)
class Design:
    """What is simulated.

    Attributes:
        name: as printed. law: fitted, and simulated with `truth`.
        sizes: random numbers -> the law's sizes and perhaps `cluster`, each (n,).
        noise: of log y. cluster_noise: of log y, shared by the rows of a cluster.
        tails: degrees of freedom of Student's t; 0 for Gaussian noise.
        slope: the noise is multiplied by (x / its middle) to this power.
        watched: names of the quantities whose intervals are counted.
        options: of the fit.
    """

    name: str
    law: str
    truth: Mapping[str, float]
    sizes: Callable[[np.random.Generator], Columns]
    noise: float
    watched: tuple[str, ...]
    cluster_noise: float = 0.0
    tails: int = 0
    slope: float = 0.0
    options: Mapping[str, object] = field(default_factory=dict)


def budgets(rng: np.random.Generator, budgets: int, sizes: int) -> Columns:
    """Runs on budgets of compute times model sizes, centred on the optimal ray."""
    c = np.repeat(np.geomspace(1e18, 1e21, budgets), sizes)
    n = np.sqrt(c / 6 / 20) * np.tile(np.geomspace(0.25, 4, sizes), budgets)
    return {"N": n, "D": c / (6 * n)}


def square(rng: np.random.Generator, sizes: int, tokens: int) -> Columns:
    """Every model size with every number of tokens."""
    n = np.repeat(np.geomspace(1e7, 1e10, sizes), tokens)
    return {"N": n, "D": np.tile(np.geomspace(1e9, 3e11, tokens), sizes)}


def ray(rng: np.random.Generator, rows: int, jitter: float) -> Columns:
    """D = 20 N, moved by `jitter` in log."""
    n = np.geomspace(1e7, 1e10, rows)
    return {"N": n, "D": 20 * n * np.exp(jitter * rng.normal(size=rows))}


def one_size(rng: np.random.Generator, rows: int, seeds: int = 1) -> Columns:
    """Rows over four decades of one size, each repeated."""
    x = np.repeat(np.geomspace(1e2, 1e6, rows), seeds)
    return {"x": x, "cluster": np.tile(np.arange(seeds), rows)}


def curves(rng: np.random.Generator, runs: int, checkpoints: int) -> Columns:
    """Checkpoints of runs that share their error."""
    x = np.tile(np.geomspace(1e2, 1e5, checkpoints), runs)
    return {"x": x, "cluster": np.repeat(np.arange(runs), checkpoints)}


def unequal(rng: np.random.Generator) -> Columns:
    """Checkpoints of six runs, twice as many in each as in the one before."""
    lengths = 2 ** np.arange(6)
    x = np.concatenate([np.geomspace(1e2, 1e5, 33)[:: 32 // n][:n] for n in lengths])
    return {"x": x, "cluster": np.repeat(np.arange(6), lengths)}


EXPONENTS = ("E", "alpha", "beta", "a")
CLUSTERED = {"cluster": "cluster"}


def chinchilla(name: str, sizes: Callable[..., Columns], **changes: object) -> Design:
    """A design of the two-size law."""
    values = {"truth": CHINCHILLA, "noise": 0.004, "watched": EXPONENTS, **changes}
    return Design(name, "chinchilla", sizes=sizes, **values)  # type: ignore[arg-type]


def line(name: str, sizes: Callable[..., Columns], noise: float, **changes: object) -> Design:
    """A design of the power law."""
    values = {"watched": ("A", "alpha"), **changes}
    return Design(name, "power", LINE, sizes, noise, **values)  # type: ignore[arg-type]


LOW_FLOOR = {**CHINCHILLA, "E": 0.3}
PARTS: Mapping[str, tuple[Design, ...]] = {
    "grids": (
        chinchilla("6 budgets x 5 sizes, 0.4%", partial(budgets, budgets=6, sizes=5)),
        chinchilla("the same, t(2) noise", partial(budgets, budgets=6, sizes=5), tails=2),
        chinchilla("9 budgets x 9 sizes, 0.4%", partial(budgets, budgets=9, sizes=9)),
        chinchilla("the same, t(2) noise", partial(budgets, budgets=9, sizes=9), tails=2),
        chinchilla("6 x 5 grid of N and D, 2%", partial(square, sizes=6, tokens=5), noise=0.02),
        chinchilla(
            "4 x 3 grid of N and D, floor 0.3, 2%",
            partial(square, sizes=4, tokens=3), noise=0.02, truth=LOW_FLOOR,
        ),
    ),
    "rays": tuple(
        chinchilla(f"30 rows, D = 20 N, jitter {jitter:g}", partial(ray, rows=30, jitter=jitter))
        for jitter in (0.0, 0.05, 0.3)
    ),
    "floors": tuple(
        Design(
            f"{rows} rows, y from {floor + 11.9:.1f} to {floor + 1.9:.1f}, floor {floor:g}, 3%",
            "power_floor",
            {"E": floor, "A": 30.0, "alpha": 0.2}, partial(one_size, rows=rows), 0.03,
            ("E", "alpha"),
        )
        for rows, floor in ((8, 0.5), (20, 0.5), (20, 2.0))
    ),
    "few rows": (
        *(line(f"{n} rows, 2%", partial(one_size, rows=n), 0.02) for n in (3, 4, 5, 8, 20)),
        line("8 rows, t(2) noise", partial(one_size, rows=8), 0.02, tails=2),
        Design(
            "20 rows with a floor, 2%", "power_floor", CURVE, partial(one_size, rows=20), 0.02,
            ("E", "alpha"),
        ),
    ),
    "noisy networks": tuple(
        line(f"8 sizes x 5 seeds, {noise:.0%}", partial(one_size, rows=8, seeds=5), noise)
        for noise in (0.05, 0.1, 0.3)
    ),
    "not met": (
        line("12 rows, noise from 1% to 30%", partial(one_size, rows=12), 0.055, slope=0.37),
        Design(
            "15 sizes x 2, noise from 5% to 0.5%", "power_floor", CURVE,
            partial(one_size, rows=15, seeds=2), 0.016, ("E", "alpha"), slope=-0.25,
        ),
        line(
            "13 rows, 0.5%, huber_log with delta 1e-3", partial(one_size, rows=13), 0.005,
            options={"objective": "huber_log"},
        ),
        line(
            "6 runs of 1 to 32 checkpoints, 3% a run, 1% a row", unequal, 0.01,
            cluster_noise=0.03, options=CLUSTERED,
        ),
    ),
    "few clusters": (
        *(
            line(
                f"{runs} runs x 8 checkpoints, 3% a run, 1% a row",
                partial(curves, runs=runs, checkpoints=8), 0.01,
                cluster_noise=0.03, options=CLUSTERED,
            )
            for runs in (3, 5, 10, 25)
        ),
        *(
            line(
                f"{seeds} seeds x 8 sizes, 3% a seed, 3% a row",
                partial(one_size, rows=8, seeds=seeds), 0.03,
                cluster_noise=0.03, options=CLUSTERED,
            )
            for seeds in (3, 5, 10)
        ),
    ),
}  # fmt: skip


def simulated(design: Design, simulation: int) -> tuple[Table, Columns]:
    """One table of a design."""
    rng = np.random.default_rng([simulation, *design.name.encode()])
    columns = design.sizes(rng)
    law = laws.named(design.law)
    rows = len(columns[law.sizes[0]])
    scatter = rng.standard_t(design.tails, rows) if design.tails else rng.standard_normal(rows)
    first = columns[law.sizes[0]]
    error = design.noise * scatter * (first / np.exp(np.log(first).mean())) ** design.slope
    if design.cluster_noise:
        labels = columns["cluster"]
        error = error + design.cluster_noise * rng.normal(size=labels.max() + 1)[labels]
    y = law.evaluate(design.truth, columns)[0] * np.exp(error)
    return Table({**columns, law.response: y}), columns


def judged(design: Design, options: Mapping[str, object], simulation: int) -> np.ndarray:
    """Which watched quantities are covered, and which are called identified, (2, watched)."""
    law = laws.named(design.law)
    table, _ = simulated(design, simulation)
    columns = {symbol: symbol for symbol in (*law.sizes, law.response)}
    made: Fit = fit(
        table, law, columns, seed=simulation, **{"starts": 24, **design.options, **options}
    )
    truth = {**design.truth, **_scalars(law.derived(_arrays(design.truth)))}
    estimates = {**made.parameters, **made.derived}
    watched = [estimates[name] for name in design.watched]
    return np.array(
        [
            [e.low <= truth[n] <= e.high for n, e in zip(design.watched, watched, strict=True)],
            [e.verdict == "identified" for e in watched],
        ],
        float,
    )


def _arrays(values: Mapping[str, float]) -> dict[str, np.ndarray]:
    return {name: np.array([value]) for name, value in values.items()}


def _scalars(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    return {name: float(value[0]) for name, value in values.items()}


def measure(design: Design, count: int, options: Mapping[str, object]) -> str:
    """A row of the table."""
    with ProcessPoolExecutor() as pool:
        shares = np.mean(list(pool.map(partial(judged, design, options), range(count),
                                       chunksize=max(1, count // 40))), axis=0)  # fmt: skip
    cells = [
        f"{name} {covered:.3f} ({called:.2f})"
        for name, covered, called in zip(design.watched, *shares, strict=True)
    ]
    return f"| {design.name} | {', '.join(cells)} |"


def main(arguments: Iterable[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("options", nargs="*", metavar="OPTION=VALUE")
    given = parser.parse_args(list(arguments))
    options = dict(text.split("=", 1) for text in given.options)
    said = ", ".join(given.options) or "default options"
    print(f"{given.simulations} simulations, {said}; share that holds the truth (identified)\n")
    for part in given.only:
        print(f"| {part} | |\n|---|---|")
        for design in PARTS[part]:
            began = time.perf_counter()
            row = measure(design, given.simulations, options)
            print(row, f"{time.perf_counter() - began:.0f} s", flush=True)
        print()


if __name__ == "__main__":
    main(sys.argv[1:])
