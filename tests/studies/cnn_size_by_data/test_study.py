"""The notebook's grid to its digits, and what the study makes of it."""

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from allometry.fitting.fit import fit
from allometry.models import ConvNet
from allometry.studies import study
from allometry.studies.cnn_size_by_data import frontier
from allometry.studies.cnn_size_by_data.analysis import (
    drop_at_the_top,
    parts,
    printed_cells,
    slopes,
)
from allometry.studies.cnn_size_by_data.frontier import frontier_exponents, with_dropout
from allometry.studies.cnn_size_by_data.study import WIDTHS, cell_seeds, one_step
from allometry.tables.table import Table
from allometry.training.procedure import Pack

STUDY = study("cnn_size_by_data")
SMALL_WIDTHS, SMALL_SHARES = (6, 11, 23), range(6, 10)  # a dozen cells of 937 images or fewer


@cache
def notebook():
    """Rows that the notebook printed, in its order."""
    return printed_cells()


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
def test_nine_small_cells_equal_the_notebook_to_its_digits():
    chosen = [
        row for row in notebook()
        if row["model_size"] in SMALL_WIDTHS and row["dataset_fraction"] <= 2.0**-7
    ]  # fmt: skip
    assert len(chosen) == 9
    assert_printed([(row, trained(row)) for row in chosen], 17)


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
            "forward_flop": counts.forward_flop,
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
    assert by["ratio"].high < 0.5


def test_width_explains_the_printed_losses_better_than_any_compute():
    """R² .73 of the width alone, .44 of training FLOP, .25 of width x share."""
    by = slopes(parts(printed_table()).grid)
    found = [by[f"r2_{name}"].value for name in ("width", "flop", "simple")]
    assert found == pytest.approx([0.734, 0.438, 0.252], abs=0.002)
    assert by["r2_gain"].value == pytest.approx(found[1] - found[2])
    answer = next(f.answer for f in STUDY.analysis(printed_table()).findings if "hardly" in f.claim)
    assert "width alone explains 0.73" in answer and "training FLOP 0.44" in answer


def flop_finding(table):
    return next(f for f in STUDY.analysis(table).findings if "forward pass" in f.claim)


def test_forward_flop_are_not_proportional_to_the_width():
    """By the products of the layers alone 6.15, here with all else that is counted; no interval."""
    c = np.array([6.0, 67.0])
    products = 2 * (9 * c * 784 + 9 * c**2 * 196 + 49 * c * 64 + 64 * 10) / c
    assert products[1] / products[0] == pytest.approx(6.15, abs=0.005)
    finding = flop_finding(printed_table())
    assert finding.verdict == "disagrees"
    assert finding.measured == pytest.approx(6.03, abs=0.01)
    assert np.isnan([finding.low, finding.high]).all() and "[" not in finding.answer
    assert "6.7 for training FLOP" in finding.answer
    table = printed_table()
    assert flop_finding(table.with_columns(forward_flop=table["model_size"])).verdict == "agrees"


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
    assert overfitting(falling).verdict == "agrees"
    assert overfitting(falling.where(model_size=33)).verdict == "undecided"
    rising = falling.with_columns(test_accuracy=60 - falling["test_accuracy"])
    assert overfitting(rising).verdict == "disagrees"


def overfitting(table):
    (finding,) = (f for f in STUDY.analysis(table).findings if "overfits" in f.claim)
    return finding


def test_an_interval_with_a_fall_in_it_does_not_disagree_with_a_fall():
    """A change of +1.6 [-3.9, 7.1] points leaves it open, whatever the notebook's own fall."""
    rng = np.random.default_rng(2)
    rows = [
        {"status": "done", "seed": s, "model_size": w, "dataset_fraction": 0.01, "dropout": 0.0,
         "one_step": 1, "test_accuracy": 20 + 8.5 * z, "train_accuracy": 30.0, "test_loss": 2.2,
         "compute": 1.0, "notebook_compute": 1.0, "n_params": 1, "n_data": 600}
        for w in (47, 67)
        for s, z in enumerate(np.linspace(-1.6, 1.6, 20) + 0.01 * rng.normal(size=20))
    ]  # fmt: skip
    finding = overfitting(Table.from_rows(rows))
    assert -6.5 < finding.low < 0 < finding.high
    assert finding.verdict == "undecided"


# ---- the notebook's table -------------------------------------------------------------------


def headline(table):
    return STUDY.analysis(table).findings[0]


