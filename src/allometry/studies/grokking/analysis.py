"""The grokking runs along training, the loss the notebook printed, and the study's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.stats.interval import Interval
from allometry.stats.means import mean, share
from allometry.studies.grokking.measures import unit_deviation
from allometry.studies.grokking.task import addition_task
from allometry.studies.grokking.theory import EffectiveTheory
from allometry.tables.table import Table

__all__ = [
    "PRINTED", "SOURCE", "Along", "Numbers", "TheoryBeside", "finished", "follows_the_notebook",
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


def finished(table: Table) -> list[tuple[dict[str, Any], Along]]:
    """Row and trajectories of every finished run, by rising seed; counts turned into shares.

    Each has `epoch`, `train_loss`, `train_accuracy`, `test_accuracy`, `rqi` (epochs,), `latent`
    (points, symbols, dimensions) and `latent_update` (points,), and the same with ``swapped_``
    before the name where the run has its control.

    Raises:
        DataError: a run has no trajectories.
    """
    runs: list[tuple[dict[str, Any], Along]] = []
    for row in table.where(status="done").sort("seed"):
        arrays = table.trajectories.get(row["run_id"])
        if arrays is None:
            raise DataError(
                f"run {row['run_id'][:12]} comes without trajectories; a table from a store has "
                "them, one from a CSV file has not"
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
    """Is this the run whose loss the notebook printed? Seed 4 at all of its settings."""
    settings = {
        "seed": 4, "protocol": "notebook", "encoder": "table", "loss": "mse", "p": 10,
        "modulo": 0, "n_train": 45, "latent_dim": 1, "output_dim": 10, "width": 200,
        "eta_repr": 1e-4, "eta_dec": 1e-3, "weight_decay": 0.0,
    }  # fmt: skip
    return all(row[name] == value for name, value in settings.items())


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


class TheoryBeside(NamedTuple):
    """The swapped run and the effective theory from its start, until well after it is linear.

    Attributes:
        update: updates made, ``(points,)``.
        network, theory: coordinates of mean zero and unit deviation, ``(points, n_symbols)``.
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
    network = np.array([unit_deviation(one) for one in along["swapped_latent"][inside, :, 0]])
    # Swapped, the representation learns at the decoder's rate.
    descent = theory.integrate(network[0], row["eta_dec"], int(update[-1]) + 1)[update]
    return TheoryBeside(
        update=update,
        network=network,
        theory=np.array([unit_deviation(one) for one in descent]),
        network_energy=theory.energy(network),
        theory_energy=theory.energy(descent),
    )


@dataclass(frozen=True)
class Numbers:
    """What the runs give.

    Attributes:
        runs: row and trajectories of each, by rising seed.
        printed: the run whose loss the notebook printed; None where it is not among them.
        off: largest relative deviation of that run from the printed losses, by last epoch.
        theory: of the first run with swapped learning rates; None where there is none.
    """

    runs: Sequence[tuple[Mapping[str, Any], Along]]
    printed: tuple[Mapping[str, Any], Along] | None
    off: Mapping[int, float]
    theory: TheoryBeside | None

    @classmethod
    def of(cls, table: Table) -> "Numbers":
        """The numbers of the finished runs of a table.

        Raises:
            DataError: there is none, or one has no trajectories.
        """
        runs = finished(table)
        if not runs:
            raise DataError("no finished run to analyse; `allometry run` trains them")
        printed = next((pair for pair in runs if follows_the_notebook(pair[0])), None)
        row, along = runs[0]
        return cls(
            runs=runs,
            printed=printed,
            off={last: off_the_print(printed[1]["train_loss"], last) for last in (100, 1_500)}
            if printed
            else {},
            theory=_theory_beside(row, along) if "swapped_latent" in along else None,
        )
