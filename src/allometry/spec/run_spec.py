"""What to train, as frozen values, and the name computed from their content."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from pydantic import Field, SerializeAsAny

from allometry.errors import DataError
from allometry.spec.text import texts
from allometry.spec.train_spec import TrainSpec
from allometry.spec.value import Spec

__all__ = [
    "RUN_SCHEMA", "Experiment", "RunSpec", "check_same", "differences", "run_ids",
]  # fmt: skip

RUN_SCHEMA = "allometry/run/1"


class Experiment(Spec):
    """What one run does, with a name computed from its content.

    Subclasses add fields: `RunSpec` is a network trained on a data set; a study with a
    procedure of its own has a subclass of its own.

    Attributes:
        seed: of every random draw of the run.
        measures: names of the measures taken; `Study` fills them in.
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
        seed: of every random draw of the run: subset, start, batch order, sampled nodes.
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


def differences(stored: object, present: object, path: str = "") -> Iterator[str]:
    """Sentences naming each field whose stored value differs from the present one.

    A field that the stored document lacks was added later. Its default stands for the old
    behaviour, so it makes no difference.
    """
    if isinstance(stored, dict) and isinstance(present, dict):
        for name, old in stored.items():
            where = f"{path}.{name}" if path else name
            if name not in present:
                yield f"{where} was {old!r} and is no longer a field"
            else:
                yield from differences(old, present[name], where)
    elif stored != present:
        yield f"{path} was {stored!r} and is {present!r} now"


def check_same(run_id: str, stored: Mapping[str, object], present: Mapping[str, object]) -> None:
    """Refuse a stored result whose full spec differs from the present spec of that name.

    Raises:
        DataError: naming every field that changed.
    """
    changed = list(differences(stored, present))
    if changed:
        raise DataError(
            f"run {run_id[:12]} is stored with another spec: {'; '.join(changed)}. A default of "
            "Allometry has changed since; use a new store (--store FILE), or the version of "
            "Allometry that the stored runs were made by"
        )
