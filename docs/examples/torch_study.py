"""Does the loss of a small PyTorch network on a random teacher fall as a power of its size?"""

import torch
from torch import nn

import allometry as al
from allometry.claims import PowerLaw
from allometry.spec import Experiment

TEACHER = 32  # hidden units of the network to be imitated


class Student(Experiment):
    """What is varied; every field becomes a column and can be changed by --set."""

    width: int
    steps: int = 300
    learning_rate: float = 0.01


def network(width):
    return nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 1))


def train(spec):
    """Yield (step, measures); the seeds of torch, NumPy and random are set to the spec's."""
    teacher = network(TEACHER)
    x = torch.randn(2000, 4)
    y = teacher(x).detach()
    student = network(spec.width)
    optimizer = torch.optim.Adam(student.parameters(), lr=spec.learning_rate)
    for step in range(spec.steps + 1):
        loss = nn.functional.mse_loss(student(x[:1000]), y[:1000])
        if step % 50 == 0:
            with torch.no_grad():
                test_loss = nn.functional.mse_loss(student(x[1000:]), y[1000:])
            yield (
                step,
                {
                    "n_params": sum(p.numel() for p in student.parameters()),
                    "train_loss": loss.item(),
                    "test_loss": test_loss.item(),
                },
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def runs(size, seeds):
    """Students of 1 to 16 units, at every seed."""
    return [Student(width=width, seed=seed) for seed in seeds for width in (1, 2, 4, 8, 16)]


STUDY = al.Study(
    name="torch_study", question=__doc__, runs=runs, sizes=("quick",), seeds={"quick": (0, 1, 2)},
    measures={}, procedure=al.Function(train, updates=lambda spec: spec.steps),
    claims=[PowerLaw("n_params", "test_loss")],
)  # fmt: skip
