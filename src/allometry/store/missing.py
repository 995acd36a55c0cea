"""The error for a store without runs of a study; it lists what the store has."""

from collections.abc import Sequence
from pathlib import Path

from allometry.errors import UsageError
from allometry.store.status import StudyStatus

__all__ = ["NothingStored", "contents", "nothing_stored"]


class NothingStored(UsageError):
    """The store has no such runs of the study.

    Attributes:
        study: the requested study.
        path: the store.
        status: the studies in the store.
    """

    study: str
    path: Path
    status: Sequence[StudyStatus]


def nothing_stored(
    path: Path, status: Sequence[StudyStatus], study: str, size: str = "", variant: str = "",
    *, finished: bool = False,
) -> NothingStored:  # fmt: skip
    """The error to raise if a store has no runs of a study.

    Args:
        path, status: the store and the studies in it.
        size, variant: size and variant of the requested runs; empty for any.
        finished: whether only finished runs were accepted.
    """
    asked = " ".join(filter(None, (study, size, variant)))
    some = f"no finished run of {asked}" if finished else f"no runs of {asked}"
    of_size = f" --size {size}" if size else ""
    error = NothingStored(
        f"{some} in store {path}; it has {contents(status)}. Train them with `allometry run "
        f"{study}{of_size} --store {path}`, or, if the study is yours, with the path of its file "
        "instead of its name"
    )
    error.path, error.status, error.study = path, status, study
    return error


def contents(status: Sequence[StudyStatus]) -> str:
    """The studies of a store, each with its sizes and sets of changes; ``none`` if it is empty.

    ``grokking (quick, paper), mine (quick, quick train.epochs=3)``
    """
    sizes: dict[str, list[str]] = {}
    for entry in status:
        sizes.setdefault(entry.study, []).append(f"{entry.size} {entry.variant}".strip())
    return ", ".join(f"{study} ({', '.join(of)})" for study, of in sizes.items()) or "none"
