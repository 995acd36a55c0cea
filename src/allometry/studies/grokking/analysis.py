"""The grokking runs along training, the notebook's printed losses, and the study's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.studies.grokking.measures import unit_deviation
from allometry.studies.grokking.reruns import DECIMALS, Beside, torch_reruns
from allometry.studies.grokking.task import addition_task
from allometry.studies.grokking.theory import EffectiveTheory
from allometry.tables.table import Table

__all__ = [
    "PRINTED", "SOURCE", "Along", "Numbers", "TheoryBeside", "Traced", "finished",
    "follows_the_notebook", "trajectories",
]  # fmt: skip

SOURCE = (
    "Z. Liu, O. Kitouni, N. Nolte, E. Michaud, M. Tegmark, M. Williams 2022, Towards "
    "Understanding Grokking, arXiv 2205.10343; toy_model_nn.ipynb"
)
# Losses at epochs 0, 100, 200, ... 2900, as stored in the notebook (seed 4).
PRINTED = np.array([
    0.82493395, 0.76302254, 0.73361290, 0.69287986, 0.62817329, 0.52927905, 0.42162097, 0.34450689,
    0.28353387, 0.22333899, 0.17154217, 0.13550892, 0.10768575, 0.08296081, 0.06331909, 0.04918868,
    0.03941762, 0.03237715, 0.02737385, 0.02388324, 0.02099634, 0.01801854, 0.01477067, 0.01096826,
    0.00682222, 0.00335687, 0.00138202, 0.00056325, 0.00034914, 0.00020545,
])  # fmt: skip
Along = Mapping[str, NDArray[Any]]


def finished(table: Table) -> list[tuple[dict[str, Any], Along]]:
    """Row and trajectories of every finished run in order of seed, with counts as shares.

    Trajectories are `epoch`, `train_loss`, `train_accuracy`, `test_accuracy`, `rqi` (epochs,),
    `latent` (points, symbols, dimensions) and `latent_update` (points,). Those of a control have
    the prefix ``swapped_``.

    Raises:
        DataError: a run has no trajectories.
    """
    runs: list[tuple[dict[str, Any], Along]] = []
    for row in table.where(status="done").sort("seed"):
        arrays = table.trajectories.get(row["run_id"])
        if arrays is None:
            raise DataError(
                f"run {row['run_id'][:12]} is without trajectories; use a table from a store, "
                "because one from a CSV file has no trajectories"
            )
        along = dict(_shares(row, arrays, ""))
        if "swapped_train_loss" in arrays:
            along |= _shares(row, arrays, "swapped_")
        runs.append((row, along))
    return runs


def _shares(row: Mapping[str, Any], arrays: Along, prefix: str) -> Along:
    test = row["n_questions"] - row["n_train"]
    return {
        f"{prefix}epoch": np.arange(len(arrays[f"{prefix}train_loss"])),
        f"{prefix}train_loss": arrays[f"{prefix}train_loss"],
        f"{prefix}train_accuracy": arrays[f"{prefix}train_right"] / row["n_train"],
        f"{prefix}test_accuracy": arrays[f"{prefix}test_right"] / test,
        f"{prefix}rqi": arrays[f"{prefix}parallelograms"] / row["n_parallelograms"],
        f"{prefix}latent": arrays[f"{prefix}latent"],
        f"{prefix}latent_update": arrays[f"{prefix}latent_update"],
    }


def trajectories(table: Table) -> Table:
    """Every epoch of every finished run: loss, accuracies and RQI (the view ``trajectories``)."""
    names = ("epoch", "train_loss", "train_accuracy", "test_accuracy", "rqi")
    runs = finished(table)
    seeds = [np.full(len(along["epoch"]), row["seed"]) for row, along in runs]
    columns = {n: np.concatenate([along[n] for _, along in runs]) for n in names}
    return Table({"seed": np.concatenate(seeds), **columns})


def follows_the_notebook(row: Mapping[str, Any]) -> bool:
    """Whether a run has the notebook's settings and its seed, 4."""
    settings = {
        "seed": 4, "protocol": "notebook", "encoder": "table", "loss": "mse", "p": 10,
        "modulo": 0, "n_train": 45, "latent_dim": 1, "output_dim": 10, "width": 200,
        "eta_repr": 1e-4, "eta_dec": 1e-3, "weight_decay": 0.0,
    }  # fmt: skip
    return all(row[name] == value for name, value in settings.items())


