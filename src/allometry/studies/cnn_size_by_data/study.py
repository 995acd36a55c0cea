"""Does loss after one step follow compute, model size or data, and what does real training follow?

Seed 001: eight convolutional networks by ten shares of MNIST, one full-batch update each,
one seed a cell. Added here: twenty seeds a width for its sentence on overfitting, compute
as true FLOP, and the exercise its author left out: one epoch of ordinary training, the
compute-efficient frontier, a law in N and D, and all of it again with dropout.
"""

import math
import random
from collections.abc import Mapping, Sequence

from allometry.datasets.splits import LeadingImages
from allometry.errors import DataError
from allometry.findings import Finding, Verdict, at_most
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.measures import Network
from allometry.models import ConvNet
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam, AdamW
from allometry.stats.interval import Interval
from allometry.studies.cnn_size_by_data import figures
from allometry.studies.cnn_size_by_data.analysis import (
    NOTEBOOK_FRACTIONS,
    drop_at_the_top,
    frontier_exponents,
    frontier_rows,
    parts,
    slopes,
    with_dropout,
)
from allometry.study import Notebook, Study
from allometry.tables.table import Table
from allometry.training.loop import Training

SOURCE = (
    "M. Baczyński, deep_learning_curriculum, solutions/2/mnist_cnn_scaling.ipynb "
    "(github.com/MatthewBaggins/deep_learning_curriculum)"
)
EXERCISE = "J. Hilton, Deep learning curriculum, chapter 2 (2-Scaling-Laws.md)"
HOFFMANN = "Hoffmann et al. 2022, arXiv 2203.15556, table 2"
WIDTHS = (6, 8, 11, 16, 23, 33, 47, 67)  # 6 sqrt(2)^k rounded down, as float32 has the powers
REPEATED = 0.01  # share of the images of the runs that repeat a width: 600, none of the grid's
TEST_IMAGES = 2_000  # of the repeated runs: 1 point of error where seeds differ by 8
NOTEBOOK_DROP = 6.547  # 27.064 - 20.517, mean test accuracy (%) at widths 47 and 67
BATCH = 64  # of real training
RATE = 0.1  # over sqrt(fan-in); the best of .003, .01, .03, .1, .2, .4 in five cells of seed 0


# ---- runs ----------------------------------------------------------------------------------


def cell_seeds(master: int) -> dict[tuple[int, float], int]:
    """The seed of each cell; 42 is the notebook's ``random.sample(range(800), 80)``."""
    cells = [(width, fraction) for width in WIDTHS for fraction in NOTEBOOK_FRACTIONS]
    drawn = random.Random(master).sample(range(10 * len(cells)), len(cells))  # noqa: S311
    return dict(zip(cells, drawn, strict=True))


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """The grid alone at the notebook's size; some of everything at the quick size; repeated
    widths and real training at the paper's."""
    if size == "paper":
        declared = [again(w, 1_000 + k) for w in WIDTHS for k in range(20)]
        for seed in seeds:
            declared += trained(WIDTHS, NOTEBOOK_FRACTIONS[:7], seed, (0.0, 0.2))
        return declared
    widths = WIDTHS[:3] if size == "quick" else WIDTHS
    fractions = NOTEBOOK_FRACTIONS[6:] if size == "quick" else NOTEBOOK_FRACTIONS
    declared = []
    for master in seeds:
        own = cell_seeds(master)
        declared += [one_step(w, f, own[w, f]) for w in widths for f in fractions]
        if size == "quick":
            declared += [again(w, 5 * master + k) for w in widths for k in range(5)]
            declared += trained(widths, NOTEBOOK_FRACTIONS[4:7], master, (0.0,))
    return declared


def again(width: int, seed: int) -> RunSpec:
    """A width once more, on few images."""
    return one_step(width, REPEATED, seed, n_test=TEST_IMAGES)


def one_step(width: int, fraction: float, seed: int, n_test: int = 10_000) -> RunSpec:
    """One AdamW update on all the data at once, which the notebook calls an epoch."""
    data = LeadingImages(fraction=fraction, n_test=n_test)
    train = TrainSpec(optimizer=AdamW(learning_rate=1e-3), epochs=1, batch_size=data.n_data)
    return RunSpec(model=ConvNet(channels=width), data=data, train=train, seed=seed)


