"""A reason to doubt a plan."""

from dataclasses import dataclass

__all__ = ["Alarm"]


@dataclass(frozen=True)
class Alarm:
    """A reason to doubt a plan.

    Attributes:
        code: stands in the documentation, with what to do.
        message: the numbers of this plan, in a sentence or two.
    """

    code: str
    message: str
