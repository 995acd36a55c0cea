"""The kinds of trackers, and the rules for metrics, of an import."""

from typing import Literal, TypeAlias, get_args

__all__ = ["KINDS", "RULES", "Kind", "Rule"]

Kind: TypeAlias = Literal[
    "tensorboard", "mlflow", "optuna", "trackio", "wandb", "wandb-export", "trainer", "csv"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
Rule: TypeAlias = Literal["last", "min", "max", "smoothed"]
RULES: tuple[Rule, ...] = get_args(Rule)
