"""What to train, as frozen values, and the name computed from their content."""

import hashlib
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field, SerializeAsAny

from allometry.spec.text import texts
from allometry.spec.train_spec import TrainSpec
from allometry.spec.value import Spec

__all__ = ["RUN_SCHEMA", "Experiment", "RunSpec", "run_ids"]

RUN_SCHEMA = "allometry/run/1"


class Experiment(Spec):
    """What one run does, with a name computed from its content.

    Subclasses add fields: `RunSpec` is a network trained on a data set; a study with another
    procedure has its own subclass.

    Attributes:
        seed: of every random draw of the run.
        measures: names of the measures that are taken; `Study` fills them in.
        code: SHA-256 (64 hex digits) of the user's code that makes the run (`allometry.spec.code`);
            `Study` fills it in. Empty where all of it is shipped.
    """

    seed: int = Field(ge=0, lt=2**32)
    measures: tuple[str, ...] = ()
    code: str = ""

    schema_name: ClassVar[str] = RUN_SCHEMA

    @property
    def run_id(self) -> str:
        """SHA-256 (64 hex digits) of the schema and of every field that is not at its default."""
        return run_ids([self])[0]


class RunSpec(Experiment):
    """One network to train.

    Attributes:
        model: the network (`allometry.models`).
        data: the data set and the part of it trained on (`allometry.datasets`).
        train: optimiser, batch size and length.
        seed: of every random draw of the run: subset, start values, batch order, sampled nodes.
    """

    model: SerializeAsAny[Spec]
    data: SerializeAsAny[Spec]
    train: TrainSpec


def run_ids(specs: Sequence[Experiment]) -> list[str]:
    """The name of each run; a million of them in seconds."""
    contents = zip(specs, texts(specs, defaults=False), strict=True)
    return [
        hashlib.sha256(f'{{"schema":"{s.schema_name}","spec":{text}}}'.encode()).hexdigest()
        for s, text in contents
    ]
