"""Which rule chooses the law that extrapolates: developed on one image task, judged on three.

    python benchmarks/law_choice.py [FOLDER OF REFERENCE DATA]

The 72 vision curves of Alabdulmohsin et al. (2209.06640): six models, four data sets (birds,
CIFAR-100, Caltech-101, ImageNet), three numbers of shots. Split, rules and measure were written
down first: the best rule on `bird` (18 curves) is judged on the other three tasks (54 curves). A
ratio is the RMSLE of a rule on the rows set aside over that of the best of the five laws on the
same curve; typical is the geometric mean. The last column has the mean difference of the log
ratio of the chosen law to that of `aicc`, with its standard error over curves. No rule sees the
rows set aside. What came of it is in docs/fitting.md.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from allometry.fitting.backtest import ORIGINS, errors, errors_on
from allometry.fitting.compare import Comparison, compare
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions
from allometry.fitting.weights import average, information, inverse_square_weights
from allometry.laws import Array
from allometry.tables.read import read_table
from allometry.tables.table import Table

COLUMNS = {"x": "Seen Examples", "y": "Loss"}
LAWS = ["m1", "m2", "m3", "m4", "bnsl1"]
DEVELOPED = "bird"

Weights = dict[str, float]
Rule = Callable[[Comparison, Table], Weights]


def fits_of(group: Comparison) -> dict[str, Fit]:
    return {name: s.fit for name, s in group.laws.items() if s.fit is not None}


def softmax(criterion: Mapping[str, float], share: float) -> Weights:
    """Akaike weights; share: of the rows that carry information of their own."""
    least = min(criterion.values())
    worth = {n: float(np.exp(-(c - least) * share / 2)) for n, c in criterion.items()}
    return {n: w / sum(worth.values()) for n, w in worth.items()}


def independent(group: Comparison) -> float:
    """(1 - c)/(1 + c) with the correlation c of neighbouring residuals of the best law by AICc."""
    best = min(group.laws.values(), key=lambda score: score.aicc).fit
    assert best is not None
    r = best.residuals()[np.argsort(best.data["x"], kind="stable")]
    r = r - r.mean()
    c = float(np.clip((r[1:] @ r[:-1]) / (r @ r), 0.0, 0.95))
    return (1 - c) / (1 + c)


def penalty(rows: float, fit: Fit) -> float:
    k = len(fit.parameters) + 1
    return 2 * k + (2 * k * (k + 1) / (rows - k - 1) if rows > k + 1 else np.inf)


def aicc(group: Comparison, train: Table) -> Weights:
    """As `compare`: quasi-AICc of Huber's objective, tempered by the correlation of residuals."""
    return {name: score.weight for name, score in group.laws.items() if score.fit is not None}


def aicc_squares(group: Comparison, train: Table) -> Weights:
    """AICc of squared log residuals, tempered likewise."""
    fits = fits_of(group)
    score = {
        n: f.rows * np.log(np.mean(f.residuals() ** 2)) + penalty(f.rows, f)
        for n, f in fits.items()
    }
    return softmax(score, independent(group))


def aicc_effective(group: Comparison, train: Table) -> Weights:
    """AICc with as many rows as there are independent ones, in its small-sample term too."""
    share, fits = independent(group), fits_of(group)
    criteria = information(fits)
    score = {
        n: share * (criteria[n][0] - penalty(f.rows, f)) + penalty(share * f.rows, f)
        for n, f in fits.items()
    }
    if not np.isfinite(min(score.values())):
        return dict.fromkeys(score, 1 / len(score))
    return softmax(score, 1.0)


def backtest(group: Comparison, train: Table) -> Weights:
    """1/error^2 of the back-test, all origins pooled."""
    return inverse_square_weights({n: group.laws[n].backtest_rmsle for n in fits_of(group)})


def backtest_last(group: Comparison, train: Table) -> Weights:
    """1/error^2 of the latest origin alone."""
    x = np.asarray(train["Seen Examples"], float)
    sizes = np.unique(x)
    seen = x <= sizes[int(np.ceil(ORIGINS[-1] * len(sizes))) - 1]
    if seen.all():
        return aicc(group, train)
    options = FitOptions(delta=group.delta or 1e-3, resamples=0)
    error = {}
    for name, fit in fits_of(group).items():
        enough = seen.sum() > len(fit.law.parameters)
        early = fit_with(train.take(seen), fit.law, COLUMNS, options) if enough else None
        error[name] = errors_on(early, train.take(~seen), COLUMNS).rmsle if early else np.inf
    return inverse_square_weights(error)


