"""Each kind of figure, on data that are made in its own lines."""

from docs.site.gallery.item import Item

__all__ = ["items"]

RUNS = """\
import numpy as np
import allometry as al

random = np.random.default_rng(0)
N = np.repeat(np.geomspace(1e3, 1e6, 8), 3)
loss = (0.5 + 30 * N**-0.4) * np.exp(random.normal(0, 0.02, len(N)))
"""
FIT = f"""\
{RUNS}\
fit = al.fit({{"N": N, "loss": loss}}, "power_floor", x="N", y="loss", resamples=200)
"""
SAVED = 'al.figures.save_figure(figure, "{name}.svg")\n'
ONE = "figure, ((ax,),) = al.figures.panels(width=110)\n"

LINES = {
    "runs_panel": (
        "Every run against its size, and the mean of each size.",
        f'{RUNS}{ONE}al.figures.runs_panel(N, loss, ax=ax, xlabel="N", ylabel="test loss")\n',
    ),
    "residual_panel": (
        "Measured less fitted, in percent of the fit.",
        f'{RUNS}{ONE}al.figures.residual_panel(N, loss, 0.5 + 30 * N**-0.4, ax=ax, xlabel="N")\n',
    ),
    "fit_panel": (
        "Runs with a law, and its residuals below. The largest runs, hollow, were not fitted.",
        f"{RUNS}figure, (top,), (low,) = al.figures.stacked(width=110)\n"
        "al.figures.fit_panel(N, loss, lambda n: 0.5 + 30 * n**-0.4, axes=(top, low), used=N < 5e5,\n"
        '                     xlabel="N", ylabel="test loss")\n',
    ),
    "control_panels": (
        "The same measure of trained and of untrained networks, side by side on one scale.",
        f"{RUNS}start = 2.3 * np.exp(random.normal(0, 0.02, len(N)))\n"
        "figure, ((left, right),) = al.figures.panels(1, 2)\n"
        'al.figures.control_panels(N, loss, start, axes=(left, right), xlabel="N", ylabel="loss")\n',
    ),
    "interval_panel": (
        "Values with 95% intervals beside what is predicted (a tick); controls are hollow.",
        """\
import allometry as al

rows = [
    al.figures.IntervalRow("trained", -0.28, -0.33, -0.22, predicted=-0.30, group="exponent"),
    al.figures.IntervalRow("untrained", -0.02, -0.05, 0.01, control=True),
]
figure, ((ax,),) = al.figures.panels(width=130, height=35)
al.figures.interval_panel(rows, ax=ax, xlabel="exponent of the loss in N")
""",
    ),
    "trajectory_panel": (
        "A measure along training, a line for each network, coloured by size.",
        """\
import numpy as np
import allometry as al

steps, widths = np.arange(1, 1001), 2 ** np.arange(3, 9)
losses = np.array([2.3 / (1 + steps * width / 2e4) for width in widths])
figure, ((ax,),) = al.figures.panels(width=110)
al.figures.trajectory_panel(steps, losses, ax=ax, sizes=widths, labels=[str(w) for w in widths],
                            total=losses.mean(0), xlabel="update", ylabel="loss", xlog=True)
""",
    ),
    "draw_fit": (
        "A fitted law with its 95% band, and its residuals below.",
        "from allometry.figures.fits import draw_fit\n"
        f"{FIT}figure, (top,), (low,) = al.figures.stacked(width=110)\ndraw_fit(fit, top, low)\n",
    ),
    "draw_held_out": (
        "Predicted against measured, for runs that a fit has not seen, with 95% intervals.",
        f"from allometry.figures.fits import draw_held_out\n{FIT}"
        "larger = np.geomspace(2e6, 1e8, 6)\n"
        f'{ONE}draw_held_out(fit, {{"x": larger}}, 0.5 + 30 * larger**-0.4, ax)\n',
    ),
    "draw_profile": (
        "The likelihood ratio along one parameter; the line is the end of its interval.",
        "from allometry.figures.fits import draw_profile\n"
        f"from allometry.fitting.profile import of_fit\n{FIT}"
        f'{ONE}draw_profile(of_fit(fit)["E"], ax)\n',
    ),
    "draw_basins": (
        "Where each start of a fit ended, in rising order: a long flat part is one minimum.",
        f"from allometry.figures.fits import draw_basins\n{FIT}{ONE}draw_basins(fit.endings, ax)\n",
    ),
}

PLANS = {
    "waste": "The share of compute that another size wastes.",
    "loss": "The least loss at each compute under each law.",
    "sizes": "The best size and tokens against compute, by each approach and law.",
    "isoflop": "The parabolas of runs of equal compute.",
    "disagreement": "What the run of one law wastes if another is right.",
    "design": "The runs to make next, beside those that are finished.",
}
PLAN = """\
import allometry as al
from allometry.figures.plans import figures_of_plan

columns = {{"N": "params", "D": "tokens", "L": "loss"}}
path = "{data}/porian_cosine.csv"
plan = al.plan(path, columns, compute=1e21, laws=["chinchilla", "skaling"])
{more}figure = figures_of_plan({given})["{name}"].draw()
"""
NEXT = (
    'chosen = al.next_runs(path, columns, budget=1e20, target="ln_n_opt@1e21", laws="chinchilla")\n'
)


def items(data: str) -> list[Item]:
    """Each panel of `al.figures`, each figure of a fit, and each figure of a plan.

    Args:
        data: the folder of docs/examples, as seen from where the lines run.
    """
    found = [(name, lines, text) for name, (text, lines) in LINES.items()]
    for name, text in PLANS.items():
        more, given = (NEXT, "plan, chosen") if name == "design" else ("", "plan")
        found.append((name, PLAN.format(data=data, more=more, given=given, name=name), text))
    return [Item(name, lines + SAVED.format(name=name), text) for name, lines, text in found]