def trained(
    widths: Sequence[int], fractions: Sequence[float], seed: int, dropouts: Sequence[float]
) -> list[RunSpec]:
    """One epoch in minibatches, each layer's rate proportional to 1/sqrt(fan-in)."""
    train = TrainSpec(
        optimizer=Adam(learning_rate=RATE), epochs=1, batch_size=BATCH, layer_rates="fan_in"
    )
    return [
        RunSpec(
            model=ConvNet(channels=width, dropout=dropout),
            data=LeadingImages(fraction=fraction),
            train=train,
            seed=seed,
        )
        for dropout in dropouts
        for width in widths
        for fraction in fractions
    ]


def cell(net: Network) -> dict[str, float]:
    """The notebook's columns, accuracies in percent; its compute is width x share of the images."""
    model, data, losses = net.model, net.spec.data, net.losses
    if not (isinstance(model, ConvNet) and isinstance(data, LeadingImages)):
        raise DataError("this study's cells are ConvNets on leading images")
    return {
        "model_size": model.channels,
        "dataset_fraction": data.fraction,
        "dropout": model.dropout,
        "one_step": int(net.spec.train.batch_size == data.n_data),
        "notebook_compute": model.channels * data.fraction,
        "train_loss": losses["train_loss"],
        "test_loss": losses["test_loss"],
        "train_accuracy": 100 * losses["train_accuracy"],
        "test_accuracy": 100 * losses["test_accuracy"],
    }


# ---- what was found ------------------------------------------------------------------------


def analyse(table: Table) -> list[Finding]:
    """What the notebook says of its grid, and what the exercise behind it asks."""
    part = parts(table)
    found: list[Finding] = []
    if len(part.grid) or len(part.repeats):
        found.append(_overfitting(part.repeats if len(part.repeats) else part.grid))
    if len(part.grid):
        found += [_data_or_width(part.grid), _flop(part.grid)]
    if len(part.trained):
        found += [_allocation(part.trained), _frontier(part.trained)]
    if len(part.dropout):
        found.append(_dropout(part.trained, part.dropout))
    return found


def _overfitting(repeats: Table) -> Finding:
    """Decided before looking: it holds if the accuracy surely falls, not if it surely falls by less
    than the notebook's figure shows."""
    found = drop_at_the_top(repeats)
    drop = found.drop
    verdict: Verdict = "undecided"
    if drop.high < 0:
        verdict = "agrees"
    elif drop.low > -NOTEBOOK_DROP:
        verdict = "disagrees"
    words = "Too few runs to say." if math.isnan(drop.value) else (
        f"From width {found.widths[0]} to {found.widths[1]} the mean test accuracy changes by "
        f"{_plain(drop, '+.1f')} points over {found.runs} networks each; from one to the next it "
        f"varies by {found.spread:.1f} points (standard deviation), so a mean of ten is uncertain "
        f"by {found.spread / math.sqrt(10):.1f}."
    )  # fmt: skip
    control = "" if math.isnan(found.gap.value) else (
        f"training images: the biggest model is {_plain(found.gap, '+.1f')} points better on them "
        "than on test images"
    )  # fmt: skip
    return Finding(
        claim="The biggest model overfits: its test accuracy falls below that of the next smaller",
        prediction=f"a fall of {NOTEBOOK_DROP:.1f} points, as between the notebook's last two "
        "means of ten cells",
        source=SOURCE,
        measured=drop.value,
        low=drop.low,
        high=drop.high,
        verdict=verdict,
        answer=words,
        control=control,
        unit="points" if not math.isnan(drop.value) else "",
    )


