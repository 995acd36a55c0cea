"""What one run of the toy model is: every choice of the notebook and of the published code."""

from typing import Literal

from pydantic import Field, model_validator

from allometry.spec import Experiment
from allometry.studies.grokking.task import Task, addition_task, permutation_task

__all__ = ["ToyModel"]


class ToyModel(Experiment):
    """A decoder that learns answers from the sum of two trained representations.

    The defaults are the notebook's (`toy_model_nn.ipynb`); `published` holds those of the paper's
    code.

    Attributes:
        protocol: whose draws, moments of measuring and thresholds. ``notebook``: accuracies of the
            outputs before the update, RQI counts when above .99. ``published`` (`train_add.py`):
            training accuracy after the update, RQI above .95. ``permutations``
            (`Figure5d_permutation.ipynb`): both accuracies after the update, RQI above .95.
        operation: add two representations, or multiply them as matrices.
        p: numbers added are below p.
        modulo: answers modulo p.
        n_train: questions trained on, drawn without replacement.
        latent_dim: dimensions of a representation.
        output_dim: dimensions of an answer's random template (``mse`` only).
        width: units of each hidden layer.
        encoder: ``table``, the representations themselves are trained (the notebook's natural
            gradient, started from the untrained encoder); ``network``, the encoder's weights are.
        loss: ``mse`` to the template of the answer, or ``ce``, cross-entropy over answers.
        eta_repr, eta_dec: learning rates (Adam) of representation and decoder.
        weight_decay: of the decoder (AdamW); `weight_decay_repr` of the representation.
        init_scale: of the start of the representation, where it is drawn.
        sparsity: weight of the mean absolute representation in the loss.
        epochs: full-batch updates.
        control: ``swapped`` also trains the same start with the two learning rates exchanged.
        part: the figure a run belongs to, where a study has several.
    """

    protocol: Literal["notebook", "published", "permutations"] = "notebook"
    operation: Literal["addition", "permutations"] = "addition"
    p: int = Field(default=10, ge=3)
    modulo: bool = False
    n_train: int = Field(default=45, ge=1)
    latent_dim: int = Field(default=1, ge=1)
    output_dim: int = Field(default=10, ge=1)
    width: int = Field(default=200, ge=1)
    encoder: Literal["table", "network"] = "table"
    loss: Literal["mse", "ce"] = "mse"
    eta_repr: float = Field(default=1e-4, ge=0)
    eta_dec: float = Field(default=1e-3, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    weight_decay_repr: float = Field(default=0.0, ge=0)
    init_scale: float = Field(default=1.0, gt=0)
    sparsity: float = Field(default=0.0, ge=0)
    epochs: int = Field(default=10_000, ge=1)
    control: Literal["none", "swapped"] = "none"
    part: str = ""

    @model_validator(mode="after")
    def _fits_together(self) -> "ToyModel":
        questions = len(self.task.pairs)
        if self.n_train >= questions:
            raise ValueError(f"n_train below {questions} expected, so that some are left to test")
        if self.operation == "permutations" and round(self.latent_dim**0.5) ** 2 != self.latent_dim:
            raise ValueError("latent_dim a square expected: representations are matrices")
        if self.encoder == "network" and self.protocol != "notebook":
            raise ValueError("encoder 'network' is a branch of the notebook's protocol alone")
        return self

    @property
    def task(self) -> Task:
        adds = self.operation == "addition"
        return addition_task(self.p, self.modulo) if adds else permutation_task()

    @property
    def outputs(self) -> int:
        """Numbers the decoder gives: a template's dimensions, or one for each answer."""
        return self.output_dim if self.loss == "mse" else self.task.n_answers
