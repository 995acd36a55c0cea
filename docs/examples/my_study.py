"""Does the loss of a small network on two moons fall as a power of its width?"""

from allometry import Finding, RunSpec, Study, TrainSpec, measures
from allometry.datasets.splits import Moons
from allometry.figures import curve, panels, runs_panel
from allometry.findings import at_least
from allometry.models import MLP
from allometry.spec.optimizers import Adam
from allometry.stats import lines
from allometry.stats.grid import Grid


def runs(size, seeds):
    """One hidden layer of 1 to 16 units, at every seed."""
    train = TrainSpec(optimizer=Adam(learning_rate=1e-2), epochs=40, batch_size=64)
    return [
        RunSpec(model=MLP(widths=(2, width, 2)), data=Moons(n_samples=400), train=train, seed=seed)
        for seed in seeds
        for width in (1, 2, 4, 8, 16)
    ]


def law(curves):
    """Exponent and R² of L = A N^alpha on the means over seeds."""
    line = lines.log_line(curves.size, curves["train_loss"])
    return {"alpha": line.slope, "r2": line.r2}


def analyse(table):
    by = Grid.of(table, "n_params", ("train_loss",)).intervals(law)
    return [Finding(
        claim="The loss falls as a power of the parameter count",
        prediction="R² of 0.9 or more on log axes", source="a guess of mine",
        measured=by["alpha"].value, low=by["alpha"].low, high=by["alpha"].high,
        verdict=at_least(by["r2"], 0.9),
        answer=f"R² is {by['r2'].value:.2f} [{by['r2'].low:.2f}, {by['r2'].high:.2f}].",
        unit="exponent",
    )]  # fmt: skip


def loss_against_size(table, analysis):
    """Training loss of every run against its parameter count; the line is the fitted power."""
    mean = Grid.of(table, "n_params", ("train_loss",)).mean()
    line = lines.log_line(mean.size, mean["train_loss"])
    figure, axes = panels(1, 1)
    drawn = curve(lambda n: 10**line.intercept * n**line.slope, (mean.size[0], mean.size[-1]))
    runs_panel(
        table["n_params"], table["train_loss"], ax=axes[0, 0], seed=table["seed"],
        curves=[drawn], xlabel="parameters N", ylabel="training loss (nats)",
    )  # fmt: skip
    return figure


STUDY = Study(
    name="my_study", title="Two moons by width", question=__doc__,
    prediction="L = A N^alpha", source="a guess of mine",
    runs=runs, sizes=("quick",), seeds={"quick": (0, 1, 2)},
    measures={"losses": measures.losses}, analyse=analyse, figures=(loss_against_size,),
)  # fmt: skip
