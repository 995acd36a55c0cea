"""Re-runs of the notebook's loop in PyTorch, and the distances between them.

After some hundred epochs a run depends on the last digit of its numbers, so only a program with the
same rounding repeats the notebook's output. Nineteen runs of its loop, which differ only in their
rounding, were made by `benchmarks/notebook_grokking_reruns.py`. They show how closely a repetition
can agree: at first they print the same losses but for rounding, and later they diverge.
"""

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["DECIMALS", "SUMMED", "Beside", "Reruns", "as_rounded", "torch_reruns"]

Array = NDArray[np.float64]
DECIMALS = 8  # of a printed loss
# Units in the last place by which a mean over the 45 training examples, summed pairwise, depends on
# their order: ceil(log2(45)) (Higham, Accuracy and Stability of Numerical Algorithms, 2002,
# section 4.2). All runs in PyTorch sum in one order; in another program the order depends on the
# processor's vector instructions.
SUMMED = 6


class Reruns(NamedTuple):
    """The re-runs in PyTorch.

    Attributes:
        loss: at epochs 0, 100, ... 2,900, ``(runs, 30)``.
        test_accuracy, rqi: after 10,000 epochs, ``(runs,)``.
    """

    loss: Array
    test_accuracy: Array
    rqi: Array


@cache
def torch_reruns() -> Reruns:
    """All re-runs; the first is of the unchanged notebook."""
    text = (files(__package__) / "torch_reruns.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return Reruns(
        loss=np.array([[float(v) for n, v in row.items() if n.isdigit()] for row in rows]),
        test_accuracy=np.array([float(row["test"]) for row in rows]),
        rqi=np.array([float(row["rqi"]) for row in rows]),
    )


class Beside(NamedTuple):
    """A comparison of a loss with the printed loss and with the re-runs.

    Attributes:
        together: number of printed epochs, from the first on, at which all re-runs equal the
            printed loss but for rounding.
        as_they: whether the loss equals the printed loss at these epochs, but for rounding and the
            order of summation.
        far: the largest distance of the loss from the re-runs at the later epochs, in standard
            deviations of their logarithms.
        most: the largest such distance of a re-run from the others. With n re-runs, a further
            re-run would exceed it with probability about 1 / (n + 1).
    """

    together: int
    as_they: bool
    far: float
    most: float

    @classmethod
    def of(cls, loss: Array, printed: Array, runs: Array) -> "Beside":
        """The comparison of a loss with the printed one and with the re-runs.

        Args:
            loss, printed: ``(epochs,)``.
            runs: losses of the re-runs, ``(runs, epochs)``.
        """
        same = as_rounded(runs, printed).all(axis=0)
        n = int(np.argmin(np.append(same, False)))
        others = (np.delete(runs, k, axis=0) for k in range(len(runs)))
        return cls(
            together=n,
            as_they=bool(as_rounded(loss[:n], printed[:n], units=SUMMED).all()),
            far=_farthest(loss[n:], runs[:, n:]),
            most=max(
                _farthest(run[n:], rest[:, n:]) for run, rest in zip(runs, others, strict=True)
            ),
        )

    @property
    def repeats(self) -> bool:
        """Whether the loss agrees with the printed one as closely as the re-runs do."""
        return self.as_they and self.far <= self.most


def as_rounded(loss: Array, printed: Array, units: int = 1) -> NDArray[np.bool_]:
    """Whether losses equal the printed ones but for rounding; both ``(..., epochs)``.

    Allowed are `units` units in the last place of a float32 plus one unit of the last decimal
    printed.
    """
    unit = units * np.spacing(printed.astype(np.float32)) + 10.0**-DECIMALS
    return np.asarray(np.abs(loss - printed) <= unit)


def _farthest(loss: Array, runs: Array) -> float:
    """The largest distance of a loss ``(epochs,)`` from runs ``(runs, epochs)``.

    The distance is from the mean of the runs' logarithms, in their standard deviations; 0 without
    epochs.
    """
    logs = np.log(runs)
    # A loss of 0 has an infinite distance and a negative or NaN loss the distance NaN, so neither
    # passes.
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.abs(np.log(loss) - logs.mean(axis=0)) / logs.std(axis=0, ddof=1)
    return float(distance.max(initial=0.0))
