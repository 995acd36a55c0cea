"""What to train, as frozen values, and the name computed from their content."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError

from allometry.errors import DataError, UsageError

__all__ = [
    "RUN_SCHEMA", "Experiment", "RunSpec", "Spec", "TrainSpec", "check_same", "differences",
    "replace", "run_ids", "texts",
]  # fmt: skip

RUN_SCHEMA = "allometry/run/1"

E = TypeVar("E", bound="Experiment")


class Spec(BaseModel):
    """A frozen value made of fields; unknown fields and wrong types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def document(self, *, defaults: bool = True) -> dict[str, Any]:
        """Plain JSON data with the class name under ``kind``.

        Args:
            defaults: keep fields that equal their default. They are left out of
                the text a `run_id` is made from, so that a field added later
                does not orphan old results.
        """
        fields = type(self).model_fields
        out: dict[str, Any] = {"kind": type(self).__name__}
        for name, field in fields.items():
            value = getattr(self, name)
            if (
                defaults
                or field.is_required()
                or value != field.get_default(call_default_factory=True)
            ):
                out[name] = _plain(value, defaults)
        return out


class TrainSpec(Spec):
    """How to train.

    Attributes:
        optimizer: update rule with its own hyperparameters (`allometry.optimizers`).
        epochs: passes over the training set; the last batch of a pass may be smaller.
        batch_size: examples an update.
        batch_order: ``shared`` draws one order for a seed, so that runs of all sizes see
            the same batches and share a program; ``torch`` repeats the shuffles of a
            PyTorch DataLoader made after the model, so that a run follows a notebook's
            batch for batch. Such runs train one by one.
        measure_every: epochs between points of the trajectory (0: no trajectory).
        loss: mean over examples of the cross-entropy (nats), or mean over examples and
            outputs of the squared distance to the one-hot label (``nn.MSELoss``).
        layer_rates: ``equal``, or ``fan_in``: the learning rate of each layer is divided by
            the square root of its fan-in.
        precision: of training. ``float32``: everything. ``float64``: everything; start values
            and examples are the float32 ones, and a frozen encoder works in float32. ``bfloat16``:
            mixed precision, as the policy ``params=float32,compute=bfloat16,output=float32`` of
            DeepMind's jmp: weights, gradients summed up, optimiser state and losses are float32;
            for each pass forward and backward weights and examples are rounded to bfloat16, and
            every product and what lies between the layers is bfloat16; the outputs become
            float32 before the loss. The losses measured are those of the float32 weights, in
            float32.
    """

    optimizer: SerializeAsAny[Spec]
    epochs: int = Field(ge=1)
    batch_size: int = Field(default=128, ge=1)
    batch_order: Literal["shared", "torch"] = "shared"
    measure_every: int = Field(default=0, ge=0)
    loss: Literal["cross_entropy", "squared_error"] = "cross_entropy"
    layer_rates: Literal["equal", "fan_in"] = "equal"
    precision: Literal["float32", "bfloat16", "float64"] = "float32"


class Experiment(Spec):
    """One thing to do, with a name computed from its content.

    Subclasses add what is done: `RunSpec` trains a network on a data set; a study
    with a procedure of its own has its own.

    Attributes:
        seed: of every random draw of the run.
        measures: names of the measures taken; `Study` fills them in.
    """

    seed: int = Field(ge=0, lt=2**32)
    measures: tuple[str, ...] = ()

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


def texts(specs: Sequence[Spec], *, defaults: bool = True) -> list[str]:
    """The document of each spec as strict JSON with sorted keys: equal specs have equal text.

    What specs share (a model, a data set) is written once and used again.
    """
    writer = _Writer(defaults)
    # By identity, which is safe while the specs hold what they share. What differs in nothing
    # but its seed is written once, with a gap for the seed.
    around: dict[tuple[Any, ...], list[str]] = {}
    out = []
    for spec in specs:
        values = spec.__dict__
        same = (type(spec), *[id(value) for name, value in values.items() if name != "seed"])
        halves = around.get(same)
        if halves is None:
            text = writer.text(spec)
            gap = f'"seed":{values.get("seed")}'
            # Twice where something inside has a seed of its own: then there is no one gap.
            if text.count(gap) == 1:
                around[same] = text.split(gap)
            out.append(text)
        else:
            out.append(f'{halves[0]}"seed":{values["seed"]}{halves[1]}')
    return out