def _data_or_width(grid: Table) -> Finding:
    by = slopes(grid)
    ratio, width, data = by["ratio"], by["width"], by["data"]
    answer = "Too few cells to say."
    if not math.isnan(ratio.value):
        answer = (
            f"Test loss changes by {_plain(width)} for each factor e in width and by "
            f"{_plain(data)} for each factor e in data."
        )
    return Finding(
        claim='After one step "compute" means model size: data hardly matter',
        prediction="the effect of data is less than half that of width, on logarithms (below 0.5)",
        source=SOURCE,
        measured=ratio.value,
        low=ratio.low,
        high=ratio.high,
        verdict=at_most(ratio, 0.5),
        answer=answer,
        control="one update in every cell: more data only average its gradient, so nothing else "
        "was to be expected",
        unit="of the effect of width" if not math.isnan(ratio.value) else "",
    )


def _flop(grid: Table) -> Finding:
    by = slopes(grid)
    spread, gain = by["flop_spread"], by["r2_gain"]
    answer = "Too few cells to say."
    if not math.isnan(spread.value):
        answer = (
            f"A unit of width x share costs up to {spread.value:.1f} times as many FLOP in one "
            f"cell as in another, since the second convolution grows as the square of the width; "
            f"in FLOP, compute explains {_plain(gain)} more of the variance of the test loss."
        )
    return Finding(
        claim="Width x share of the data stands for compute",
        prediction="training FLOP are proportional to it (a spread of 1)",
        source=SOURCE,
        measured=spread.value,
        low=spread.low,
        high=spread.high,
        verdict=at_most(spread, 1.1),
        answer=answer,
        unit="times" if not math.isnan(spread.value) else "",
    )


def _allocation(trained: Table) -> Finding:
    law = _law(trained)
    found = Interval(math.nan, math.nan, math.nan)
    words = "Too few runs to fit L(N, D)."
    if law is not None:
        a = law.derived["a"]
        found = Interval(a.value, a.low, a.high)
        alpha, beta = law.parameters["alpha"], law.parameters["beta"]
        powers = [_plain(Interval(e.value, e.low, e.high), ".2f") for e in (alpha, beta)]
        words = (
            f"L = E + A N^-alpha + B D^-beta on {len(trained)} runs of one epoch: alpha "
            f"{powers[0]}, beta {powers[1]}; the best N grows as C^{_plain(found)}."
        )
        if {alpha.verdict, beta.verdict} != {"identified"}:
            found = Interval(math.nan, math.nan, math.nan)
            words += " The exponents are not identified by these runs."
        elif not a.low <= a.value <= a.high:
            found = Interval(a.value, math.nan, math.nan)
    return Finding(
        claim="With more compute the best network grows as fast as its data",
        prediction="N ~ C^a with a = 0.5, as of large language models",
        source=HOFFMANN,
        measured=found.value,
        low=found.low,
        high=found.high,
        verdict=_holds(found, 0.5),
        answer=words,
        control=_other_compute(trained),
        unit="exponent" if not math.isnan(found.value) else "",
    )


def _other_compute(trained: Table) -> str:
    by = frontier_exponents(trained)
    if math.isnan(by["notebook_compute"].value):
        return ""
    return (
        f"the frontier of test loss falls as a power of FLOP with exponent "
        f"{_plain(by['compute'])}, of width x share with {_plain(by['notebook_compute'])}"
    )


def _frontier(trained: Table) -> Finding:
    by = frontier_exponents(trained)
    flop, difference = by["compute"], by["difference"]
    words = "Too few runs for a frontier."
    if not math.isnan(flop.value):
        words = (
            f"Along the frontier test loss falls as C^{_plain(flop)}; counted in width x share "
            f"the exponent is {_plain(by['notebook_compute'])}."
        )
    return Finding(
        claim="Counting compute as width x share gives the frontier another exponent",
        prediction="the two exponents differ (not 0), since FLOP grow faster than the width",
        source=EXERCISE,
        measured=difference.value,
        low=difference.low,
        high=difference.high,
        verdict=_differs(difference),
        answer=words,
        unit="difference of exponents" if not math.isnan(difference.value) else "",
    )


