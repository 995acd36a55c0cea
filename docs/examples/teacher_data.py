"""Does the loss of a regression fall more slowly with data where there are more inputs?"""

import numpy as np

import allometry as al
from allometry.findings import at_least
from allometry.spec.schedules import Cosine
from allometry.stats.lines import slope_interval

DIMENSIONS = (4, 8, 16, 32)
SIZES = (64, 128, 256, 512, 1024, 2048, 4096, 8192)


def runs(size, seeds):
    """Students of 64 and 64 units for each dimension and number of examples, at every seed."""
    adam = al.optimizers.Adam(learning_rate=1e-3)
    train = al.TrainSpec(
        optimizer=adam, steps=2000, batch_size=64, schedule=Cosine(), loss="squared_error"
    )
    cells = [(seed, n_in, n) for seed in seeds for n_in in DIMENSIONS for n in SIZES]
    return [
        al.RunSpec(model=al.models.MLP(widths=(n_in, 64, 64, 1)), train=train, seed=seed,
                   data=al.datasets.Teacher(n_in=n_in, n_train=n))
        for seed, n_in, n in cells
    ]  # fmt: skip


def dimension(net):
    """The dimension of the inputs."""
    return {"n_in": net.model.widths[0]}


def analyse(table):
    """..."""
    return []


STUDY = al.Study(
    name="teacher_data", title="A teacher's data", question=__doc__,
    prediction="It does.", source="Sharma & Kaplan, 2004.10802", runs=runs, sizes=("quick",),
    seeds={"quick": (0, 1, 2)}, measures={"losses": al.measures.losses, "dimension": dimension},
    analyse=analyse,
)  # fmt: skip
