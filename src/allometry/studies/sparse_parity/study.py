"""Does a network learn many parities one by one, each abruptly, and is the mean loss a power law?

The study repeats the figure of notebook 003, a replication of the quantization model of neural
scaling. It adds the three scalings of the original paper, at a size that two cores can train.
"""

from collections.abc import Sequence

import numpy as np

from allometry.findings import Analysis
from allometry.studies.sparse_parity import figures, scaling_figures
from allometry.studies.sparse_parity.findings import SOURCE, findings_of
from allometry.studies.sparse_parity.numbers import Numbers
from allometry.studies.sparse_parity.procedure import SparseParity, TrainedRun
from allometry.studies.sparse_parity.spec import ParityRun
from allometry.studies.sparse_parity.trajectories import LEARNT, trajectories
from allometry.study import Notebook, Study
from allometry.tables.table import Table

# Half-octave widths 8 to 256, truncated to integers as in the paper's scripts.
WIDTHS = tuple(int(w) for w in 2 ** np.linspace(3, 8, 11))


def runs(size: str, seeds: Sequence[int]) -> list[ParityRun]:
    """The notebook's network at every seed, or three scalings of smaller tasks at other sizes."""
    if size == "notebook":
        return [ParityRun(seed=seed) for seed in seeds]
    return _quick(seeds) if size == "quick" else _paper(seeds)


def _quick(seeds: Sequence[int]) -> list[ParityRun]:
    """Three scalings of 24 parities of 2 of 16 bits."""
    small = ParityRun(
        seed=0, n_tasks=24, n_bits=16, k=2, distinct=True, batch_size=500, steps=4_000,
        learning_rate=5e-3, measure_every=20, task_samples=100, test_size=5_000, width=96,
    )  # fmt: skip
    widths = (3, 4, 6, 9, 14, 24, 48, 96)
    return _three_scalings(small, seeds, (0.4,), widths, _samples(1_000, 64_000))


def _paper(seeds: Sequence[int]) -> list[ParityRun]:
    """Three scalings of 100 parities of 3 of 32 bits; the paper has 500 of 3 of 100 bits."""
    reduced = ParityRun(
        seed=0, n_tasks=100, n_bits=32, k=3, distinct=True, batch_size=2_000, steps=30_000,
        learning_rate=3e-3, measure_every=100, task_samples=100, test_size=20_000, width=256,
    )  # fmt: skip
    return _three_scalings(reduced, seeds, (0.4, 0.2, 0.8), WIDTHS, _samples(8_000, 500_000))


def _samples(first: int, last: int) -> tuple[int, ...]:
    return tuple(int(d) for d in np.geomspace(first, last, 8).round())


def _three_scalings(
    one: ParityRun,
    seeds: Sequence[int],
    alphas: Sequence[float],
    widths: Sequence[int],
    samples: Sequence[int],
) -> list[ParityRun]:
    """All widths on fresh samples, then the widest on finite training sets for half the updates.

    Runs are ordered by seed, so that a study stopped half way has complete scalings of the first
    seeds.
    """
    declared = []
    for seed in seeds:
        for alpha in alphas:
            base = one.model_copy(update={"alpha": alpha, "seed": seed})
            declared += [base.model_copy(update={"width": width}) for width in widths]
            declared += [
                base.model_copy(update={"n_samples": n, "steps": one.steps // 2}) for n in samples
            ]
    return declared


def losses(run: TrainedRun) -> dict[str, float]:
    """Final losses in nats, the lowest test loss along training, and the number of tasks learnt.

    The lowest test loss includes the loss before the first update, ln 2.
    """
    return {
        "train_loss": float(run.loss[-1]),
        "test_loss": float(run.test_loss[-1]),
        "best_test_loss": min(float(run.test_loss.min()), float(np.log(2))),
        "tasks_learnt": int((run.task_loss[-1] < LEARNT).sum()),
    }


def analyse(table: Table) -> Analysis:
    """Findings on the claims of the notebook and of the paper."""
    numbers = Numbers.of(table)
    return Analysis(findings_of(numbers), {"sparse_parity": numbers}, numbers.fits)


STUDY = Study(
    name="sparse_parity",
    title="Multitask sparse parity: quanta learnt one by one",
    question="Does a network learn many parities one by one, each abruptly, and does their order "
    "make its loss a power law of parameters, samples and steps?",
    prediction="tasks are learnt in the order of their frequency; the loss falls as N^-alpha, "
    "D^{-alpha/(1 + alpha)} and S^{-alpha/(1 + alpha)}",
    source=SOURCE,
    symbols={
        "N": "number of parameters",
        "D": "number of training samples",
        "S": "number of updates",
        "p": "frequency of a task among the samples",
        "t": "update at which a task is half learnt",
        "alpha": "the k-th most frequent task has a frequency proportional to k^{-(alpha + 1)}",
        "L_n": "loss if the n most frequent tasks are learnt",
        "K": "number of tasks",
        "b": "loss of a task that is not learnt",
    },
    runs=runs,
    sizes=("quick", "notebook", "paper"),
    seeds={"quick": (0, 1, 2), "notebook": (0, 1, 2, 3, 4), "paper": (0, 1, 2)},
    procedure=SparseParity(),
    measures={"losses": losses},
    analyse=analyse,
    figures=(
        figures.as_in_the_notebook,
        figures.learning_times,
        figures.beside_the_author,
        scaling_figures.three_scalings,
        scaling_figures.exponents,
        figures.quanta_against_loss,
    ),
    views={"trajectories": trajectories},
    notebook=Notebook(
        number=3,
        name="A replication of the quantization model",
        printed="the training loss of one unseeded run of ten tasks, which falls from 0.696 to "
        "0.124, and a figure of ten task losses that is too crowded to read learning times from.",
    ),
    notes=(
        "The notebook sets no seed: its run is compared with five of ours as if it were a sixth.",
        "Size paper is a reduced problem: 100 tasks of 3 of 32 bits, batches of 2,000, learning "
        "rate 0.003, 8 to 256 units, 30,000 updates. The paper has 500 tasks of 3 of 100 bits, "
        "batches of 20,000, learning rate 0.001, 9 to 500 units, 200,000 updates; the spec's "
        "fields allow these values.",
        "In the findings a task is half learnt once its loss is below 0.35 nats, half of chance. "
        "The column tasks_learnt counts the tasks whose loss is below 0.1 bit at the end of "
        "training, as in the paper; these are fewer.",
        "Intervals are Student's over seeds. With another number of threads rounding differs, and "
        "a seed gives another run; the scatter between seeds includes this effect.",
        "The output is one sigmoid unit; the paper has two units and a softmax, which is the same "
        "function with more parameters.",
    ),
)
