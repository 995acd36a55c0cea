"""Does the loss of a regression fall more slowly with data where there are more inputs?"""

import numpy as np

import allometry as al
from allometry.findings import at_least
from allometry.spec.schedules import Cosine
from allometry.stats.lines import log_line, slope_interval


def runs(size, seeds):
    """A student for each number of inputs and of examples, 2,000 updates, at every seed."""
    train = al.TrainSpec(
        optimizer=al.optimizers.Adam(learning_rate=1e-3), steps=2000, batch_size=64,
        schedule=Cosine(), loss="squared_error",
    )  # fmt: skip
    data = [al.datasets.Teacher(n_in=n, n_train=64 << k) for n in (4, 8, 16, 32) for k in range(8)]
    pairs = [(seed, al.models.MLP(widths=(d.n_in, 64, 64, 1)), d) for seed in seeds for d in data]
    return [al.RunSpec(model=model, data=d, train=train, seed=seed) for seed, model, d in pairs]


def analyse(table):
    """Exponents of the test loss in the number of examples, against the number of inputs."""
    groups = [(k[0], log_line(t["n_data"], t["test_loss"])) for k, t in table.groups("n_in")]
    n_in, exponents = np.array([(n, line.slope) for n, line in groups]).T
    slope = slope_interval(np.log2(n_in), exponents)
    return [al.Finding(
        claim="More inputs, a flatter fall with data", prediction="above 0",
        source="Sharma & Kaplan, 2004.10802", unit="exponent a doubling", measured=slope.value,
        low=slope.low, high=slope.high, verdict=at_least(slope, 0), answer=f"{exponents.round(2)}",
    )]  # fmt: skip


STUDY = al.Study(
    name="teacher_data", title="A teacher's data", question=__doc__, prediction="It does.",
    source="Sharma & Kaplan, 2004.10802", runs=runs, sizes=("quick",), seeds={"quick": (0, 1, 2)},
    measures={"losses": al.measures.losses, "inputs": lambda net: {"n_in": net.model.widths[0]}},
    analyse=analyse,
)  # fmt: skip
