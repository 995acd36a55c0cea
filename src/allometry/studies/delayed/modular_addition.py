"""Does a transformer grok addition modulo p, and do its embeddings then lie on circles?

Power et al. (2201.02177) discovered grokking. Liu et al. (2205.10343, section 4.2 and appendix F)
found that the embeddings form a circle and have few principal components. Nanda et al.
(2301.05217) found the algorithm of a one-layer transformer: rotations at a few frequencies. This
study trains their network, at a size for two cores, with several seeds and several training
fractions. The controls are the untrained embeddings and training without weight decay.
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

# Modulus, updates, training fractions of the table, and the one also trained without decay.
SIZES = {
    "quick": (31, 1_500, (0.5, 0.7), 0.7),
    "paper": (53, 8_000, (0.3, 0.35, 0.4, 0.5, 0.6, 0.8), 0.4),
}
POINTS = {"quick": 15, "paper": 80}  # of each run's trajectory


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """A transformer for each seed and training fraction, and one per seed without weight decay.

    Each update uses all training pairs.
    """
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
    """`p`, the training `fraction` of the table, and `weight_decay` of the run."""
    data, optimizer = net.spec.data, net.spec.train.optimizer
    return {
        "p": getattr(data, "p", 0),
        "fraction": getattr(data, "fraction", 0.0),
        "weight_decay": getattr(optimizer, "weight_decay", 0.0),
    }


# ---- the analysis ------------------------------------------------------------------------


def analyse(table: Table) -> Analysis:
    """Findings on the claims of the sources, with the controls."""
    numbers = Numbers.of(table)
    return Analysis(findings_of(numbers), {"modular_addition": numbers})


def times(table: Table) -> Table:
    """Updates until the training pairs are learnt and until generalisation, and phase, by run."""
    return times_of(finished(table, GENERALISED), ("fraction", "weight_decay"))


STUDY = Study(
    name="modular_addition",
    title="Grokking addition modulo p with a transformer",
    question="Does a small transformer grok addition modulo p, and do its embeddings then lie on "
    "circles?",
    prediction="It memorises the training part of the table long before it generalises to the "
    "rest; then the embeddings of the numbers lie on circles of a few frequencies and have few "
    "principal components",
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
        "The transformer has one layer without layer norm and width 64 (Nanda et al.: 128). The "
        "modulus is 53 as in Liu et al. Their transformer has two layers and width 256, and its "
        "decoder has a separate learning rate and weight decay; their phase diagrams over these "
        "are not reproduced.",
        "A statement that a network does not generalise is about the updates made, at most 8,000.",
        "Without weight decay, loss and weights keep changing slowly after the training pairs are "
        "learnt. The effect of more updates, or of float64, is not known.",
        "The fraction that is also trained without weight decay was chosen after seeing one seed.",
        "Times are interpolated between two points of the trajectory, linearly in the logarithm of "
        "the updates.",
    ),
)
