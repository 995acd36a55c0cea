"""Does the loss of a small network on two moons fall as a power of its size?"""

import allometry as al
from allometry.claims import PowerLaw


def runs(size, seeds):
    """One hidden layer of 1 to 16 units, at every seed."""
    train = al.TrainSpec(optimizer=al.optimizers.Adam(learning_rate=1e-2), epochs=40, batch_size=64)
    data = al.datasets.Moons(n_samples=400)
    models = [al.models.MLP(widths=(2, width, 2)) for width in (1, 2, 4, 8, 16)]
    return [al.RunSpec(model=m, data=data, train=train, seed=s) for s in seeds for m in models]


STUDY = al.Study(
    name="my_study", question=__doc__, runs=runs, sizes=("quick",), seeds={"quick": (0, 1, 2)},
    measures={"losses": al.measures.losses}, claims=[PowerLaw("n_params", "train_loss")],
)  # fmt: skip
