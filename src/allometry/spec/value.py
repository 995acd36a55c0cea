"""A frozen value made of fields: the base of models, data sets and runs."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

from allometry.errors import did_you_mean
from allometry.files.strict_json import LARGEST, SMALLEST
from allometry.spec.fields import SpecType

__all__ = ["Spec", "default_left_out", "has_version"]

_REQUIRED = object()  # equal to no value


class Spec(BaseModel, metaclass=SpecType):
    """A frozen value made of fields; unknown fields and wrong types are refused.

    Attributes:
        version: version of what the values of a class mean. It is raised when a shipped class
            changes its meaning. From 2 on, it is part of the document, and so of the `run_id`.
        short: a name that stands for the value with all fields at their defaults.
        alternatives: fields of which one has a value and the others are None; changing one sets
            the others to None.
        named: fields whose value may be given by a name that stands for it.
    """

    version: ClassVar[int] = 1
    short: ClassVar[str | None] = None
    alternatives: ClassVar[tuple[str, ...]] = ()
    named: ClassVar[tuple[str, ...]] = ()

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, given: Any) -> Any:
        fields = cls.__pydantic_fields__
        if isinstance(given, dict) and not given.keys() <= fields.keys():
            name = next(name for name in given if name not in fields)
            known = ", ".join(fields) or "none"
            hint = did_you_mean(str(name), fields)
            raise ValueError(f"no field {name!r}: {cls.__name__} has {known}{hint}")
        if isinstance(given, dict):
            for name, value in given.items():
                if not _fits_64_bits(value):
                    raise ValueError(
                        f"{name}: whole numbers from -2**63 to 2**64-1 expected, as others are not "
                        "kept exactly"
                    )
        return given

    @property
    def short_text(self) -> str | None:
        """`short` with the version, as documents have it; None if a field is not at its default."""
        if self.short is None or any(
            getattr(self, name) != field.get_default(call_default_factory=True)
            for name, field in type(self).model_fields.items()
        ):
            return None
        return self.short if self.version == 1 else f"{self.short}/{self.version}"

    def document(self, *, defaults: bool = True) -> dict[str, object]:
        """Plain JSON data with the class name under ``kind``.

        Args:
            defaults: whether to keep all fields. The text that a `run_id` is made from lacks the
                fields that are at `default_left_out`.
        """
        out: dict[str, object] = {"kind": type(self).__name__}
        if self.version > 1:
            out["version"] = self.version
        for name in type(self).model_fields:
            value = getattr(self, name)
            if defaults or has_version(value) or value != default_left_out(type(self), name):
                out[name] = _plain(value, defaults)
        return out


def _fits_64_bits(value: object) -> bool:
    """Whether a store keeps the value exactly: whole numbers, in lists too, fit 64 bits."""
    if isinstance(value, list | tuple):
        return all(map(_fits_64_bits, value))
    return not isinstance(value, int) or SMALLEST <= value <= LARGEST


def has_version(value: object) -> bool:
    """Whether a field with this value is part of a `run_id` even if it is the default."""
    return isinstance(value, Spec) and value.version > 1


def default_left_out(kind: type[Spec], name: str) -> object:
    """The value at which a field is left out of the text a `run_id` is made from.

    It is the default in the nearest shipped class with such a field, so that a field added to
    Allometry later does not orphan old results. A user's own fields are never left out: their
    defaults may be changed between two runs, and runs with different values get different names.
    """
    for base in kind.__mro__:
        shipped = base.__module__.partition(".")[0] == "allometry"
        field = base.model_fields.get(name) if shipped and issubclass(base, Spec) else None
        if field is not None:
            required = field.is_required()
            return _REQUIRED if required else field.get_default(call_default_factory=True)
    return _REQUIRED


def _plain(value: object, defaults: bool) -> object:
    if isinstance(value, Spec):
        return value.short_text or value.document(defaults=defaults)
    if isinstance(value, tuple | list):
        return [_plain(item, defaults) for item in value]
    return value
