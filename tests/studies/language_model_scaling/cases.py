"""Tables of the study whose losses follow a known law, trained by nobody."""

import numpy as np

from allometry.spec import run_ids
from allometry.studies.language_model_scaling.grid import BATCH, CONTEXT
from allometry.tables.plans import CommittedPlan
from allometry.tables.table import Table

TRUTH = {"E": 1.2, "A": 60.0, "alpha": 0.42, "B": 300.0, "beta": 0.42}
NOISE = 2e-3  # of the logarithm of a loss


def loss_at(n, d):
    """Chinchilla's law at the truth."""
    return TRUTH["E"] + TRUTH["A"] * n ** -TRUTH["alpha"] + TRUTH["B"] * d ** -TRUTH["beta"]


def row_of(spec, role, loss=None, noise=0.0, **columns):
    """A run as the store gives it."""
    parts, counts, train = spec.model.parts(), spec.model.counts(), spec.train
    tokens = train.steps * BATCH * CONTEXT
    flop = counts.forward_flop + counts.backward_flop
    value = loss_at(counts.n_params, tokens) * np.exp(noise) if loss is None else loss
    return {
        "run_id": run_ids([spec])[0], "seed": spec.seed, "status": "done", "role": role,
        "n_params": counts.n_params, "n_params_body": parts.body, "vocabulary":
        spec.model.vocabulary, "d_model": spec.model.d_model, "n_layers": spec.model.n_layers,
        "tokens": tokens, "compute": float(flop * train.steps * BATCH), "test_loss": value,
        "learning_rate": spec.train.optimizer.learning_rate, "bits_per_byte": value / np.log(2),
        "tested_bytes": 131_072, "source": spec.data.source,
        "unique_tokens": spec.data.train_tokens or 10_000_000, **columns,
    }  # fmt: skip


def grid_rows(specs, seed=0):
    """The rows of a grid, with noise."""
    draws = np.random.default_rng(seed)
    return [row_of(spec, "fit", noise=draws.normal(0, NOISE)) for spec in specs]


def table_of(rows, stage=None, made_at="2026-01-01", trained_at="2026-01-02"):
    """A table of rows, with the plan of a stage where one is given."""
    table = Table.from_rows(rows)
    if stage is None:
        return table
    names = tuple(run_ids(list(stage.runs)))
    plan = CommittedPlan(
        stage.name, made_at, names, stage.predicted, dict.fromkeys(names, trained_at)
    )
    columns = {name: table[name] for name in table.columns}
    return Table(columns, plans=[plan])
