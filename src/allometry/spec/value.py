"""A frozen value made of fields, of which models, data sets and runs are made."""

from pydantic import BaseModel, ConfigDict

__all__ = ["Spec", "default_left_out"]

_REQUIRED = object()  # equal to no value


class Spec(BaseModel):
    """A frozen value made of fields; unknown fields and wrong types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def document(self, *, defaults: bool = True) -> dict[str, object]:
        """Plain JSON data with the class name under ``kind``.

        Args:
            defaults: keep all fields. The text that a `run_id` is made from lacks those at
                `default_left_out`.
        """
        out: dict[str, object] = {"kind": type(self).__name__}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if defaults or value != default_left_out(type(self), name):
                out[name] = _plain(value, defaults)
        return out


def default_left_out(kind: type[Spec], name: str) -> object:
    """The value at which a field is left out of the text a `run_id` is made from.

    That of the nearest shipped class with such a field, so that a field added to Allometry later
    does not orphan old results. A user's own fields are never left out: their defaults may be
    changed between two runs, and each value names runs of its own.
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
        return value.document(defaults=defaults)
    if isinstance(value, tuple | list):
        return [_plain(item, defaults) for item in value]
    return value
