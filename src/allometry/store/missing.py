"""What is said where a store has no runs of a study, and what it has."""

from collections.abc import Sequence
from pathlib import Path

from allometry.errors import UsageError
from allometry.store.status import StudyStatus

__all__ = ["NothingStored", "contents", "nothing_stored"]


class NothingStored(UsageError):
    """A store has no such runs of a study.

    Attributes:
        study: that was asked for.
        path: of the store.
        status: of all that it has.
    """

    study: str
    path: Path
    status: Sequence[StudyStatus]


def nothing_stored(
    path: Path, status: Sequence[StudyStatus], study: str, size: str = "", variant: str = "",
    *, finished: bool = False,
) -> NothingStored:  # fmt: skip
    """What to raise where a store has no runs of a study.

    Args:
        path, status: of the store.
        size, variant: of the runs that were asked for; empty for any.
        finished: whether only runs that are done would have done.
    """
    asked = " ".join(filter(None, (study, size, variant)))
    some = f"no finished run of {asked}" if finished else f"no runs of {asked}"
    of_size = f" --size {size}" if size else ""
    error = NothingStored(
        f"{some} in store {path}; it has {contents(status)}. Train them with `allometry run "
        f"{study}{of_size} --store {path}`, or with the path of its file in the place of the "
        f"name where the study is your own"
    )
    error.path, error.status, error.study = path, status, study
    return error


def contents(status: Sequence[StudyStatus]) -> str:
    """The studies of a store, each with its sizes and sets of changes; ``none`` where it is empty.

    ``grokking (quick, paper), mine (quick, quick train.epochs=3)``
    """
    sizes: dict[str, list[str]] = {}
    for entry in status:
        sizes.setdefault(entry.study, []).append(f"{entry.size} {entry.variant}".strip())
    return ", ".join(f"{study} ({', '.join(of)})" for study, of in sizes.items()) or "none"
