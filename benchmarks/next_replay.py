"""Choose runs from tables of finished ones, and see how well laws fitted to them extrapolate.

    python benchmarks/next_replay.py [FOLDER OF REFERENCE DATA] [--seeds 10] [--only POOL ...]
        [--strategies NAME ...] [--json FILE]

A pool is a table of runs that can be bought at their cost. A strategy begins with the 2.5 p
cheapest (p parameters of the largest law; of a size that is the same in all of them, the cheapest
at two more values) and buys more until 1, 5 and 10% of the cost of the whole pool are spent; it
sees the loss of a run when it has bought it. The laws are then fitted to what it has, weighed by
how they predict the dearest of these runs, and their mean predicts the test rows: R2, clipped to
[-1, 1], as in ScaleBench (2604.22753). Pools without a file of test rows hold out the tenth of
their rows with the most compute. Sizes of the test rows are known to `next` and to `v_optimal`, as
there. Printed are means over seeds, which change the starts of fits and the draws of `random`;
beside them V-optimal's published figures. In the JSON are all seeds and every law.

`next` here is `allometry.plan.design.scores` with the loop of `next_runs`, for any sizes: beliefs
under every law, their weights, the variance between laws, cost^0.4, and a fifth of what each stage
may spend kept for one run at the largest scale (`next_no_reserve` keeps nothing). It is fitted
again whenever its runs have grown by a tenth. Where no law has a belief, its slopes at the fit not
being finite, the cheapest run that is left is bought; the JSON counts these.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

# One thread for each process: replays run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from allometry import laws
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions
from allometry.laws import Array, Law, Parameter, Term
from allometry.plan.design.choices import Pool, cheapest, greedy, random
from allometry.plan.design.scores import Belief, belief_of, part_of_fit
from allometry.plan.design.weighing import weights_at_larger_scale
from allometry.tables.read import read_table
from allometry.tables.table import Table
from machine import facts

SHARES = (0.01, 0.05, 0.1)
STRATEGIES = ("next", "next_no_reserve", "v_optimal", "d_optimal", "cheapest", "random")
FIRST = 2.5  # runs for each parameter that every strategy begins with (2604.22753)
FEWEST_VALUES = 3  # of each size among the first runs
EXPONENT = 0.4  # of the cost (2604.22753)
RESERVE = 0.2
GROWTH = 0.1  # of the runs, bought between two fits
STARTS, BACKTEST_STARTS = 16, 8
HELD_OUT = 0.1

# D and U count together as U^gamma D^delta: the simplest of ScaleBench's forms for repeats.
EFFECTIVE_DATA = Law(
    name="effective_data",
    formula="L = E + A N^-alpha + B U^-gamma D^-delta",
    source="PlanarG/active-sl, data_constrained_scaling_law, sl_5",
    sizes=("N", "D", "U"),
    response="L",
    parameters=(
        Parameter("E", "loss at infinite sizes", positive=True, bounds=(1e-6, 1e3)),
        Parameter("A", "loss due to N at N = 1", positive=True, bounds=(1e-9, 1e6)),
        Parameter("alpha", "exponent of N", bounds=(1e-4, 20.0), start=(0.02, 2.0)),
        Parameter("B", "loss due to data at D = U = 1", positive=True, bounds=(1e-9, 1e6)),
        Parameter("gamma", "exponent of U", bounds=(1e-4, 20.0), start=(0.02, 2.0)),
        Parameter("delta", "exponent of D", bounds=(1e-4, 20.0), start=(0.02, 2.0)),
    ),
    terms=(
        Term("E"),
        Term("A", (("N", "alpha"),)),
        Term("B", (("U", "gamma"), ("D", "delta"))),
    ),
)
PUBLISHED = {  # V-optimal of 2604.22753 at 1, 5 and 10%
    "farseer": (0.67, 0.87, 0.92),
    "data_constrained": (0.58, 0.83, 0.85),
    "vocab": (0.96, 0.97, 0.98),
}


@dataclass(frozen=True, eq=False)
class Experiments:
    """Runs that can be bought, and those they are to predict.

    Attributes:
        laws: fitted to them, the chief one last. columns: symbol -> column.
        table, test: with these columns. cost: of each row of the table.
    """

    name: str
    laws: tuple[Law, ...]
    columns: Mapping[str, str]
    table: Table
    test: Table
    cost: Array
    squares: str = "squared_log"

    @property
    def response(self) -> str:
        return self.columns[self.laws[0].response]


def of_names(*names: str) -> tuple[Law, ...]:
    """The laws that there are, in this order."""
    return tuple(laws.available()[n] for n in names if n in laws.available())


def two_files(folder: Path, name: str) -> tuple[Table, Table]:
    return tuple(read_table(folder / "scalebench" / f"{name}.{k}.csv") for k in ("train", "test"))


def largest_apart(table: Table, cost: Array) -> tuple[Table, Table, Array]:
    """The rows to buy, the tenth that costs most, and the cost of the first."""
    order = np.argsort(cost, kind="stable")
    last = len(order) - max(5, int(HELD_OUT * len(order)))
    return table.take(order[:last]), table.take(order[last:]), cost[order[:last]]


def pools(folder: Path) -> dict[str, Experiments]:
    """Every pool whose laws there are."""
    of_two = of_names("chinchilla", "skaling", "farseer")
    of_three = (EFFECTIVE_DATA, laws.data_constrained)
    nd = {"N": "N", "D": "D", "L": "loss"}
    repeated = {"N": "params", "D": "tokens", "U": "unique_tokens", "L": "loss"}
    found = []
    train, test = two_files(folder, "farseer")
    found.append(Experiments("farseer", of_two, nd, train, test, 6 * train["N"] * train["D"]))
    train, test = two_files(folder, "data_constrained")
    cost = 6 * train["params"] * train["tokens"]
    found.append(Experiments("data_constrained", of_three, repeated, train, test, cost))
    if "vocabulary" in laws.available():
        found.append(vocabulary(folder))
    epoch = read_table(folder / "epoch_chinchilla" / "svg_extracted_data.csv")
    n, c = epoch["Model Size"], epoch["Training FLOP"]
    kept = epoch["loss"] < np.sort(epoch["loss"])[-5]
    table = Table({"N": n[kept], "D": (c / 6 / n)[kept], "loss": epoch["loss"][kept]})
    found.append(Experiments("epoch", of_two, nd, *largest_apart(table, c[kept])))
    gadre = read_table(folder / "gadre_overtraining" / "models104.csv")
    gadre = gadre.where(dataset_name="rpj")
    columns = {**nd, "L": "loss_openlm"}
    found.append(Experiments("gadre", of_two[:2], columns, *largest_apart(gadre, gadre["flops"])))
    porian = read_table(folder / "porian" / "isoflop_points.csv").where(
        dataset="rw", hparams="tuned", warmup="short", decay="const", param_count="standard"
    )
    columns = {"N": "n", "D": "t", "L": "loss"}
    found.append(Experiments("porian", of_two, columns, *largest_apart(porian, porian["flops"])))
    repeats = read_table(folder / "datablations" / "datablations_all296.csv")
    cost = 6 * repeats["params"] * repeats["tokens"]
    parts = largest_apart(repeats, cost)
    found.append(Experiments("datablations", of_three, repeated, *parts))
    return {pool.name: pool for pool in found}


def vocabulary(folder: Path) -> Experiments:
    """The pool `vocab`: losses less those of a unigram model, below 0, so squares of them."""
    train, test = two_files(folder, "vocab")
    law = laws.named("vocabulary")
    names = ("non_vocab_parameters", "vocab_size", "num_characters", "unigram_normalized_loss")
    columns = dict(zip((*law.sizes, law.response), names, strict=True))
    cost = train["non_vocab_parameters"] * train["num_characters"]
    return Experiments("vocab", (law,), columns, train, test, cost, "squared")


def first_runs(pool: Experiments) -> list[int]:
    """The cheapest, and the cheapest at further values of a size that is the same in all of them.

    Without these no law has an exponent of that size: the cheapest of `vocab` have one N.
    """
    order = np.argsort(pool.cost, kind="stable")
    chosen = order[: int(FIRST * max(len(law.parameters) for law in pool.laws))].tolist()
    for values in sizes_of(pool, pool.table).values():
        while len(seen := np.unique(values[chosen])) < FEWEST_VALUES:
            chosen.append(int(order[~np.isin(values[order], seen)][0]))
    return chosen


@dataclass
class Replay:
    """What one strategy has bought from a pool so far."""

    pool: Experiments
    strategy: str
    seed: int
    chosen: list[int] = field(default_factory=list)
    without_belief: int = 0

    def run(self) -> list[dict[str, object]]:
        """Buy and score, at every share of the cost."""
        self.chosen = first_runs(self.pool)
        total, scores = self.pool.cost.sum(), []
        for share in SHARES:
            self.buy(share * total)
            so_far = {"runs": len(self.chosen), "without_belief": self.without_belief}
            scores.append({"share": share, **so_far, **self.score()})
        return scores

    def buy(self, budget: float) -> None:
        """Buy runs until the budget, which counts those bought before, is spent."""
        spent = float(self.pool.cost[self.chosen].sum())
        allowed = np.ones(len(self.pool.cost), int)
        allowed[self.chosen] = 0
        pool = Pool(self.pool.cost, allowed, budget - spent, len(allowed))
        if self.strategy == "cheapest":
            cheapest(pool)
            self.chosen += pool.chosen
        elif self.strategy == "random":
            random(pool, np.random.default_rng([self.seed, len(self.chosen)]))
            self.chosen += pool.chosen
        else:
            self.buy_by_score(pool)

    def buy_by_score(self, pool: Pool) -> None:
        is_first, reserve = self.strategy == "next", RESERVE * pool.left
        while pool.affordable.any():
            belief, bought = self.belief(), len(pool.chosen)
            if belief is None:
                place = int(np.argmin(np.where(pool.affordable, pool.cost, np.inf)))
                pool.take(place)
                self.chosen.append(place)
                self.without_belief += 1
                continue
            if is_first:
                is_first = False
                able = pool.affordable & (pool.cost <= reserve)
                dear = able & (pool.cost >= 0.5 * pool.cost[able].max(initial=0))
                if dear.any():
                    place = int(np.argmax(np.where(dear, belief.reduction(), -1)))
                    pool.take(place)
                    belief = belief.after(place)
            pool.most = len(pool.chosen) + max(2, int(GROWTH * len(self.chosen)))
            score = volume if self.strategy == "d_optimal" else Belief.reduction
            greedy(belief, pool, score, EXPONENT)
            if len(pool.chosen) == bought:
                break
            pool.most = len(pool.cost)
            self.chosen += pool.chosen[bought:]

    def belief(self) -> Belief | None:
        """About the test rows; of the chief law alone for the optimal designs of one law.

        None where the slopes of no law are finite at its fit.
        """
        several = self.strategy.startswith("next")
        chief = self.pool.laws if several else self.pool.laws[-1:]
        fits = self.fits(chief)
        weights = self.weights(fits) if several else dict.fromkeys(fits, 1.0)
        test = sizes_of(self.pool, self.pool.test)
        parts = []
        for name, fit in fits.items():
            of = partial(predicted, test, fit.objective.logs)
            part = part_of_fit(fit, of, sizes_of(self.pool, self.pool.table), weights[name], 0)
            if len(part[0].covariance):
                parts.append(part)
        total = sum(part.weight for part, _, _ in parts)
        if not total > 0:
            return None
        return belief_of(
            [part.weighing(part.weight / total) for part, _, _ in parts],
            np.stack([answers for _, answers, _ in parts]),
            np.stack([shown for _, _, shown in parts]),
        )

    def options(self, starts: int) -> FitOptions:
        """Every parameter free, the law's own fixed ones too."""
        return FitOptions(
            objective=self.pool.squares, starts=starts, resamples=0, seed=self.seed, fixed={}
        )

    def fits(self, chosen: Sequence[Law]) -> dict[str, Fit]:
        """The laws fitted to the runs bought."""
        table = self.pool.table.take(self.chosen)
        options = self.options(STARTS)
        return {law.name: fit_with(table, law, self.pool.columns, options) for law in chosen}

    def weights(self, fits: Mapping[str, Fit]) -> dict[str, float]:
        """By fits to the cheaper of the runs bought on the dearer."""
        chosen = [fit.law for fit in fits.values()]
        options = dict.fromkeys(fits, self.options(BACKTEST_STARTS))
        table, cost = self.pool.table.take(self.chosen), self.pool.cost[self.chosen]
        return weights_at_larger_scale(chosen, table, self.pool.columns, cost, options)

    def score(self) -> dict[str, object]:
        """R2 on the test rows, of the laws' weighted mean and of each law."""
        fits = self.fits(self.pool.laws)
        weights = self.weights(fits)
        test = sizes_of(self.pool, self.pool.test)
        measured = self.pool.test.numbers(self.pool.response, "loss")
        of_laws = {name: fit.predict(test) for name, fit in fits.items()}
        mean = np.sum([weights[name] * p for name, p in of_laws.items()], axis=0)
        return {
            "r2": r_squared(mean, measured),
            "of_laws": {name: r_squared(p, measured) for name, p in of_laws.items()},
            "weights": weights,
        }


