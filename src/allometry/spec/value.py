"""A frozen value made of fields, of which models, data sets and runs are made."""

from pydantic import BaseModel, ConfigDict

from allometry.spec.fields import SpecType

__all__ = ["Spec"]


class Spec(BaseModel, metaclass=SpecType):
    """A frozen value made of fields; unknown fields and wrong types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def document(self, *, defaults: bool = True) -> dict[str, object]:
        """Plain JSON data with the class name under ``kind``.

        Args:
            defaults: keep fields that equal their default. They are left out of
                the text a `run_id` is made from, so that a field added later
                does not orphan old results.
        """
        fields = type(self).model_fields
        out: dict[str, object] = {"kind": type(self).__name__}
        for name, field in fields.items():
            value = getattr(self, name)
            if (
                defaults
                or field.is_required()
                or value != field.get_default(call_default_factory=True)
            ):
                out[name] = _plain(value, defaults)
        return out


def _plain(value: object, defaults: bool) -> object:
    if isinstance(value, Spec):
        return value.document(defaults=defaults)
    if isinstance(value, tuple | list):
        return [_plain(item, defaults) for item in value]
    return value