class _Writer:
    """Specs as JSON text, remembering by identity what several of them hold."""

    def __init__(self, defaults: bool):
        self._defaults = defaults
        self._written: dict[int, str] = {}
        self._kinds: dict[type[Spec], list[tuple[str, str, bool, Any]]] = {}

    def text(self, spec: Spec) -> str:
        kind = type(spec)
        fields = self._kinds.get(kind)
        if fields is None:
            fields = self._kinds[kind] = _sorted_fields(kind)
        values, written, parts = spec.__dict__, self._written, []
        for name, key, optional, default in fields:
            value = values[name] if name else default
            if optional and not self._defaults and value == default:
                continue
            if type(value) is int:
                parts.append(f"{key}{value}")
            elif isinstance(value, Spec | tuple | list):
                text = written.get(id(value))
                if text is None:
                    text = written[id(value)] = self._nested(value)
                parts.append(key + text)
            else:
                parts.append(key + _json(value))
        return "{" + ",".join(parts) + "}"

    def _nested(self, value: Any) -> str:
        if isinstance(value, Spec):
            return self.text(value)
        if isinstance(value, tuple | list):
            return "[" + ",".join(map(self._nested, value)) + "]"
        return _json(value)


_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def _sorted_fields(kind: type[Spec]) -> list[tuple[str, str, bool, Any]]:
    """(name, key as JSON, may be left out, default) of each field and of ``kind``, sorted by key.

    ``kind`` is no field: it has no name here, and what is written stands as its default.
    """
    rows = [
        (name, f"{_json(name)}:", not f.is_required(), f.get_default(call_default_factory=True))
        for name, f in kind.model_fields.items()
    ]
    return sorted([*rows, ("", '"kind":', False, kind.__name__)], key=lambda row: row[1])


def differences(stored: Any, present: Any, path: str = "") -> Iterator[str]:
    """Sentences naming each field whose stored value differs from the present one.

    A field the stored document lacks is one added since, whose default stands
    for the old behaviour: no difference.
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


def check_same(run_id: str, stored: dict[str, Any], present: dict[str, Any]) -> None:
    """Refuse a stored result whose full spec is no longer what its name stands for.

    Raises:
        DataError: naming every field that changed.
    """
    changed = list(differences(stored, present))
    if changed:
        raise DataError(
            f"run {run_id[:12]} is stored with another spec: {'; '.join(changed)}. A default has "
            "changed since; set the field explicitly, or use a new store (--store FILE)"
        )


def replace(spec: E, field: str, text: str) -> E:
    """A copy with one field changed, as ``--set train.epochs=3`` asks.

    Args:
        field: dotted path from the run, such as ``train.optimizer.learning_rate``.
        text: the new value, JSON where it parses as JSON, a string otherwise.

    Raises:
        UsageError: naming the fields there are, or what the field expects.
    """
    if field == "measures":
        raise UsageError("measures are the study's own; write a study of yours to take others")
    return _replaced(spec, field.split("."), _value(text), field)  # type: ignore[return-value]


def _replaced(spec: Spec, path: list[str], value: Any, field: str) -> Spec:
    name, *rest = path
    names = list(type(spec).model_fields)
    if name not in names:
        raise UsageError(f"no field {field!r}: {type(spec).__name__} has {', '.join(names)}")
    if rest:
        inner = getattr(spec, name)
        if not isinstance(inner, Spec):
            raise UsageError(f"no field {field!r}: {name} is the value {inner!r}")
        value = _replaced(inner, rest, value, field)
    elif isinstance(getattr(spec, name), Spec):
        inner_names = ", ".join(f"{field}.{n}" for n in type(getattr(spec, name)).model_fields)
        raise UsageError(f"{field} is not one value; set {inner_names or 'nothing in it'}")
    try:
        # Validated anew: model_copy alone would take any value of any type.
        fields = {n: getattr(spec, n) for n in names}
        return type(spec).model_validate({**fields, name: value})
    except ValidationError as error:
        reason = "; ".join(e["msg"] for e in error.errors())
        raise UsageError(f"--set {field}={value!r} does not fit: {reason}") from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _plain(value: Any, defaults: bool) -> Any:
    if isinstance(value, Spec):
        return value.document(defaults=defaults)
    if isinstance(value, tuple | list):
        return [_plain(item, defaults) for item in value]
    return value
