"""Does the loss of a regression fall more slowly with data where there are more inputs?"""

import allometry as al
from allometry.claims import Steeper
from allometry.spec.schedules import Cosine


def runs(size, seeds):
    """A student for each number of inputs and of examples, 2,000 updates, at every seed."""
    train = al.TrainSpec(
        optimizer=al.optimizers.Adam(learning_rate=1e-3), steps=2000, batch_size=64,
        schedule=Cosine(), loss="squared_error",
    )  # fmt: skip
    data = [al.datasets.Teacher(n_in=n, n_train=64 << k) for n in (4, 8, 16, 32) for k in range(8)]
    pairs = [(seed, al.models.MLP(widths=(d.n_in, 64, 64, 1)), d) for seed in seeds for d in data]
    return [al.RunSpec(model=model, data=d, train=train, seed=seed) for seed, model, d in pairs]


STUDY = al.Study(
    name="teacher_data", title="A teacher's data", question=__doc__, runs=runs, sizes=("quick",),
    seeds={"quick": (0, 1, 2)},
    measures={"losses": al.measures.losses, "inputs": lambda net: {"n_in": net.model.widths[0]}},
    claims=[Steeper("n_data", "test_loss", group="n_in", steeper=4, than=32,
                    source="Sharma & Kaplan 2020, 2004.10802")],
)  # fmt: skip
