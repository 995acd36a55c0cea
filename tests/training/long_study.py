"""A study file whose packs make many calls of their program: perceptrons on random points."""

import numpy as np

from allometry import Study, measures
from allometry.datasets.splits import Data, Split
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam


class Points(Data):
    n: int = 200

    @property
    def n_data(self):
        return self.n

    def load(self, draws):
        x = draws.uniform((2 * self.n, 7), -1, 1)
        y = (draws.randperm(2 * self.n) % 3).astype(np.int32)
        return Split(x[: self.n], y[: self.n], x[self.n :], y[self.n :])


def runs(size, seeds):
    return [
        RunSpec(
            model=MLP(widths=(7, width, 3)),
            data=Points(),
            train=TrainSpec(optimizer=Adam(), epochs=200, batch_size=32, measure_every=2),
            seed=seed,
        )
        for seed in seeds
        for width in (3, 5, 7)
    ]


STUDY = Study(
    name="long_study",
    title="Long",
    question="Does training go on where it was?",
    prediction="it does",
    source="nobody",
    runs=runs,
    seeds={"quick": (0, 1)},
    measures={"losses": measures.losses},
    trajectory={"losses": measures.losses},
    analyse=lambda table: [],
)