def _dropout(trained: Table, dropout: Table) -> Finding:
    by = with_dropout(trained, dropout)
    change = by["change"]
    words = "Too few runs to compare."
    if not math.isnan(change.value):
        words = (
            f"Over the same cells test loss changes by a factor of {_plain(by['ratio'])}, and the "
            f"exponent of the frontier by {_plain(change)}."
        )
    return Finding(
        claim="20% dropout changes the exponent of the compute-efficient frontier",
        prediction="asked, not predicted: a change (not 0)",
        source=EXERCISE,
        measured=change.value,
        low=change.low,
        high=change.high,
        verdict=_differs(change),
        answer=words,
        unit="change of the exponent" if not math.isnan(change.value) else "",
    )


def _holds(x: Interval, value: float) -> Verdict:
    """Outside the interval: disagrees; inside, where it is within 0.1: agrees."""
    if not x.low <= value <= x.high:
        return "undecided" if math.isnan(x.low) else "disagrees"
    return "agrees" if x.high - x.low <= 0.2 else "undecided"


def _differs(x: Interval) -> Verdict:
    """From zero; a difference that is surely small, 0.05 at most, is none."""
    if x.low > 0 or x.high < 0:
        return "agrees"
    return "disagrees" if max(-x.low, x.high) <= 0.05 else "undecided"


def _plain(x: Interval, form: str = ".2g") -> str:
    if math.isnan(x.low) or math.isnan(x.high):
        return f"{x.value:{form}} (no interval)"
    return f"{x.value:{form}} [{x.low:{form}}, {x.high:{form}}]"


# ---- fits ----------------------------------------------------------------------------------


def _law(trained: Table) -> Fit | None:
    """L(N, D) of all runs, whole widths resampled; None where the grid is too small."""
    if min(len(set(trained["n_params"])), len(set(trained["n_data"]))) < 4:
        return None
    columns = {"N": "n_params", "D": "n_data", "L": "test_loss"}
    return fit(trained, "chinchilla", columns, objective="squared_log", cluster=("n_params",))


def fits(table: Table) -> Mapping[str, Fit]:
    """Of real training: L(N, D), and the loss along the compute-efficient frontier."""
    part, found = parts(table), {}
    for name, rows in (("", part.trained), (", 20% dropout", part.dropout)):
        law = _law(rows) if len(rows) else None
        if law is not None:
            found[f"Test loss, L(N, D){name}"] = law
        edge = frontier_rows(rows) if len(rows) else rows
        if len(edge) >= 4:
            columns = {"x": "compute", "y": "test_loss"}
            found[f"Test loss along the frontier{name}"] = fit(
                edge, "power", columns, objective="squared_log"
            )
    return found


STUDY = Study(
    name="cnn_size_by_data",
    title="Convolutional networks on MNIST, width by share of the data",
    question="Does the loss follow compute, the width or the data, and does the biggest overfit?",
    prediction='loss falls with "compute", which seems to mean model size; the biggest model '
    "starts to overfit",
    source=SOURCE,
    runs=runs,
    sizes=("quick", "notebook", "paper"),
    seeds={"quick": (42,), "notebook": (42,), "paper": (0, 1)},
    procedure=Training(untrained=False),
    measures={"cell": cell},
    analyse=analyse,
    figures=(
        figures.four_heatmaps,
        figures.loss_and_compute,
        figures.accuracy_by_width,
        figures.training_frontier,
    ),
    fits=fits,
    notebook=Notebook(
        number=1,
        name="Scaling laws of a CNN on MNIST",
        printed='a table of 80 cells, four heatmaps of it, and no fit: compute "means ~model '
        'size" and the network "starts overfitting at the biggest model".',
    ),
    notes=(
        "At the quick and notebook sizes a seed is the master seed the cells' own seeds are drawn "
        "with; 42 gives the notebook's. The column seed is the one a network was drawn with.",
        "At the quick and paper sizes the widths are repeated with other seeds on 600 images, a "
        "share of 0.01 that is not in the grid, and tested on the first 2,000.",
        "The learning rate of real training, 0.1 over the square root of the fan-in, is the best "
        "of six on five cells; no size has its own.",
        "Initial accuracies, which the notebook prints of an unseeded network, are not repeated.",
    ),
)
