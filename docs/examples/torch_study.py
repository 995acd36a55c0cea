"""Does the loss of a small PyTorch network on a random teacher fall as a power of its size?"""

import torch
from torch import nn

from allometry import Finding, Study
from allometry.figures import curve, panels, runs_panel
from allometry.findings import at_least
from allometry.spec import Experiment
from allometry.stats import lines
from allometry.stats.grid import Grid
from allometry.training.function import Function

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


def law(curves):
    """Exponent and R² of L = A N^alpha on the means over seeds."""
    line = lines.log_line(curves.size, curves["test_loss"])
    return {"alpha": line.slope, "r2": line.r2}


def analyse(table):
    by = Grid.of(table, "n_params", ("test_loss",)).intervals(law)
    return [Finding(
        claim="The test loss falls as a power of the parameter count",
        prediction="R² of 0.9 or more on log axes", source="a guess of mine",
        measured=by["alpha"].value, low=by["alpha"].low, high=by["alpha"].high,
        verdict=at_least(by["r2"], 0.9),
        answer=f"R² is {by['r2'].value:.2f} [{by['r2'].low:.2f}, {by['r2'].high:.2f}].",
        unit="exponent",
    )]  # fmt: skip


def loss_against_size(table, analysis):
    """Test loss of every student against its parameter count; the line is the fitted power."""
    mean = Grid.of(table, "n_params", ("test_loss",)).mean()
    line = lines.log_line(mean.size, mean["test_loss"])
    figure, axes = panels(1, 1)
    drawn = curve(lambda n: 10**line.intercept * n**line.slope, (mean.size[0], mean.size[-1]))
    runs_panel(
        table["n_params"], table["test_loss"], ax=axes[0, 0], seed=table["seed"],
        curves=[drawn], xlabel="parameters N", ylabel="test loss (mean squared error)",
    )  # fmt: skip
    return figure


STUDY = Study(
    name="torch_study", title="Students of a random teacher, in PyTorch", question=__doc__,
    prediction="L = A N^alpha", source="a guess of mine",
    runs=runs, sizes=("quick",), seeds={"quick": (0, 1, 2)}, measures={},
    procedure=Function(train, updates=lambda spec: spec.steps),
    analyse=analyse, figures=(loss_against_size,),
)  # fmt: skip
