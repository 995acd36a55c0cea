# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A study in PyTorch
#
# After this page you can turn a training loop of your own, in PyTorch here, into a study that keeps every
# result, goes on where it was stopped, and fits a law.

# %%
# %matplotlib inline
from pathlib import Path

import allometry as al

# %% [markdown]
# ## The study
#
# The loop is a function that yields measures along training; its fields make the name of a run. It
# needs `pip install 'allometry[torch]'`.

# %%
path = Path("../docs/examples/torch_study.py")
print(path.read_text(encoding="utf-8"))

# %% [markdown]
# ## Its runs
#
# The seeds of torch, NumPy and random are set for each run, and each result is stored as it is made.

# %%
outcome = al.run(path, store="torch.db")
outcome.in_words

# %%
al.Table(
    {name: outcome.table[name] for name in ("width", "n_params", "seed", "train_loss", "test_loss")}
)

# %% [markdown]
# ## Its claim
#
# The package fits the claim, judges it and draws it.

# %%
for finding in outcome.findings:
    print(finding.verdict, "|", finding.claim, "|", finding.shown)

# %%
(figure,) = outcome.analysis.figures.values()
figure.draw()

# %% [markdown]
# The measures of each step that the loop yielded are kept as trajectories.

# %%
last = outcome.table["run_id"][-1]
outcome.table.trajectories[last]["test_loss"].round(4)
