"""Text that three of the models generate from one prompt, side by side."""

from collections.abc import Mapping
from typing import Any

from allometry.findings import Passage, Passages
from allometry.studies.language_model_scaling.grid import budget_of
from allometry.studies.language_model_scaling.numbers import Numbers
from allometry.studies.language_model_scaling.rows import LENGTH, PROMPT

__all__ = ["passages_of"]

NO_TEXT = (
    "No text is stored with this run: it was trained before the study stored text. To train it "
    "again, run: allometry forget --run {run_id}, then run the study again."
)


def passages_of(numbers: Numbers) -> Passages | None:
    """Text of the best model at the least budget, the best at the largest, and the larger run.

    Returns:
        None if the grid has no finished runs.
    """
    runs, rows = numbers.fitted, list[dict[str, Any]]()
    if not len(runs):
        return None
    budgets = [budget_of(compute) for compute in runs["compute"]]
    for budget in sorted({min(budgets), max(budgets)}):
        at_budget = runs.take([b == budget for b in budgets])
        rows += at_budget.sort("test_loss").take([0])
    rows += numbers.larger.sort("seed").take([0]) if len(numbers.larger) else []
    return Passages(
        "What the models write",
        f"Each model continues the words in grey with {LENGTH} bytes, sampled from its "
        "probabilities (temperature 1, seed 0) at the end of its training. From small to large: "
        "the models with the least loss at the least and at the largest budget of the grid, and "
        "the larger run.",
        [_passage(row) for row in rows],
    )


def _passage(row: Mapping[str, Any]) -> Passage:
    text = row.get("sampled_text")
    return Passage(
        f"{row['n_params']:,} parameters",
        f"{row['bits_per_byte']:.2f} bits per byte at {row['compute']:.0e} FLOP",
        PROMPT,
        text if isinstance(text, str) else "",
        NO_TEXT.format(run_id=row["run_id"][:12]),
    )
