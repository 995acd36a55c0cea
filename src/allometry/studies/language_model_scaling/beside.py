"""Runs beside the grid: other sources, and slices of the text that are repeated."""

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
    """How much the loss of a source falls between two budgets, over that of the text.

    Attributes:
        share: mean over seeds. losses: of the source at the budgets, nats a token.
        budgets: FLOP. entropy: nats a token that no model can be below.
    """

    share: Interval
    losses: tuple[float, float]
    budgets: tuple[float, float]
    entropy: float


def falls(table: Table) -> dict[str, Fall]:
    """The fall of each control source, by its name; the same model and seeds as on the text."""
    text = by_cell(fitted(table))
    by_source: dict[str, Fall] = {}
    for source in CONTROLS:
        runs = of_source(table, source)
        if not len(runs):
            continue
        other = by_cell(runs)
        low, high = (pick(c for c, *_ in other) for pick in (min, max))
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
    """What a slice that is seen several times is worth.

    Attributes:
        epochs: times that the slice is seen.
        worth: slices of new text with the same loss, mean over seeds. predicted: by the source.
        loss: mean over seeds. once: of the same model on as much text, all of it new.
    """

    epochs: int
    worth: Interval
    predicted: float
    loss: float
    once: float


def repeats_of(table: Table, law_fit: Fit) -> list[Repeats]:
    """The repeated slices, by the number of epochs.

    What a loss is worth in new text is read from chinchilla's law of the grid, moved to go through
    the run of the same model and seed that saw all its text once::

        B D_new^-beta = B D^-beta + (loss - loss once)

    Args:
        law_fit: of the byte grid.
    """
    text = by_cell(fitted(table))
    runs = repeated(table)
    epochs = np.round(runs["tokens"] / np.maximum(runs["unique_tokens"], 1)).astype(int)
    by_epochs = []
    for count in sorted(set(epochs.tolist())):
        some = runs.take(epochs == count)
        once = np.array([
            text[budget_of(row["compute"]), (row["d_model"], row["n_layers"]), row["seed"]]
            for row in some
        ])  # fmt: skip
        worth = new_tokens(law_fit.values, some["tokens"], some["test_loss"] - once)
        by_epochs.append(Repeats(
            count, mean(worth / some["unique_tokens"]), float(unique_equivalents(count, HALF_LIFE)),
            float(some["test_loss"].mean()), float(once.mean()),
        ))  # fmt: skip
    return by_epochs


def new_tokens(values: Mapping[str, float], tokens: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Tokens of new text at which the law is by `above` higher than at `tokens`, (n,)."""
    b, beta = values["B"], values["beta"]
    with np.errstate(invalid="ignore"):
        worth: np.ndarray = ((b * tokens**-beta + above) / b) ** (-1 / beta)
    return worth
