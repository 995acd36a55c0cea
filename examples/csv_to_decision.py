# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A CSV to a decision, in short
#
# After this page you can go from a table of finished runs to the size and tokens of the next large run, with
# what it costs if the law is wrong.

# %%
# %matplotlib inline
import allometry as al
from allometry.figures.plans import figures_of_plan

# %% [markdown]
# ## The table
#
# 88 language models of Porian et al. (2406.19146): parameters, tokens, and loss at the end of training.

# %%
runs = al.read_table("../docs/examples/porian_cosine.csv")
runs

# %% [markdown]
# ## The run to train
#
# Say which column is N, D and L, and what can be spent. Two laws answer, so that their difference is seen.

# %%
columns = {"N": "params", "D": "tokens", "L": "loss"}
small = runs.take(runs["flops"] >= 1e17)
plan = al.plan(small, columns, compute=1e21, laws=["chinchilla", "skaling"])
plan

# %% [markdown]
# ## What a wrong size costs
#
# The share of compute that another size wastes, under the first law.

# %%
figures = figures_of_plan(plan)
figures["waste"].draw()

# %% [markdown]
# ## What a wrong law costs
#
# A row is the run that one law plans, a column the law that is right.

# %%
figures["disagreement"].draw()

# %% [markdown]
# ## Whether to believe it
#
# An alarm says why not to spend the compute yet.

# %%
for alarm in plan.alarms:
    print(alarm.code, "|", alarm.message)

# %% [markdown]
# ## The runs to make next
#
# Those that tell most of the best size, for a tenth of the compute.

# %%
al.next_runs(small, columns, budget=1e20, target="ln_n_opt@1e21", laws="chinchilla")
