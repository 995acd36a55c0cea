"""A reason to doubt a plan."""

from dataclasses import dataclass

__all__ = ["Alarm"]


@dataclass(frozen=True)
class Alarm:
    """A reason to doubt a plan.

    Attributes:
        code: name under which the documentation explains it and says what to do.
        message: one or two sentences with the numbers of this plan.
    """

    code: str
    message: str