def volume(belief: Belief) -> Array:
    return belief.laws[0].log_volume()


def predicted(
    sizes: Mapping[str, Array], logs: bool, law: Law, values: Mapping[str, Array]
) -> Array:
    value = law.evaluate(values, sizes)
    return np.log(value) if logs else value


def sizes_of(pool: Experiments, table: Table) -> dict[str, Array]:
    return {s: table.numbers(pool.columns[s], s) for s in pool.laws[0].sizes}


def r_squared(values: Array, measured: Array) -> float:
    """Clipped to [-1, 1]; -1 where a law gives no number."""
    if not np.isfinite(values).all():
        return -1.0
    share = ((values - measured) ** 2).sum() / ((measured - measured.mean()) ** 2).sum()
    return float(np.clip(1 - share, -1, 1))


def replayed(folder: Path, job: tuple[str, str, int]) -> tuple[tuple[str, str, int], list, float]:
    name, strategy, seed = job
    began = time.process_time()
    scores = Replay(pools(folder)[name], strategy, seed).run()
    return job, scores, time.process_time() - began


def line(name: str, means: Sequence[float]) -> str:
    return f"  {name:22s}" + "".join(f"{mean:8.2f}" for mean in means)


def table_of(name: str, of_pool: Mapping[str, list], seeds: int) -> str:
    lines = [f"{name}: R2 after 1, 5, 10% of the cost, mean of {seeds} seeds"]
    for strategy, of_seeds in of_pool.items():
        lines.append(line(strategy, np.mean([[s["r2"] for s in x] for x in of_seeds], axis=0)))
    if name in PUBLISHED:
        lines.append(line("v_optimal, published", PUBLISHED[name]))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES))
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    default = Path(__file__).parents[2] / "shared" / "reference"
    folder = chosen.folder or Path(os.environ.get("ALLOMETRY_REFERENCE", default))
    names = [n for n in pools(folder) if not chosen.only or n in chosen.only]
    results: dict[str, dict[str, list]] = {}
    seconds = 0.0
    with ProcessPoolExecutor(2) as executor:
        for name in names:
            jobs = [(name, s, seed) for s in chosen.strategies for seed in range(chosen.seeds)]
            of_pool = results[name] = {s: [] for s in chosen.strategies}
            for (_, strategy, _), scores, took in executor.map(partial(replayed, folder), jobs):
                of_pool[strategy].append(scores)
                seconds += took
            print(table_of(name, of_pool, chosen.seeds), flush=True)
    print(f"{seconds:.0f} seconds of processors", file=sys.stderr)
    if chosen.json:
        chosen.json.write_text(json.dumps({"machine": facts(), **results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
