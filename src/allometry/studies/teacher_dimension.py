"""Are the exponents of a student network's loss 4/d, with d the dimension of its inputs?

Sharma and Kaplan (2004.10802) predict this for parameters N, and Bahri et al. (2102.06701) also
for examples D.
"""

from collections.abc import Sequence
from typing import Any

from allometry import measures
from allometry.claims import Exponents, Steeper
from allometry.datasets import Teacher
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.spec.schedules import Cosine
from allometry.study import Study

N_SOURCE = "Sharma & Kaplan 2020, 2004.10802, abstract"
D_SOURCE = "Bahri et al. 2021, 2102.06701, resolution-limited regime"
WORDS = {"n_in": "d"}
DIMENSIONS = (2, 4, 8, 16)
MANY, WIDE = 16_384, 96  # examples in the runs over N, and units per layer in the runs over D
OF_N, OF_D = [f"n_data=={MANY}", f"width<{WIDE}"], [f"width=={WIDE}", f"n_data<{MANY}"]


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """Students of all widths with many examples, and wide students with all numbers of examples."""
    steps = {"quick": 1500, "paper": 20_000}[size]
    train = TrainSpec(optimizer=Adam(learning_rate=3e-3), steps=steps, batch_size=128,
                      schedule=Cosine(), loss="squared_error")  # fmt: skip
    pairs = [(d, w, MANY) for d in DIMENSIONS for w in (4, 6, 8, 12, 16, 24, 32, 48)]
    pairs += [(d, WIDE, 64 << k) for d in DIMENSIONS for k in range(7)]
    data = {(d, n): Teacher(n_in=d, n_train=n) for d, _, n in pairs}
    models = {(d, w): MLP(widths=(d, w, w, 1)) for d, w, _ in pairs}
    each = [(s, models[d, w], data[d, n]) for s in seeds for d, w, n in pairs]
    return [RunSpec(model=model, data=x, train=train, seed=seed) for seed, model, x in each]


def exponents(x: str, where: Sequence[str], source: str, of: str) -> tuple[Exponents, Steeper]:
    """Claims that each dimension's exponent is 4/d, and that it is larger at d = 2 than at 16.

    The laws have a fitted floor, because the loss does not converge in so few updates.
    """
    same: dict[str, Any] = dict(group="n_in", where=where, source=source, words=WORDS)
    return (
        Exponents(x, "test_loss", predicts=lambda d: 4 / d, formula="4/d", within=0.25,
                  floor="fitted", says=f"{of} is 4/d, with d the dimension of the inputs", **same),
        Steeper(x, "test_loss", steeper=2, than=16, says=f"{of} is larger at d = 2 than at 16",
                **same),
    )  # fmt: skip


STUDY = Study(
    name="teacher_dimension",
    title="Exponents and the dimension of the inputs",
    question="Are the exponents of a student's loss 4/d, with d the dimension of the inputs?",
    runs=runs, sizes=("quick", "paper"), seeds={"quick": (0, 1, 2), "paper": (0, 1, 2, 3, 4)},
    measures={
        "losses": measures.losses,
        "inputs": lambda net: {"n_in": net.model.widths[0], "width": net.model.widths[1]},
    },
    claims=[*exponents("n_params", OF_N, N_SOURCE, "With many examples the exponent of N"),
            *exponents("n_data", OF_D, D_SOURCE, "In a wide network the exponent of D")],
)  # fmt: skip
