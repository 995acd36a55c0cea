"""Text that three of the models write after the same words, side by side."""

from collections.abc import Mapping
from typing import Any

from allometry.findings import Passage, Passages
from allometry.studies.language_model_scaling.grid import budget_of
from allometry.studies.language_model_scaling.numbers import Numbers
from allometry.studies.language_model_scaling.rows import LENGTH, PROMPT

__all__ = ["passages_of"]

NO_TEXT = (
    "No text is stored with this run, which was trained before the study took any: allometry "
    "forget --run {run_id}, and the next allometry run of the study makes it again."
)


def passages_of(numbers: Numbers) -> Passages | None:
    """The best model of the least budget, the best of the largest one, and the larger run.

    Returns:
        None before there is a grid.
    """
    runs, rows = numbers.fitted, list[dict[str, Any]]()
    if not len(runs):
        return None
    budgets = [budget_of(compute) for compute in runs["compute"]]
    for budget in sorted({min(budgets), max(budgets)}):
        some = runs.take([b == budget for b in budgets])
        rows += some.sort("test_loss").take([0])
    rows += numbers.larger.sort("seed").take([0]) if len(numbers.larger) else []
    return Passages(
        "What the models write",
        f"Each goes on after the words in grey: {LENGTH} bytes drawn by its own probabilities "
        "(temperature 1, seed 0) at the end of its training. From small to large: the models of "
        "the least loss at the least and at the largest budget of the grid, and the larger run.",
        [_passage(row) for row in rows],
    )


def _passage(row: Mapping[str, Any]) -> Passage:
    text = row.get("sampled_text")
    return Passage(
        f"{row['n_params']:,} parameters",
        f"{row['bits_per_byte']:.2f} bits a byte at {row['compute']:.0e} FLOP",
        PROMPT,
        text if isinstance(text, str) else "",
        NO_TEXT.format(run_id=row["run_id"][:12]),
    )
