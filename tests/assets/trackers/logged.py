"""What every file in this folder logs: runs of a loss that follows L = 1 + 5 N^-0.5 in the end."""

import math
from typing import NamedTuple

STEPS = range(0, 200, 10)
ACCURACY_STEPS = range(0, 200, 50)
WIDTHS = (8, 16, 32, 64, 128)
DIVERGED = 256  # its loss is NaN from step 150 on
UNFINISHED = 512  # ends at step 90, and was ended with an error where the tool can say so


class Run(NamedTuple):
    """A run as it was logged: name, configuration, and metric to (step, value)."""

    name: str
    config: dict[str, object]
    metrics: dict[str, list[tuple[int, float]]]
    finished: bool


def loss(n: int, step: int) -> float:
    if n == DIVERGED and step >= 150:
        return math.nan
    return 1 + 5 * n**-0.5 + math.exp(-step / 8) + 0.001 * math.cos(step)


def run(n: int) -> Run:
    last = 90 if n == UNFINISHED else 190
    return Run(
        name=f"width {n}",
        config={"model": {"n": n, "depth": 2}, "lr": 0.01, "optimizer": "adam", "clip": None,
                "betas": [0.9, 0.999], "amsgrad": False},
        metrics={
            "train/loss": [(s, loss(n, s)) for s in STEPS if s <= last],
            "accuracy": [(s, 0.5 + 0.4 * s / (s + n)) for s in ACCURACY_STEPS if s <= last],
        },
        finished=n != UNFINISHED,
    )  # fmt: skip


RUNS = [run(n) for n in (*WIDTHS, DIVERGED, UNFINISHED)]
