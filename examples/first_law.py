# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A first law in five minutes
#
# After this page you can train networks of several sizes, fit a law to their losses, and say how sure
# its exponent is.

# %%
# %matplotlib inline
import allometry as al
from allometry.claims import PowerLaw
from allometry.figures.fits import draw_fit

# %% [markdown]
# ## A question and its runs
#
# How does the test loss of a regression fall with the size of a network? A run is a value: a model,
# data, a way to train, and a seed. Here are networks of ten widths at six seeds. The targets are
# the outputs of a random network of four inputs, so nothing is downloaded.


# %%
def runs(size, seeds):
    """A network of each width, 1,000 updates each, at every seed."""
    train = al.TrainSpec(
        optimizer=al.optimizers.Adam(learning_rate=1e-2),
        steps=1000,
        batch_size=64,
        schedule=al.schedules.Cosine(),
        loss="squared_error",
    )
    data = al.datasets.Teacher(n_in=4, n_train=4000, n_test=2000)
    models = [al.models.MLP(widths=(4, width, 1)) for width in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48)]
    return [al.RunSpec(model=m, data=data, train=train, seed=s) for s in seeds for m in models]


study = al.Study(
    name="first_law",
    question="Does the test loss fall as a power of the parameter count?",
    runs=runs,
    sizes=("quick",),
    seeds={"quick": range(6)},
    measures={"losses": al.measures.losses},
    claims=[PowerLaw("n_params", "test_loss", floor="fitted", predicts={"alpha": (0, 2)})],
)

# %% [markdown]
# ## Train
#
# All runs train as one program, and each result is in the store, one SQLite file, before the call
# returns. The same call again trains nothing.

# %%
outcome = al.run(study, store="first_law.db")
outcome.in_words

# %%
al.Table({name: outcome.table[name] for name in ("n_params", "seed", "train_loss", "test_loss")})

# %% [markdown]
# ## Fit a law
#
# `cluster` says which runs are resampled together; in brackets are 95% intervals. *Wide*, and the status
# `not_identified`, say that a number is not known well: more sizes or seeds would narrow it.

# %%
fit = al.fit(
    outcome.table, "power_floor", x="n_params", y="test_loss", cluster="n_params", resamples=300
)
print(fit.formula)
for name, estimate in fit.parameters.items():
    print(name, estimate)
print(fit.status.code)

# %%
draw_fit(fit).figure

# %% [markdown]
# ## Is the claim true?
#
# The study made a claim. It is judged by its interval: *agrees*, *disagrees* or *undecided*. The floor and
# the range from 0 to 2 were chosen after five other settings had been tried, so this shows how a claim is
# judged; it is no evidence.

# %%
for finding in outcome.findings:
    print(finding.verdict, "|", finding.claim, "|", finding.shown)

# %% [markdown]
# Next: your own data and loss, or `al.write_report` for a page with every finding, figure and run.
