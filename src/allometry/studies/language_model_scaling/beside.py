"""Runs besides the grid: on control sources, and on repeated slices of the text."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from allometry.fitting.document import Fit
from allometry.plan.beyond.data_limits import PUBLISHED, unique_equivalents
from allometry.stats.interval import Interval
from allometry.stats.means import mean
from allometry.studies.language_model_scaling.grid import CONTROLS, budget_of
from allometry.studies.language_model_scaling.rows import fitted, of_source, repeated
from allometry.tables.table import Table

__all__ = ["HALF_LIFE", "Fall", "Repeats", "falls", "repeats_of"]

HALF_LIFE = PUBLISHED.data.value  # R_D* of Muennighoff et al., 2305.16264, section 6


@dataclass(frozen=True)
class Fall:
    """The fall in loss on a control source between two budgets, relative to that on the text.

    Attributes:
        share: fall on the source over fall on the text, mean over seeds.
        losses: on the source at the two budgets, in nats per token.
        budgets: FLOP.
        entropy: least possible loss on the source, in nats per token.
    """

    share: Interval
    losses: tuple[float, float]
    budgets: tuple[float, float]
    entropy: float


def falls(table: Table) -> dict[str, Fall]:
    """The fall on each control source by its name, with the models and seeds of the text runs."""
    text = by_cell(fitted(table))
    by_source: dict[str, Fall] = {}
    for source in CONTROLS:
        runs = of_source(table, source)
        if not len(runs):
            continue
        other = by_cell(runs)
        low, high = (end(c for c, *_ in other) for end in (min, max))
        seeds = sorted({seed for _, _, seed in other})
        cells = {c: next(shape for budget, shape, _ in other if budget == c) for c in (low, high)}
        fall, fall_of_text = (
            np.array([of[low, cells[low], s] - of[high, cells[high], s] for s in seeds])
            for of in (other, text)
        )
        losses = [float(np.mean([other[c, cells[c], s] for s in seeds])) for c in (low, high)]
        by_source[source] = Fall(
            mean(fall / fall_of_text), (losses[0], losses[1]), (low, high),
            float(runs["source_entropy"][0]),
        )  # fmt: skip
    return by_source


def by_cell(runs: Table) -> dict[tuple[float, tuple[int, int], int], float]:
    """Test losses by budget, shape and seed."""
    return {
        (budget_of(row["compute"]), (row["d_model"], row["n_layers"]), row["seed"]): row[
            "test_loss"
        ]
        for row in runs
    }


@dataclass(frozen=True)
class Repeats:
    """The worth of a repeated slice of text in slices of new text.

    Attributes:
        epochs: number of passes over the slice.
        worth: slices of new text that give the same loss, mean over seeds.
        predicted: `worth` by Muennighoff et al. (2305.16264).
        loss: mean over seeds.
        once: loss of the same model on as many tokens, none repeated; mean over seeds.
    """

    epochs: int
    worth: Interval
    predicted: float
    loss: float
    once: float


def repeats_of(table: Table, law_fit: Fit) -> list[Repeats]:
    """The worth of the repeated slices, by the number of epochs.

    The amount of new text that gives the same loss, D_new, follows from chinchilla's law of the
    grid, shifted to pass through the run of the same model and seed without repeated text::

        B D_new^-beta = B D^-beta + (loss - loss once)

    Args:
        law_fit: chinchilla's law, fitted to the byte grid.
    """
    text = by_cell(fitted(table))
    runs = repeated(table)
    epochs = np.round(runs["tokens"] / np.maximum(runs["unique_tokens"], 1)).astype(int)
    by_epochs = []
    for count in sorted(set(epochs.tolist())):
        group = runs.take(epochs == count)
        once = np.array([
            text[budget_of(row["compute"]), (row["d_model"], row["n_layers"]), row["seed"]]
            for row in group
        ])  # fmt: skip
        worth = new_tokens(law_fit.values, group["tokens"], group["test_loss"] - once)
        predicted = float(unique_equivalents(count, HALF_LIFE))
        by_epochs.append(Repeats(
            count, mean(worth / group["unique_tokens"]), predicted,
            float(group["test_loss"].mean()), float(once.mean()),
        ))  # fmt: skip
    return by_epochs


def new_tokens(values: Mapping[str, float], tokens: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Tokens of new text at which the law's loss is `above` higher than at `tokens`, (n,)."""
    b, beta = values["B"], values["beta"]
    with np.errstate(invalid="ignore"):
        worth: np.ndarray = ((b * tokens**-beta + above) / b) ** (-1 / beta)
    return worth
