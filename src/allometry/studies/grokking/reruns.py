"""The notebook's loop run again in PyTorch, and how far such runs lie from each other.

After some hundred epochs the last digit of a number decides a run, so that no program repeats the
notebook's print but one that rounds alike. Nineteen runs of its loop, made by
`benchmarks/notebook_grokking_reruns.py` with their rounding changed and nothing else, say how far
apart repetitions lie.
"""

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Reruns", "outside", "torch_reruns"]

Array = NDArray[np.float64]
DECIMALS = 8  # of a loss that the notebook prints


class Reruns(NamedTuple):
    """The runs in PyTorch.

    Attributes:
        loss: at epochs 0, 100, ... 2,900, ``(runs, 30)``.
        test_accuracy, rqi: after 10,000 epochs, ``(runs,)``.
        most_outside: the most losses at which one of them lies outside the range of the others.
    """

    loss: Array
    test_accuracy: Array
    rqi: Array
    most_outside: int


@cache
def torch_reruns() -> Reruns:
    """All of them, the notebook as it stands first."""
    text = (files(__package__) / "torch_reruns.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    loss = np.array([[float(v) for n, v in row.items() if n.isdigit()] for row in rows])
    return Reruns(
        loss=loss,
        test_accuracy=np.array([float(row["test"]) for row in rows]),
        rqi=np.array([float(row["rqi"]) for row in rows]),
        most_outside=max(outside(one, np.delete(loss, k, axis=0)) for k, one in enumerate(loss)),
    )


def outside(trace: Array, runs: Array) -> int:
    """At how many epochs a trace ``(epochs,)`` lies outside the range of runs ``(runs, epochs)``,
    all to the digits printed."""
    at, runs = np.round(trace, DECIMALS), np.round(runs, DECIMALS)
    return int(((at < runs.min(axis=0)) | (at > runs.max(axis=0))).sum())
