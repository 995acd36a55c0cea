"""The notebook's grid to its digits, and what the study makes of it."""

import csv
from collections import Counter
from functools import cache

import numpy as np
import pytest

from allometry.fitting.fit import fit
from allometry.models import ConvNet
from allometry.studies import study
from allometry.studies.cnn_size_by_data.analysis import drop_at_the_top, parts, slopes
from allometry.studies.cnn_size_by_data.frontier import frontier_exponents
from allometry.studies.cnn_size_by_data.study import WIDTHS, cell_seeds, one_step
from allometry.tables.table import Table
from allometry.training.procedure import Pack
from tests import ASSETS

STUDY = study("cnn_size_by_data")
SMALL_WIDTHS, SMALL_SHARES = (6, 11, 23), range(6, 10)  # a dozen cells of 937 images or fewer


@cache
def notebook():
    """Rows that the notebook printed, in its order."""
    text = (ASSETS / "001_cnn_grid.csv").read_text()
    return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(text.splitlines())]


def assert_printed(rows, least_accuracies):
    """Losses equal to three decimals; accuracies within 0.1 point but for a few.

    The notebook rounds accuracies to four decimals, then to three.
    """
    near = 0
    for printed, found in rows:
        for name in ("train_loss", "test_loss"):
            assert round(found[name], 3) == printed[name], (printed["index"], name)
        for short, name in (("train_acc", "train_accuracy"), ("test_acc", "test_accuracy")):
            near += abs(round(round(found[name], 4), 3) - printed[short]) <= 0.1
    assert near >= least_accuracies


def trained(printed):
    """The row of the cell that a line of the notebook's table is of."""
    spec = one_step(int(printed["model_size"]), printed["dataset_fraction"], int(printed["seed"]))
    (result,) = STUDY.procedure.run(Pack((spec,)), STUDY.measures, {}, lambda n: None)
    return result.row


def test_the_runs_are_the_notebooks_cells_with_its_seeds():
    assert [(w, f, s) for (w, f), s in cell_seeds(42).items()] == [
        (row["model_size"], row["dataset_fraction"], row["seed"]) for row in notebook()
    ]
    declared = STUDY.specs("notebook")
    assert [s.seed for s in declared] == [row["seed"] for row in notebook()]
    assert cell_seeds(43) != cell_seeds(42)
    few = [s for s in STUDY.specs("paper") if s.data.n_data == 600]
    assert Counter(s.model.channels for s in few) == dict.fromkeys(WIDTHS, 20)


@pytest.mark.usefixtures("mnist")
def test_a_dozen_small_cells_equal_the_notebook_to_its_digits():
    chosen = [
        row for row in notebook()
        if row["model_size"] in SMALL_WIDTHS and row["dataset_fraction"] <= 2.0**-6
    ]  # fmt: skip
    assert len(chosen) == 12
    assert_printed([(row, trained(row)) for row in chosen], 23)


@pytest.mark.slow
@pytest.mark.usefixtures("mnist")
def test_all_eighty_cells_equal_the_notebook_to_its_digits():
    """Losses of all 80 to 3 decimals, and 152 of 160 accuracies (76 of 80 each) within 0.1."""
    assert_printed([(row, trained(row)) for row in notebook()], 152)


@pytest.mark.usefixtures("mnist")
def test_the_digits_reject_another_seed():
    row = next(r for r in notebook() if (r["model_size"], r["dataset_fraction"]) == (6, 2.0**-9))
    with pytest.raises(AssertionError):
        assert_printed([(row, trained({**row, "seed": row["seed"] + 1}))], 0)


# ---- what is made of them -------------------------------------------------------------------


def printed_table():
    """The notebook's numbers as a table of runs."""
    rows = []
    for row in notebook():
        counts = ConvNet(channels=int(row["model_size"])).counts()
        n = int(row["dataset_fraction"] * 60_000)
        rows.append({
            "run_id": str(int(row["index"])), "status": "done", "seed": row["seed"],
            "model_size": row["model_size"], "dataset_fraction": row["dataset_fraction"],
            "dropout": 0.0, "one_step": 1, "n_params": counts.n_params, "n_data": n,
            "notebook_compute": row["model_size"] * row["dataset_fraction"],
            "compute": float(n * (counts.forward_flop + counts.backward_flop)),
            "train_loss": row["train_loss"], "test_loss": row["test_loss"],
            "train_accuracy": row["train_acc"], "test_accuracy": row["test_acc"],
        })  # fmt: skip
    return Table.from_rows(rows)


