"""A text for each run of a table, for its mark in a figure."""

from collections.abc import Sequence

import numpy as np

from allometry.tables.table import Table

__all__ = ["run_texts"]


def run_texts(runs: Table, columns: Sequence[str]) -> list[str]:
    """``run 0a1b2c3d4e5f: seed 0, n_params 807, test_loss 0.31`` of each run.

    Args:
        columns: shown with their numbers, those that the table has; ``seed`` stands first.
    """
    shown = [name for name in ("seed", *columns) if name in runs]
    names = runs["run_id"] if "run_id" in runs else [""] * len(runs)
    texts = []
    for k, name in enumerate(names):
        numbers = ", ".join(f"{column} {_short(runs[column][k])}" for column in shown)
        texts.append(f"run {str(name)[:12]}: {numbers}" if name else numbers)
    return texts


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float | np.number) else str(value)
