"""The parameter-scaling study on a head that learns on the features of a random Transformer.

`VIT_N_logic`, the third module the notebook of seed 000 can load. Same analysis,
figures and control as `mlp_parameter_scaling`; N, entropies and training are of
the head alone.
"""

from collections.abc import Sequence
from dataclasses import replace

from allometry.models import MLP, FrozenViT
from allometry.spec import RunSpec
from allometry.studies.path_entropies import mlp_parameter_scaling as perceptron


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """Heads 64-h-h/2-10 in place of the perceptrons 784-h-h/2-10, all else equal."""
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
        "The source leaves the encoder's dropout of 0.1 on while the head trains; here features "
        "are computed once, without it. benchmarks/vit_dropout.py measures the difference.",
    ),
)
