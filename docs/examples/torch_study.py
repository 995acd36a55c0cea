"""Does the loss of a small PyTorch network on a random teacher fall as a power of its size?"""

import torch
from torch import nn

import allometry as al
from allometry.figures import panels, runs_panel
from allometry.figures.curves import power_curve
from allometry.findings import Analysis, at_least
from allometry.spec import Experiment
from allometry.stats.grid import Grid
from allometry.stats.lines import log_line
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
    """The straight line through log L against log N; its slope is the exponent of L = A N^alpha."""
    return log_line(curves.size, curves["test_loss"])


def analyse(table):
    """The exponent and R² of the means over seeds, with 95% intervals."""
    grid = Grid.of(table, "n_params", ("test_loss",))
    intervals = grid.intervals(lambda curves: law(curves)._asdict())
    alpha, r2 = intervals["slope"], intervals["r2"]
    finding = al.Finding(
        claim="The test loss falls as a power of the parameter count",
        prediction="R² of 0.9 or more on log axes", source="a guess of mine",
        measured=alpha.value, low=alpha.low, high=alpha.high, unit="exponent",
        verdict=at_least(r2, 0.9), answer=f"R² is {r2.shown('.2f')}.",
    )  # fmt: skip
    return Analysis([finding], numbers={"line": law(grid.mean()), "sizes": grid.size})


def loss_against_size(table, analysis):
    """Test loss of every student against its parameter count; the line is the fitted power."""
    sizes = analysis.numbers["sizes"]
    figure, axes = panels(1, 1)
    runs_panel(
        table["n_params"], table["test_loss"], ax=axes[0, 0],
        curves=[power_curve(analysis.numbers["line"], (sizes[0], sizes[-1]))],
        xlabel="parameters N", ylabel="test loss (mean squared error)",
    )  # fmt: skip
    return figure


STUDY = al.Study(
    name="torch_study", title="Students of a random teacher, in PyTorch", question=__doc__,
    prediction="L = A N^alpha", source="a guess of mine",
    runs=runs, sizes=("quick",), seeds={"quick": (0, 1, 2)}, measures={},
    procedure=Function(train, updates=lambda spec: spec.steps),
    analyse=analyse, figures=(loss_against_size,),
)  # fmt: skip
