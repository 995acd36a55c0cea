"""Does a law fitted to small language models predict the loss of a larger one before it is trained?

A grid of byte models is trained at several compute budgets, as by Hoffmann et al. (2203.15556).
The loss of the best model at a larger budget is predicted. The prediction is stored with its
time before the larger model is trained.
"""

from collections.abc import Sequence

from allometry.spec import RunSpec
from allometry.studies.language_model_scaling.findings import analyse
from allometry.studies.language_model_scaling.grid import (
    SHAPES,
    SIZES,
    byte_grid,
    default_rate,
    tuning,
)
from allometry.studies.language_model_scaling.rows import scores
from allometry.studies.language_model_scaling.stages import later
from allometry.studies.language_model_scaling.views import forecast_view
from allometry.study import Study

SOURCE = "Hoffmann et al. 2022, Training compute-optimal large language models, 2203.15556"


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """The runs that tune the learning rates; the grid itself for a size without tuning."""
    tuned = [run for seed in seeds for run in tuning(SIZES[size], seed)]
    return tuned or byte_grid(SIZES[size], seeds, {s: default_rate(s) for s in SHAPES})


STUDY = Study(
    name="language_model_scaling",
    title="Language models: a forecast and the run that came after",
    question="Does a law of small language models predict a larger one before it is trained?",
    prediction="The loss of the larger run lies in the interval predicted for it.",
    source=SOURCE,
    runs=runs,
    later=later,
    sizes=("quick", "notebook", "paper"),
    seeds={"quick": (0,), "notebook": (0,), "paper": (0,)},
    measures={"scores": scores},
    analyse=analyse,
    views={"forecast": forecast_view},
    notes=(
        "Learning rates are tuned at one budget: for each model size the best of three is taken.",
        "The text is split into blocks, so the test loss is of unseen pages of books that are also "
        "in the training text.",
        "The compression programs that bits per byte are compared with read the test part alone.",
    ),
)
