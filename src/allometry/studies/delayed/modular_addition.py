"""Does a transformer grok addition modulo p, and do its embeddings then lie on circles?

Power et al. 2201.02177 found it, Liu et al. 2205.10343 (section 4.2, appendix F) saw the
embeddings form a circle and their principal components grow few, Nanda et al. 2301.05217
read the algorithm off a one-layer transformer: rotations at a few frequencies. Their
network, small enough for two cores, with seeds, intervals, fractions of the table
shown, the untrained embeddings and the same network without weight decay.
"""

from collections.abc import Sequence

from allometry import measures
from allometry.datasets.modular import ModularAddition
from allometry.findings import Analysis
from allometry.measures import Network
from allometry.measures.norms import weight_norm
from allometry.models import OneLayerTransformer
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import AdamW
from allometry.studies.delayed.delay import finished, times_of
from allometry.studies.delayed.fourier import embedding_structure, embedding_trajectories
from allometry.studies.delayed.mirrored import mirrored_accuracy
from allometry.studies.delayed.modular_figures import (
    embeddings_on_a_ring,
    frequencies_before_and_after,
    sums_along_training,
    time_by_fraction,
)
from allometry.studies.delayed.modular_findings import LIU, findings_of
from allometry.studies.delayed.modular_numbers import GENERALISED, Numbers
from allometry.study import Study
from allometry.tables.table import Table

# size: modulus, updates, fractions of the table shown, the one also trained without decay
SIZES = {
    "quick": (31, 1_500, (0.5, 0.7), 0.7),
    "paper": (53, 8_000, (0.3, 0.35, 0.4, 0.5, 0.6, 0.8), 0.4),
}
POINTS = {"quick": 15, "paper": 80}  # along each run


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """A transformer at every fraction and seed, all pairs shown in each update; and one without
    weight decay."""
    p, updates, fractions, control = SIZES[size]
    plan = [(fraction, 1.0) for fraction in fractions] + [(control, 0.0)]
    return [
        _run(seed, p, fraction, weight_decay, updates, updates // POINTS[size])
        for seed in seeds
        for fraction, weight_decay in plan
    ]


def _run(
    seed: int, p: int, fraction: float, weight_decay: float, updates: int, every: int
) -> RunSpec:
    data = ModularAddition(p=p, fraction=fraction)
    return RunSpec(
        model=OneLayerTransformer(p=p, d_model=64, n_heads=4, d_mlp=256),
        data=data,
        train=TrainSpec(
            # b2 = 0.98 as in Power et al. and Nanda et al.
            optimizer=AdamW(learning_rate=1e-3, weight_decay=weight_decay, b2=0.98),
            epochs=updates,
            batch_size=data.n_data,
            measure_every=every,
        ),
        seed=seed,
    )


def settings(net: Network) -> dict[str, float]:
    """`p`, `fraction` of the table shown, `weight_decay` of the run."""
    data, optimizer = net.spec.data, net.spec.train.optimizer
    return {
        "p": getattr(data, "p", 0),
        "fraction": getattr(data, "fraction", 0.0),
        "weight_decay": getattr(optimizer, "weight_decay", 0.0),
    }


# ---- the analysis ------------------------------------------------------------------------


def analyse(table: Table) -> Analysis:
    """What the sources claim beside the measurement, untrained embeddings and no weight decay."""
    numbers = Numbers.of(table)
    return Analysis(findings_of(numbers), {"modular_addition": numbers})


def times(table: Table) -> Table:
    """Updates to learn the part shown, to generalise, and the phase of every finished run."""
    return times_of(finished(table, GENERALISED), ("fraction", "weight_decay"))


STUDY = Study(
    name="modular_addition",
    title="Grokking addition modulo p with a transformer",
    question="Does a small transformer grok addition modulo p, and do its embeddings then lie on "
    "circles?",
    prediction="It memorises its part of the table long before it knows the rest; then its "
    "numbers stand on circles of a few frequencies, and few principal components hold them",
    source=LIU,
    runs=runs,
    sizes=("quick", "paper"),
    seeds={"quick": (0, 1), "paper": (0, 1, 2)},
    measures={
        "losses": measures.losses,
        "settings": settings,
        "embedding": embedding_structure,
        "mirrored": mirrored_accuracy,
        "weights": weight_norm,
    },
    trajectory={
        "losses": measures.losses,
        "embedding": embedding_structure,
        "courses": embedding_trajectories,
        "mirrored": mirrored_accuracy,
        "weights": weight_norm,
    },
    analyse=analyse,
    figures=(
        sums_along_training,
        time_by_fraction,
        embeddings_on_a_ring,
        frequencies_before_and_after,
    ),
    views={"times": times},
    notes=(
        "One layer without layer norm, 64 wide (Nanda et al.: 128), modulus 53 as in Liu et al., "
        "whose transformer has two layers and is 256 wide and whose decoder has its own learning "
        "rate and weight decay: their phase diagrams over these are not drawn.",
        "That a network does not generalise is said of the updates made, 8,000 at most.",
        "Without weight decay training does not stand still once the part shown is known: loss and "
        "weights go on changing slowly. What more updates, or float64, would do is not known.",
        "The fraction also trained without weight decay was chosen after a look at one seed.",
        "A time is read between two points along training, in a straight line in its logarithm.",
    ),
)