def test_slopes_of_the_printed_grid():
    """About -0.03 for each factor e in width, next to nothing for data."""
    by = slopes(parts(printed_table()).grid)
    assert by["width"].value == pytest.approx(-0.031, abs=0.003)
    assert abs(by["data"].value) < 0.005
    assert by["flop_spread"].value > 4 and by["ratio"].high < 0.5


def test_the_printed_drop_is_what_one_seed_a_cell_cannot_tell():
    """27.064 to 20.517 at the two largest widths: ten cells each, an interval of both signs."""
    found = drop_at_the_top(parts(printed_table()).grid)
    assert found.widths == (47, 67)
    assert found.drop.value == pytest.approx(-6.547, abs=2e-3)
    assert found.drop.low < -6.547 < 0 < found.drop.high


def power_grid(exponent, per_width=1.0, noise=0.0):
    """Runs whose frontier is a known power of compute: each width is best at one compute."""
    rng, rows = np.random.default_rng(0), []
    for width in (6, 8, 11, 16, 23, 33):
        best = width**2.0
        for share in 2.0 ** -np.arange(6):
            compute = width**1.8 * share * 100
            log_off = np.log(compute / best / 10)
            for seed in range(3):
                loss = (compute**exponent) * np.exp(0.2 * per_width * log_off**2)
                rows.append({
                    "status": "done", "seed": seed, "model_size": width, "dataset_fraction": share,
                    "dropout": 0.0, "one_step": 0, "n_params": 3147 * width,
                    "n_data": 60_000 * share,
                    "compute": compute, "notebook_compute": width * share,
                    "test_loss": loss * np.exp(noise * rng.normal()),
                    "train_loss": loss, "train_accuracy": 90.0, "test_accuracy": 90.0,
                })  # fmt: skip
    return Table.from_rows(rows)


def test_a_known_frontier_is_recovered_and_another_refused():
    by = frontier_exponents(parts(power_grid(-0.3, per_width=0.0)).trained)
    assert by["compute"].value == pytest.approx(-0.3, abs=1e-9)
    assert not by["compute"].low <= -0.4 <= by["compute"].high
    assert by["notebook_compute"].value != pytest.approx(-0.3, abs=0.01)


def test_a_planted_law_of_width_and_data_is_found_through_the_findings():
    """L = 0.05 + 40 N^-0.5 + 30 D^-0.6: the best N grows as C^(0.6 / 1.1)."""
    table = power_grid(-0.3)
    n, d = table["n_params"], table["n_data"]
    loss = (0.05 + 40 * n**-0.5 + 30 * d**-0.6) * np.exp(
        0.01 * np.random.default_rng(1).normal(size=len(n))
    )
    planted = table.with_columns(test_loss=loss)
    (finding,) = (f for f in STUDY.analysis(planted).findings if "grows as fast" in f.claim)
    assert finding.low <= 0.6 / 1.1 <= finding.high
    law = fit(planted, "chinchilla", {"N": "n_params", "D": "n_data", "L": "test_loss"})
    assert law.derived["a"].value == pytest.approx(0.6 / 1.1, abs=0.1)


def test_an_accuracy_that_surely_falls_is_called_overfitting_and_one_that_rises_is_not():
    rng = np.random.default_rng(0)
    rows = [
        {"status": "done", "seed": s, "model_size": w, "dataset_fraction": 0.01, "dropout": 0.0,
         "one_step": 1, "test_accuracy": level + 5 * rng.normal(), "train_accuracy": 30.0,
         "test_loss": 2.2, "compute": 1.0, "notebook_compute": 1.0, "n_params": 1, "n_data": 600}
        for s in range(20)
        for w, level in ((33, 20), (47, 30), (67, 20))
    ]  # fmt: skip
    falling = Table.from_rows(rows)
    verdicts = []
    for table in (falling, falling.where(model_size=33)):
        verdicts.append(STUDY.analysis(table).findings[0].verdict)
    rising = falling.with_columns(test_accuracy=60 - falling["test_accuracy"])
    assert [*verdicts, STUDY.analysis(rising).findings[0].verdict] == [
        "agrees",
        "undecided",
        "disagrees",
    ]
