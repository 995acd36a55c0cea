"""The budget of a plan: what it may spend, or what it must reach."""

import math
from dataclasses import dataclass

from allometry.errors import UsageError
from allometry.plan.beyond.data_limits import one_epoch
from allometry.plan.beyond.other_budgets import fixed_ratio, fixed_size, target_loss
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.frontier.planned import Planned, planned
from allometry.stats.digits import shown

__all__ = ["Budget"]


@dataclass(frozen=True)
class Budget:
    """A compute, a target loss, a size or a number of tokens per parameter; and unique data.

    Attributes:
        compute: FLOP of training. target_loss: to reach with the least compute.
        size: fixed N. With a compute, D follows from it; without one, D is chosen such that this
            N is the best size. tokens_per_parameter: fixed D/N, together with a compute.
        unique_data: number of unique tokens; None if they do not limit the plan.
        repeats: whether data may be repeated if they are too few.

    Raises:
        UsageError: a number that is not positive, or a combination that is not allowed.
    """

    compute: float | None = None
    target_loss: float | None = None
    size: float | None = None
    tokens_per_parameter: float | None = None
    unique_data: float | None = None
    repeats: bool = True

    def __post_init__(self) -> None:
        for name, value in self._given():
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} must be a positive number, got {value:g}")
        names = [name for name, _ in self._given() if name != "unique_data"]
        allowed = (
            ["compute"], ["target_loss"], ["size"], ["compute", "size"],
            ["compute", "tokens_per_parameter"],
        )  # fmt: skip
        if names not in allowed:
            raise UsageError(
                "a plan is made for a compute, with a size or tokens_per_parameter or neither; for "
                f"a target_loss; or for a size alone. Got {', '.join(names) or 'none of these'}"
            )

    def decide(self, frontier: Frontier) -> Planned:
        """The run to train under each set of a law's parameters."""
        if self.target_loss is not None:
            return target_loss(frontier, self.target_loss)
        if self.size is not None:
            return fixed_size(frontier, self.size, self.compute)
        assert self.compute is not None  # by the check above
        if self.tokens_per_parameter is not None:
            return fixed_ratio(frontier, self.tokens_per_parameter, self.compute)
        if self.unique_data is not None and not self.repeats:
            return one_epoch(frontier, self.compute, self.unique_data)
        best = frontier.at(self.compute)
        return planned(frontier, best.n, best.d)

    def in_words(self) -> str:
        """The budget as a question."""
        if self.target_loss is not None:
            text = f"the cheapest run with a loss of {shown(self.target_loss, 5)}"
        elif self.size is not None and self.compute is None:
            text = f"the tokens for which {shown(self.size)} parameters are the best size"
        else:
            text = f"the run to train with {shown(self.compute or math.nan)} FLOP"
            if self.size is not None:
                text += f" and {shown(self.size)} parameters"
            if self.tokens_per_parameter is not None:
                text += f" and {shown(self.tokens_per_parameter)} tokens per parameter"
        if self.unique_data is not None:
            how = "which may be repeated" if self.repeats else "each seen at most once"
            text += f", with {shown(self.unique_data)} unique tokens, {how}"
        return text

    def _given(self) -> list[tuple[str, float]]:
        names = ("compute", "target_loss", "size", "tokens_per_parameter", "unique_data")
        return [(n, value) for n in names if (value := getattr(self, n)) is not None]
