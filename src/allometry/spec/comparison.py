"""The documents of a stored and of a present spec, compared field by field."""

from collections.abc import Iterator, Mapping

from allometry.errors import DataError

__all__ = ["check_same", "differences"]


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
            "Allometry that made the stored runs"
        )
