"""The parameter-scaling study on a head that learns on random convolutional features.

`CNN_N_logic`, the second module the notebook of seed 000 can load. Same analysis,
figures and control as `mlp_parameter_scaling`; N, entropies and training are of
the head alone. Its sizes are the perceptron's: the notebook does not adapt the
estimate of N, so N comes out about twice its targets.
"""

from collections.abc import Sequence
from dataclasses import replace

from allometry.models import MLP, FrozenCNN
from allometry.spec import RunSpec
from allometry.studies.path_entropies import mlp_parameter_scaling as perceptron


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """Heads 1568-h-h/2-10 in place of the perceptrons 784-h-h/2-10, all else equal."""
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
        "The source calls the feature extractor pre-trained; it is random and never trained.",
    ),
)
