"""Values from their documents, as stores have them."""

from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from allometry.errors import DataError, in_one_line
from allometry.spec.value import Spec

__all__ = ["value_of"]


def value_of(document: Mapping[str, object], kinds: Iterable[type[Spec]]) -> Spec:
    """The inverse of `Spec.document` for values of these classes.

    A field that the document lacks was added later and gets its default, which stands for the
    behaviour before.

    Raises:
        DataError: the document is of another class, of another version of its class, or has fields
            that the class refuses.
    """
    known = {kind.__name__: kind for kind in kinds}
    name = str(document.get("kind"))
    if name not in known:
        raise DataError(f"a value of {', '.join(known)} expected, got one of {name[:60]}")
    kind, version = known[name], document.get("version", 1)
    if version != kind.version:
        raise DataError(
            f"{name} of version {kind.version} expected, got {version!r}: use the version of "
            "Allometry that made the run"
        )
    fields = {
        field: value_of(value, known.values()) if isinstance(value, Mapping) else value
        for field, value in document.items()
        if field not in ("kind", "version")
    }
    try:
        return kind(**fields)
    except ValidationError as error:
        raise DataError(
            f"the stored spec does not fit this version of Allometry: {in_one_line(error)}"
        ) from error
