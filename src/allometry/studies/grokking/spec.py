"""The spec of a run of the toy model, with the choices of the notebook and the published code."""

from typing import Literal

from pydantic import Field, model_validator

from allometry.spec import Experiment
from allometry.studies.grokking.task import Task, addition_task, permutation_task

__all__ = ["ToyModel"]


class ToyModel(Experiment):
    """A decoder that learns answers from the sum of two trained representations.

    The defaults are the notebook's (`toy_model_nn.ipynb`).

    Attributes:
        protocol: the program whose draws, times of measurement and thresholds are used.
            ``notebook``: accuracies of the outputs before the update, linear at RQI above .99.
            ``published`` (`train_add.py`): training accuracy after the update and test accuracy
            before it, RQI above .95. ``permutations`` (`Figure5d_permutation.ipynb`): both
            accuracies after the update, RQI above .95.
        operation: whether two representations are added, or multiplied as matrices.
        p: the numbers added are below p.
        modulo: whether answers are modulo p.
        n_train: number of training questions, drawn without replacement.
        latent_dim: dimension of a representation.
        output_dim: dimension of an answer's random template (``mse`` only).
        width: units of each hidden layer.
        encoder: ``table`` to train the representations themselves (the notebook's natural
            gradient, with the untrained encoder's outputs as initial values); ``network`` to train
            the encoder's weights.
        loss: ``mse`` to the template of the answer, or ``ce``, cross-entropy over answers.
        eta_repr, eta_dec: learning rates (Adam) of representation and decoder.
        weight_decay: of the decoder (AdamW).
        weight_decay_repr: of the representation.
        init_scale: scale of the initial representation, if it is drawn.
        sparsity: weight of the mean absolute representation in the loss.
        epochs: number of full-batch updates.
        control: ``swapped`` to train the same initial values also with the two learning rates
            exchanged.
        part: the figure to which a run belongs, in a study with several.
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
            raise ValueError(
                f"n_train below {questions} expected, because the other questions are for testing; "
                f"got {self.n_train}"
            )
        if self.operation == "permutations" and round(self.latent_dim**0.5) ** 2 != self.latent_dim:
            raise ValueError(
                "latent_dim must be a square, because representations of permutations are square "
                f"matrices; got {self.latent_dim}"
            )
        if self.encoder == "network" and self.protocol != "notebook":
            raise ValueError(
                "encoder 'network' is available only in the notebook's protocol, got protocol "
                f"{self.protocol!r}"
            )
        return self

    @property
    def task(self) -> Task:
        """The questions and answers of this run."""
        adds = self.operation == "addition"
        return addition_task(self.p, self.modulo) if adds else permutation_task()

    @property
    def outputs(self) -> int:
        """Number of the decoder's outputs: the dimension of a template, or one per answer."""
        return self.output_dim if self.loss == "mse" else self.task.n_answers
