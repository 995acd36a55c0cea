"""Does the loss of a small network on two moons fall as a power of its width?"""

import allometry as al
from allometry import measures
from allometry.datasets.splits import Moons
from allometry.figures import panels, runs_panel
from allometry.figures.curves import power_curve
from allometry.findings import Analysis, at_least
from allometry.models import MLP
from allometry.spec.optimizers import Adam
from allometry.stats.grid import Grid
from allometry.stats.lines import log_line


def runs(size, seeds):
    """One hidden layer of 1 to 16 units, at every seed."""
    train = al.TrainSpec(optimizer=Adam(learning_rate=1e-2), epochs=40, batch_size=64)
    return [
        al.RunSpec(
            model=MLP(widths=(2, width, 2)), data=Moons(n_samples=400), train=train, seed=seed
        )
        for seed in seeds
        for width in (1, 2, 4, 8, 16)
    ]


def law(curves):
    """The straight line through log L against log N; its slope is the exponent of L = A N^alpha."""
    return log_line(curves.size, curves["train_loss"])


def analyse(table):
    """The exponent and R² of the means over seeds, with 95% intervals."""
    grid = Grid.of(table, "n_params", ("train_loss",))
    intervals = grid.intervals(lambda curves: law(curves)._asdict())
    alpha, r2 = intervals["slope"], intervals["r2"]
    finding = al.Finding(
        claim="The loss falls as a power of the parameter count",
        prediction="R² of 0.9 or more on log axes", source="a guess of mine",
        measured=alpha.value, low=alpha.low, high=alpha.high, unit="exponent",
        verdict=at_least(r2, 0.9), answer=f"R² is {r2.shown('.2f')}.",
    )  # fmt: skip
    return Analysis([finding], numbers={"line": law(grid.mean()), "sizes": grid.size})


def loss_against_size(table, analysis):
    """Training loss of every run against its parameter count; the line is the fitted power."""
    sizes = analysis.numbers["sizes"]
    figure, axes = panels(1, 1)
    runs_panel(
        table["n_params"], table["train_loss"], ax=axes[0, 0],
        curves=[power_curve(analysis.numbers["line"], (sizes[0], sizes[-1]))],
        xlabel="parameters N", ylabel="training loss (nats)",
    )  # fmt: skip
    return figure


STUDY = al.Study(
    name="my_study", title="Two moons by width", question=__doc__,
    prediction="L = A N^alpha", source="a guess of mine",
    runs=runs, sizes=("quick",), seeds={"quick": (0, 1, 2)},
    measures={"losses": measures.losses}, analyse=analyse, figures=(loss_against_size,),
)  # fmt: skip
