# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own data and your own loss
#
# After this page you can train on arrays of your own with a loss of your own, and fit a law to the result.

# %%
# %matplotlib inline
import jax.numpy as jnp
import numpy as np

import allometry as al
from allometry.figures.fits import draw_fit

# %% [markdown]
# ## Data
#
# Features are `(n, ...)`; targets are whole numbers for classes or floats for a regression. The spec of
# a run holds the SHA-256 of the arrays, so other values are other data with results of their own.

# %%
random = np.random.default_rng(0)
x = random.uniform(-1, 1, size=(5000, 2))
y = np.sin(3 * x[:, 0]) * x[:, 1] + random.exponential(0.1, size=5000)
waves = al.datasets.Arrays.of(x, y, test=1000, name="waves")
waves.n_data

# %% [markdown]
# ## A loss
#
# The pinball loss, whose minimum is a quantile of the targets (Koenker & Bassett 1978). A loss is one
# function of the outputs `(B, K)` and the targets of one network, with a number for each example.


# %%
class Quantile(al.losses.Loss):
    """The pinball loss of the quantile q."""

    q: float = 0.5

    def each(self, outputs, targets):
        left = targets.reshape(outputs.shape) - outputs
        return jnp.maximum(self.q * left, (self.q - 1) * left).mean(axis=-1)


# %% [markdown]
# ## Runs
#
# Networks of several widths, all trained as one program. A class in a notebook has no file that other
# runs could be compared with, so its runs are trained again each time; in a study's file they are kept.

# %%
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)


def runs(size, seeds):
    """A hidden layer of each width, at every seed."""
    train = al.TrainSpec(
        optimizer=al.optimizers.Adam(learning_rate=5e-3),
        steps=1000,
        batch_size=128,
        loss=Quantile(q=0.9),
    )
    models = [al.models.MLP(widths=(2, width, 1)) for width in WIDTHS]
    return [al.RunSpec(model=m, data=waves, train=train, seed=s) for s in seeds for m in models]


study = al.Study(
    name="own_data_and_loss",
    question="How does the pinball loss fall with the width?",
    runs=runs,
    sizes=("quick",),
    seeds={"quick": (0, 1)},
    measures={"losses": al.measures.losses},
)
table = al.run(study, store="own.db").table
al.Table({name: table[name] for name in ("n_params", "seed", "train_loss", "test_loss")})

# %% [markdown]
# The noise cannot be predicted, so the loss has a floor. A law with a floor E finds it, with its interval.
# Widths, updates and seeds were chosen after a first fit that determined none of its parameters.

# %%
fit = al.fit(table, "power_floor", x="n_params", y="test_loss", resamples=300)
for name, estimate in fit.parameters.items():
    print(name, estimate)

# %%
draw_fit(fit).figure