def test_the_table_itself_is_reproduced_and_comes_first():
    finding = headline(printed_table())
    assert finding.verdict == "agrees" and finding.reproduces
    assert finding.shown == "160 of 160 losses"
    assert "160 of 160 losses of the 80 cells run" in finding.answer
    assert "160 of 160 accuracies" in finding.answer


def test_one_digit_off_is_not_the_table_and_a_part_of_it_leaves_it_open():
    table = printed_table()
    off = table["test_loss"].copy()
    off[17] += 0.001
    assert headline(table.with_columns(test_loss=off)).verdict == "disagrees"
    part = headline(table.take(np.arange(12)))
    assert part.verdict == "undecided" and "24 of 24 losses" in part.answer


def test_another_seed_is_not_of_the_notebooks_cells():
    table = printed_table()
    claims = [f.claim for f in STUDY.analysis(table.with_columns(seed=table["seed"] + 1)).findings]
    assert not any("are reproduced" in claim for claim in claims)


# ---- intervals ------------------------------------------------------------------------------


def noisy_grids(n, noise=0.05):
    for seed in range(n):
        table = power_grid(-0.3, per_width=0.0)
        draws = np.random.default_rng(seed).normal(size=len(table))
        yield table.with_columns(test_loss=table["test_loss"] * np.exp(noise * draws))


def test_intervals_of_the_frontier_hold_their_own_estimate_without_being_widened():
    """Cells resampled make other minima: the jackknife needs no resample, is about its value."""
    for table in noisy_grids(12):
        by = frontier_exponents(parts(table).trained)
        for interval in by.values():
            assert interval.low < interval.value < interval.high


def test_the_interval_of_the_frontier_covers_the_exponent_that_was_put_in():
    """With a little noise: the frontier of very noisy cells is one of luck, not of compute."""
    hits = [
        by["compute"].low <= -0.3 <= by["compute"].high
        for table in noisy_grids(40, noise=0.005)
        for by in [frontier_exponents(parts(table).trained)]
    ]
    assert np.mean(hits) >= 0.85


def test_dropout_that_changes_nothing_but_a_factor_is_seen_as_that():
    table = parts(power_grid(-0.3, per_width=0.0)).trained
    by = with_dropout(table, table.with_columns(test_loss=1.1 * table["test_loss"]))
    assert by["ratio"].value == pytest.approx(1.1)
    assert abs(by["change"].value) < 1e-9


def test_one_seed_gives_no_verdict_on_the_frontier():
    one = power_grid(-0.3, per_width=0.0).where(seed=0)
    of_frontier = [f for f in STUDY.analysis(one).findings if f.figure == "training_frontier"]
    assert {f.verdict for f in of_frontier} == {"undecided"}
    assert all("One seed gives no verdict" in f.answer for f in of_frontier)


def test_an_interval_that_leaves_out_its_own_estimate_gives_no_verdict(monkeypatch):
    whole = frontier.fit

    def one_sided(*args, **options):
        law = whole(*args, **options)
        a = law.derived.get("a")
        if a is None:
            return law
        derived = {**law.derived, "a": replace(a, low=a.value + 0.001, high=a.value + 0.002)}
        return replace(law, derived=derived)

    monkeypatch.setattr(frontier, "fit", one_sided)
    table = power_grid(-0.3)
    n, d = table["n_params"], table["n_data"]
    noise = np.exp(0.01 * np.random.default_rng(1).normal(size=len(n)))
    planted = table.with_columns(test_loss=(0.05 + 40 * n**-0.5 + 30 * d**-0.6) * noise)
    (finding,) = (f for f in STUDY.analysis(planted).findings if "grows as fast" in f.claim)
    assert "leaves its own estimate out" in finding.answer
    assert finding.verdict == "undecided" and np.isnan([finding.low, finding.high]).all()


# ---- figures --------------------------------------------------------------------------------


def test_no_figure_is_drawn_of_runs_that_there_are_not():
    analysis = STUDY.analysis(printed_table())
    assert set(analysis.figures) == {"four_heatmaps", "loss_and_compute", "flop_by_width"}
    few = STUDY.analysis(power_grid(-0.3).where(model_size=6))
    assert set(few.figures) == {"training_frontier"}
    assert "c: exponents" not in few.figures["training_frontier"].caption
    figure = few.figures["training_frontier"].draw()
    assert len(figure.axes) == 2 and all(ax.has_data() for ax in figure.axes)
    there = {*analysis.figures, *(f.__name__ for f in STUDY.figures)}
    assert {f.figure for f in analysis.findings} <= there
