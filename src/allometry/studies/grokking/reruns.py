"""The notebook's loop run again in PyTorch, and how far such runs lie from each other.

After some hundred epochs the last digit of a number decides a run, so that no program repeats the
notebook's print but one that rounds alike. Nineteen runs of its loop, made by
`benchmarks/notebook_grokking_reruns.py` with their rounding changed and nothing else, say how near
a repetition comes: they print the same but for a rounding, then they part.
"""

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["DECIMALS", "SUMMED", "Beside", "Reruns", "as_rounded", "torch_reruns"]

Array = NDArray[np.float64]
DECIMALS = 8  # of a loss that the notebook prints
# Units in the last place by which a mean over the 45 training examples, summed in pairs, depends on
# their order: ceil(log2(45)) (Higham, Accuracy and Stability of Numerical Algorithms, 2002,
# section 4.2). All runs in PyTorch add in one order; another program adds in the order its
# processor's vectors have.
SUMMED = 6


class Reruns(NamedTuple):
    """The runs in PyTorch.

    Attributes:
        loss: at epochs 0, 100, ... 2,900, ``(runs, 30)``.
        test_accuracy, rqi: after 10,000 epochs, ``(runs,)``.
    """

    loss: Array
    test_accuracy: Array
    rqi: Array


@cache
def torch_reruns() -> Reruns:
    """All of them, the notebook as it stands first."""
    text = (files(__package__) / "torch_reruns.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return Reruns(
        loss=np.array([[float(v) for n, v in row.items() if n.isdigit()] for row in rows]),
        test_accuracy=np.array([float(row["test"]) for row in rows]),
        rqi=np.array([float(row["rqi"]) for row in rows]),
    )


class Beside(NamedTuple):
    """A loss beside the one printed, held to what the re-runs do.

    Attributes:
        together: epochs, from the first on, at which all re-runs are as printed but for a rounding.
        as_they: whether at these the loss is too, but for the order in which it was summed.
        far: where it is farthest from the re-runs after these, in standard deviations.
        most: the same of the re-run that is farthest from the others. A further re-run would be
            farther still about once in as many re-runs and one.
    """

    together: int
    as_they: bool
    far: float
    most: float

    @classmethod
    def of(cls, loss: Array, printed: Array, runs: Array) -> "Beside":
        """Of a loss and the one printed ``(epochs,)``, and re-runs ``(runs, epochs)``."""
        same = as_rounded(runs, printed).all(axis=0)
        n = int(np.argmin(np.append(same, False)))
        others = (np.delete(runs, k, axis=0) for k in range(len(runs)))
        return cls(
            together=n,
            as_they=bool(as_rounded(loss[:n], printed[:n], units=SUMMED).all()),
            far=_farthest(loss[n:], runs[:, n:]),
            most=max(
                _farthest(one[n:], rest[:, n:]) for one, rest in zip(runs, others, strict=True)
            ),
        )

    @property
    def repeats(self) -> bool:
        """Does the loss repeat the print as nearly as the re-runs do?"""
        return self.as_they and self.far <= self.most


def as_rounded(loss: Array, printed: Array, units: int = 1) -> NDArray[np.bool_]:
    """Is a loss the one printed, but for so many units in the last place of a float32 and one of
    the decimals printed? Both ``(..., epochs)``."""
    unit = units * np.spacing(printed.astype(np.float32)) + 10.0**-DECIMALS
    return np.asarray(np.abs(loss - printed) <= unit)


def _farthest(loss: Array, runs: Array) -> float:
    """The most standard deviations that the logarithm of a loss ``(epochs,)`` lies from the mean
    of those of runs ``(runs, epochs)``; 0 where there is no epoch."""
    logs = np.log(runs)
    # No loss is 0 or less: one that is lies infinitely far, or is no number and repeats nothing.
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.abs(np.log(loss) - logs.mean(axis=0)) / logs.std(axis=0, ddof=1)
    return float(away.max(initial=0.0))
