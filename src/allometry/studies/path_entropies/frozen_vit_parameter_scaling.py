"""The parameter-scaling study with heads trained on the features of a random Transformer.

This is `VIT_N_logic`, the third module that notebook 000 can load. Analysis, figures and control
are those of `mlp_parameter_scaling`. N, entropies and training refer to the head alone.
"""

from collections.abc import Sequence
from dataclasses import replace

from allometry.models import MLP, FrozenViT
from allometry.spec import RunSpec
from allometry.studies.path_entropies import mlp_parameter_scaling as perceptron


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """Heads 64-h-h/2-10 instead of the perceptrons 784-h-h/2-10, otherwise the same."""
    return [
        spec.model_copy(update={"model": FrozenViT(widths=(64, *spec.model.widths[1:]))})
        for spec in perceptron.runs(size, seeds)
        if isinstance(spec.model, MLP)
    ]


STUDY = replace(
    perceptron.STUDY,
    name="frozen_vit_parameter_scaling",
    title="N-scaling of heads on the features of a random Transformer, with path entropies",
    runs=runs,
    notes=(
        *perceptron.STUDY.notes,
        "In the source the encoder's dropout of 0.1 is active while the head trains; here features "
        "are computed once, without dropout. benchmarks/vit_dropout.py measures the difference.",
    ),
)
