"""The parameter-scaling study with heads trained on random convolutional features.

This is `CNN_N_logic`, the second module that notebook 000 can load. Analysis, figures and control
are those of `mlp_parameter_scaling`. N, entropies and training refer to the head alone. The hidden
widths are those of the perceptrons: the notebook does not adapt its estimate of N, so N is about
twice its targets.
"""

from collections.abc import Sequence
from dataclasses import replace

from allometry.models import MLP, FrozenCNN
from allometry.spec import RunSpec
from allometry.studies.path_entropies import mlp_parameter_scaling as perceptron


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """Heads 1568-h-h/2-10 instead of the perceptrons 784-h-h/2-10, otherwise the same."""
    return [
        spec.model_copy(update={"model": FrozenCNN(widths=(1568, *spec.model.widths[1:]))})
        for spec in perceptron.runs(size, seeds)
        if isinstance(spec.model, MLP)
    ]


STUDY = replace(
    perceptron.STUDY,
    name="frozen_cnn_parameter_scaling",
    title="N-scaling of heads on random convolutional features, with path entropies",
    runs=runs,
    notes=(
        *perceptron.STUDY.notes,
        "The source calls the feature extractor pre-trained, but it is random and never trained.",
    ),
)