class Traced(NamedTuple):
    """A comparison of a loss with the printed losses, at those of their epochs that it has.

    Attributes:
        epoch: printed epochs, ``(printed,)``.
        loss: at these epochs, ``(printed,)``.
        off: relative difference from the printed loss, ``(printed,)``.
        equal: number of losses that equal the printed ones to all digits.
        beside: the comparison with the re-runs in PyTorch.
    """

    epoch: NDArray[np.int64]
    loss: NDArray[np.float64]
    off: NDArray[np.float64]
    equal: int
    beside: Beside

    @classmethod
    def of(cls, loss: NDArray[Any]) -> "Traced":
        """The comparison of a training loss at every epoch, ``(epochs,)``."""
        epoch = np.arange(0, min(len(loss), 100 * len(PRINTED)), 100)
        at, printed = loss[epoch].astype(float), PRINTED[: len(epoch)]
        return cls(
            epoch=epoch,
            loss=at,
            off=at / printed - 1,
            equal=int((np.round(at, DECIMALS) == printed).sum()),
            beside=Beside.of(at, printed, torch_reruns().loss[:, : len(epoch)]),
        )


class TheoryBeside(NamedTuple):
    """The swapped run and the effective theory with its initial values, up to well after linear.

    Attributes:
        update: updates made, ``(points,)``.
        network, theory: coordinates scaled to mean 0 and unit deviation, ``(points, n_symbols)``.
        network_energy, theory_energy: the theory's energy along both, ``(points,)``.
    """

    update: NDArray[Any]
    network: NDArray[np.float64]
    theory: NDArray[np.float64]
    network_energy: NDArray[np.float64]
    theory_energy: NDArray[np.float64]


def _theory_beside(row: Mapping[str, Any], along: Along) -> TheoryBeside:
    theory = EffectiveTheory.published(addition_task(row["p"], bool(row["modulo"])))
    inside = along["swapped_latent_update"] <= 3 * max(row["t_rqi_swapped"], 300)
    update = along["swapped_latent_update"][inside]
    coordinates = along["swapped_latent"][inside, :, 0]
    network = np.array([unit_deviation(latent) for latent in coordinates])
    # In the swapped run the representation has the decoder's learning rate.
    descent = theory.integrate(network[0], row["eta_dec"], int(update[-1]) + 1)[update]
    return TheoryBeside(
        update=update,
        network=network,
        theory=np.array([unit_deviation(latent) for latent in descent]),
        network_energy=theory.energy(network),
        theory_energy=theory.energy(descent),
    )


@dataclass(frozen=True)
class Numbers:
    """All numbers of the findings and figures.

    Attributes:
        runs: row and trajectories of each run, in order of seed.
        printed: the run whose loss the notebook printed; None if it is not among the runs.
        traced: the comparison of that run's loss with the printed one; None without it.
        theory: the theory for the first run's control; None if that run has no control.
    """

    runs: Sequence[tuple[Mapping[str, Any], Along]]
    printed: tuple[Mapping[str, Any], Along] | None
    traced: Traced | None
    theory: TheoryBeside | None

    @classmethod
    def of(cls, table: Table) -> "Numbers":
        """The numbers of the finished runs of a table.

        Raises:
            DataError: there is no finished run, or one has no trajectories.
        """
        runs = finished(table)
        if not runs:
            raise DataError("no finished run to analyse; run `allometry run grokking`")
        printed = next((pair for pair in runs if follows_the_notebook(pair[0])), None)
        row, along = runs[0]
        return cls(
            runs=runs,
            printed=printed,
            traced=Traced.of(printed[1]["train_loss"]) if printed else None,
            theory=_theory_beside(row, along) if "swapped_latent" in along else None,
        )
