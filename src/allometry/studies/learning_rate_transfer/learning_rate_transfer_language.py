"""Does the best learning rate of Adam stay the same as a language model gets wider?

The study compares one rate for all matrices with muP (Yang et al., 2203.03466), on the bytes of
books.
"""

from collections.abc import Sequence
from functools import partial

from allometry import measures
from allometry.datasets import Bytes, Text
from allometry.models import LanguageModel
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.studies.learning_rate_transfer.claims import FEW, FEW_RATE, RATES, SOURCE, claims
from allometry.study import Study

WIDTHS = (16, 24, 32, 48, 64, 96, 128)
WINDOWS = 256  # windows over which losses are averaged; for changes of outputs, a quarter of them


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """Two layers of each width at each learning rate, and for a few updates at one rate."""
    many, updates = {"quick": (3, 100), "notebook": (5, 100), "paper": (len(WIDTHS), 300)}[size]
    shared = {"batch_size": 8, "measure_examples": WINDOWS}
    trains = [
        TrainSpec(optimizer=Adam(learning_rate=rate), steps=steps, **shared)
        for rate, steps in [*((rate, updates) for rate in RATES), (FEW_RATE, FEW)]
    ]
    data = Text(name="gutenberg", tokeniser=Bytes(), context=64, test_tokens=64 * WINDOWS)
    models = [
        LanguageModel(
            vocabulary=256, context=64, d_model=width, n_layers=2, d_head=8, d_mlp=4 * width,
            tied=True, parametrisation=parametrisation, base_width=base_width,
        )
        for parametrisation, base_width in (("standard", None), ("mup", WIDTHS[0]))
        for width in WIDTHS[:many]
    ]  # fmt: skip
    each = [(s, model, train) for s in seeds for model in models for train in trains]
    return [RunSpec(model=m, data=data, train=t, seed=s) for s, m, t in each]


STUDY = Study(
    name="learning_rate_transfer_language",
    title="Learning rates of language models across widths: standard and muP", source=SOURCE,
    question="Does the best learning rate of Adam stay the same as a language model gets wider?",
    runs=runs, sizes=("quick", "notebook", "paper"),
    seeds={"quick": (0, 1), "notebook": (0, 1, 2), "paper": (0, 1, 2)},
    measures={
        "losses": measures.losses,
        "changes": partial(measures.activation_changes, examples=WINDOWS // 4),
        "model": lambda n: {"width": n.model.d_model, "parametrisation": n.model.parametrisation},
    },
    claims=claims("the usual initialisation"),
    notes=(
        "A run uses each training window at most once. The training loss is measured on windows "
        "that most runs were not trained on.",
    ),
)  # fmt: skip
