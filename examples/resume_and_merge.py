# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Resume and merge
#
# After this page you can stop a study and go on later, add seeds without training anything twice, and merge
# the stores of two machines.

# %%
import allometry as al

study = al.study("../docs/examples/my_study.py")
study

# %% [markdown]
# ## One seed now
#
# Every pack of runs is stored as it finishes. A run that was stopped by Ctrl-C, a crash or a closed
# terminal goes on in the same way as here: the call is repeated.

# %%
al.run(study, seeds=[0], store="laptop.db").in_words

# %%
al.run(study, seeds=[0], store="laptop.db").in_words

# %% [markdown]
# ## More seeds later
#
# Only what is not stored is trained.

# %%
al.run(study, seeds=[0, 1], store="laptop.db").in_words

# %% [markdown]
# ## Another machine
#
# Another machine has trained other seeds into a store of its own; one seed they have in common.

# %%
al.run(study, seeds=[1, 2], store="cluster.db").in_words

# %%
merged = al.merge(["laptop.db", "cluster.db"], "both.db")
merged.taken, merged.repeated, merged.differing

# %% [markdown]
# Equal runs have equal names and equal numbers, so the five runs of seed 1 are kept once. The study, run
# on the merged store, finds everything there.

# %%
outcome = al.run(study, store="both.db")
outcome.in_words

# %%
for finding in outcome.findings:
    print(finding.verdict, "|", finding.claim, "|", finding.shown)
