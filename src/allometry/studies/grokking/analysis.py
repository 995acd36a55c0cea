"""Courses of the grokking runs, the loss the notebook printed, and what their columns add up to."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.stats.interval import Interval
from allometry.stats.means import mean, share
from allometry.tables.table import Table

__all__ = [
    "PRINTED", "SOURCE", "Along", "courses", "follows_the_notebook",
    "off_the_print", "share_right", "trajectories",
]  # fmt: skip

SOURCE = (
    "Z. Liu, O. Kitouni, N. Nolte, E. Michaud, M. Tegmark, M. Williams 2022, Towards "
    "Understanding Grokking, arXiv 2205.10343; toy_model_nn.ipynb"
)
# Loss at epochs 0, 100, 200, ... 2900, as stored in the notebook (seed 4).
PRINTED = np.array([
    0.82493395, 0.76302254, 0.73361290, 0.69287986, 0.62817329, 0.52927905, 0.42162097, 0.34450689,
    0.28353387, 0.22333899, 0.17154217, 0.13550892, 0.10768575, 0.08296081, 0.06331909, 0.04918868,
    0.03941762, 0.03237715, 0.02737385, 0.02388324, 0.02099634, 0.01801854, 0.01477067, 0.01096826,
    0.00682222, 0.00335687, 0.00138202, 0.00056325, 0.00034914, 0.00020545,
])  # fmt: skip
Along = Mapping[str, NDArray[Any]]


def courses(table: Table) -> list[tuple[dict[str, Any], Along]]:
    """Row and trajectories of every finished run, by rising seed; shares made of the counts.

    Each has `epoch`, `train_loss`, `train_accuracy`, `test_accuracy`, `rqi` (epochs,), `latent`
    (points, symbols, dimensions) and `latent_update` (points,), and the same with ``swapped_``
    before the name where the run has its control.

    Raises:
        DataError: a run has no trajectories.
    """
    found: list[tuple[dict[str, Any], Along]] = []
    for row in table.where(status="done").sort("seed"):
        kept = table.trajectories.get(row["run_id"])
        if kept is None:
            raise DataError(
                f"run {row['run_id'][:12]} comes without trajectories; a table from a store has "
                "them, one from a CSV file has not"
            )
        along = dict(_shares(row, kept, ""))
        if "swapped_train_loss" in kept:
            along |= _shares(row, kept, "swapped_")
        found.append((row, along))
    return found


def _shares(row: Mapping[str, Any], kept: Along, prefix: str) -> Along:
    test = row["n_questions"] - row["n_train"]
    return {
        f"{prefix}epoch": np.arange(len(kept[f"{prefix}train_loss"])),
        f"{prefix}train_loss": kept[f"{prefix}train_loss"],
        f"{prefix}train_accuracy": kept[f"{prefix}train_right"] / row["n_train"],
        f"{prefix}test_accuracy": kept[f"{prefix}test_right"] / test,
        f"{prefix}rqi": kept[f"{prefix}parallelograms"] / row["n_parallelograms"],
        f"{prefix}latent": kept[f"{prefix}latent"],
        f"{prefix}latent_update": kept[f"{prefix}latent_update"],
    }


def trajectories(table: Table) -> Table:
    """Every epoch of every finished run: loss, accuracies and RQI (the view ``trajectories``)."""
    names = ("epoch", "train_loss", "train_accuracy", "test_accuracy", "rqi")
    found = courses(table)
    seeds = [np.full(len(along["epoch"]), row["seed"]) for row, along in found]
    columns = {n: np.concatenate([along[n] for _, along in found]) for n in names}
    return Table({"seed": np.concatenate(seeds), **columns})


def follows_the_notebook(row: Mapping[str, Any]) -> bool:
    """Is this the run whose loss the notebook printed? Seed 4 at all of its settings."""
    own = {
        "seed": 4, "protocol": "notebook", "encoder": "table", "loss": "mse", "p": 10,
        "modulo": 0, "n_train": 45, "latent_dim": 1, "output_dim": 10, "width": 200,
        "eta_repr": 1e-4, "eta_dec": 1e-3, "weight_decay": 0.0,
    }  # fmt: skip
    return all(row[name] == value for name, value in own.items())


def off_the_print(loss: NDArray[Any], last: int) -> float:
    """Largest relative deviation from the printed losses up to an epoch."""
    epochs = np.arange(0, min(last, len(loss) - 1, 100 * (len(PRINTED) - 1)) + 1, 100)
    return float(np.abs(loss[epochs] / PRINTED[epochs // 100] - 1).max())


def share_right(shares: NDArray[Any], questions: int) -> Interval:
    """A share of test questions, with its 95% interval.

    Of several seeds, Student's over them, cut to 0 and 1; of one seed, Clopper and Pearson's over
    its questions as if independent.
    """
    shares = np.asarray(shares, float)
    if len(shares) > 1:
        return mean(shares).clipped(0.0, 1.0)
    value = float(shares[0])
    return share(round(value * questions), questions)._replace(value=value)