def combined(group: Comparison, train: Table) -> Weights:
    """The product of the weights by AICc and by the back-test."""
    first, second = aicc(group, train), backtest(group, train)
    product = {n: first[n] * second[n] for n in first}
    total = sum(product.values())
    return {n: p / total for n, p in product.items()} if total > 0 else first


def late(group: Comparison, train: Table) -> Weights:
    """AICc with the mean square of the last third of the residuals: laws that miss a late bend."""
    fits = fits_of(group)
    score = {}
    for name, fit in fits.items():
        r = fit.residuals()[np.argsort(fit.data["x"], kind="stable")][-max(3, fit.rows // 3) :]
        score[name] = fit.rows * np.log(np.mean(r**2)) + penalty(fit.rows, fit)
    return softmax(score, independent(group))


RULES: tuple[Rule, ...] = (
    aicc, aicc_squares, aicc_effective, backtest, backtest_last, combined, late,
)  # fmt: skip


def scores(group: Comparison, train: Table, test: Table) -> dict[str, tuple[float, float]]:
    """RMSLE of the law each rule chooses and of its average; of each law, twice."""
    single = {n: s.extrapolation_rmsle for n, s in group.laws.items()}
    result = {name: (error, error) for name, error in single.items()}
    sizes, measured = {"x": test["Seen Examples"]}, np.asarray(test["Loss"], float)
    predictions = {name: fit.predict(sizes) for name, fit in fits_of(group).items()}
    for rule in RULES:
        weights = rule(group, train)
        positive = {n: (w, predictions[n]) for n, w in weights.items() if w > 0}
        mean = errors(average(positive, logs=True), measured).rmsle
        result[rule.__name__] = (single[max(weights, key=lambda n: weights[n])], mean)
    return result


def typical(ratios: Array) -> str:
    logs = np.log(ratios)
    return f"{np.exp(logs.mean()):6.3f} {np.median(ratios):6.3f} {ratios.mean():6.3f}"


def show(title: str, rows: list[dict[str, tuple[float, float]]]) -> None:
    """Ratios to the best law of each curve, of chosen and of averaged laws."""
    best = np.array([min(row[n][0] for n in LAWS) for row in rows])
    print(f"\n{title}: {len(rows)} curves")
    print(
        f"{'':16s} chosen: typical, median, mean | averaged: the same | RMSLE chosen: median, mean"
    )
    reference = np.log([row["aicc"][0] for row in rows])
    for name in rows[0]:
        chosen, averaged = np.array([row[name] for row in rows]).T
        difference = np.log(chosen) - reference
        print(
            f"{name:16s} {typical(chosen / best)} | {typical(averaged / best)} | "
            f"{np.median(chosen):.4f} {chosen.mean():.4f} | "
            f"{difference.mean():+.3f} ({difference.std(ddof=1) / np.sqrt(len(rows)):.3f})"
        )


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/reference")
    table = read_table(folder / "google_revisiting/benchmark.vision.csv")
    by_task: dict[str, list[dict[str, tuple[float, float]]]] = {}
    undecided: list[tuple[bool, float]] = []
    by = ["Domain", "Task", "Model"]
    groups = compare(table, COLUMNS, LAWS, fit_where=["Training==1"], by=by, backtest=True)
    for group in groups:
        rows = table.where(**group.by)
        result = scores(group, rows.where(Training=1), rows.where(Training=0))
        task = str(group.by["Task"]).partition("_")[0]
        by_task.setdefault(task, []).append(result)
        ratio = result["aicc"][0] / min(result[n][0] for n in LAWS)
        undecided.append((bool(group.cannot_tell), ratio))
    show(f"developed on {DEVELOPED}", by_task[DEVELOPED])
    others = [task for task in by_task if task != DEVELOPED]
    show(f"judged on {', '.join(others)}", [row for task in others for row in by_task[task]])
    for task in others:
        show(task, by_task[task])
    for doubt, words in ((True, "cannot tell"), (False, "decided")):
        ratios = np.array([ratio for flag, ratio in undecided if flag == doubt])
        print(f"\n{words}: {len(ratios)} curves, ratio of the law chosen by AICc {typical(ratios)}")


if __name__ == "__main__":
    main()
