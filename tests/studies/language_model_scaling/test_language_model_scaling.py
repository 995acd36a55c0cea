"""The study on losses of a known law: what it plans, predicts, judges and draws."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest

from allometry.datasets import read_text
from allometry.fitting.fit import fit
from allometry.measures import Network
from allometry.measures.text import text_after
from allometry.report.page import write_report
from allometry.spec.torch_draws import TorchDraws
from allometry.studies.language_model_scaling.beside import HALF_LIFE, falls, new_tokens, repeats_of
from allometry.studies.language_model_scaling.findings import analyse, forecast_finding
from allometry.studies.language_model_scaling.forecast import COLUMNS, LAWS
from allometry.studies.language_model_scaling.grid import (
    CONTROLS,
    SHAPES,
    SIZES,
    budget_of,
    byte_grid,
    controls,
    default_rate,
    model_of,
    nearest,
    repeats,
    run_of,
    shapes_at,
    token_grid,
    tuning,
)
from allometry.studies.language_model_scaling.numbers import landed_runs
from allometry.studies.language_model_scaling.rows import PROMPT, scores
from allometry.studies.language_model_scaling.stages import later, tuned_rates
from allometry.studies.language_model_scaling.study import STUDY
from allometry.studies.language_model_scaling.views import forecast_view
from tests.datasets.text.conftest import story
from tests.studies.language_model_scaling.cases import TRUTH, grid_rows, loss_at, row_of, table_of

RATES = {shape: default_rate(shape) for shape in SHAPES}
SEVEN = replace(SIZES["quick"], shapes=7)
YARDSTICKS = {"gzip": 3.0, "xz": 2.6, "bytes_of_5": 2.0}


@pytest.fixture(scope="module")
def grid():
    """Three budgets of seven sizes."""
    return grid_rows(byte_grid(SEVEN, [0], RATES))


@pytest.fixture(scope="module")
def planned(grid):
    return later("quick", table_of(grid))


def after(grid, planned, factor=1.0, **times):
    """The table with the larger run, whose loss is so many times that of the law."""
    (spec,) = planned.runs
    row = row_of(spec, "forecast", **YARDSTICKS)
    return table_of([*grid, {**row, "test_loss": factor * row["test_loss"]}], planned, **times)


# ---- the runs ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", STUDY.sizes)
def test_every_run_costs_its_budget_to_a_few_percent_and_is_known_by_it(size):
    chosen = SIZES[size]
    fitted = {b for other in SIZES.values() for b in (*other.budgets, *other.token_budgets)}
    assert not fitted & {other.forecast for other in SIZES.values()}
    for budget in (*chosen.budgets, chosen.forecast):
        for shape in shapes_at(budget, chosen.shapes):
            row = row_of(run_of(shape, budget, 0, 0.01), "fit")
            assert row["compute"] == pytest.approx(budget, rel=0.03)
            assert budget_of(row["compute"]) == budget


def test_a_size_has_the_runs_that_it_says():
    quick = STUDY.specs("quick")
    assert len(quick) == 3 * 5 and len({spec.run_id for spec in quick}) == 15
    notebook = SIZES["notebook"]
    assert len(STUDY.specs("notebook")) == len(tuning(notebook, 0))
    assert len(byte_grid(notebook, [0], RATES)) == 4 * 7 + 2 * 2
    assert len(token_grid(notebook, [0], RATES)) == 3 * 7
    every = [f(notebook, [0], RATES) for f in (byte_grid, token_grid, controls, repeats)]
    ids = [spec.run_id for specs in every for spec in specs]
    assert len(set(ids)) == len(ids)
    # Each control and each slice has its run on the whole text, of the same model and seed.
    cells = {(s.model, s.train.steps, s.seed) for s in every[0]}
    assert {(s.model, s.train.steps, s.seed) for s in (*every[2], *every[3])} <= cells


def test_the_learning_rate_of_the_least_validation_loss_is_taken():
    rows = []
    for spec in tuning(SIZES["notebook"], 0):
        rate = spec.train.optimizer.learning_rate / RATES[spec.model.d_model, spec.model.n_layers]
        best = 2.0 if spec.model.d_model > 16 else 0.5
        rows.append(row_of(spec, "tuning", valid_loss=abs(math.log(rate / best))))
    table = table_of(rows)
    for (d_model, n_layers), rate in tuned_rates(table).items():
        best = 2.0 if d_model > 16 else 0.5
        assert rate == pytest.approx(best * RATES[d_model, n_layers])
    stage = later("notebook", table)
    assert stage.name == "grid" and stage.predicted["learning_rates"]["32x2"] == 2 * RATES[32, 2]
    assert {s.train.optimizer.learning_rate for s in stage.runs if s.model.d_model == 32} == {0.02}


# ---- the forecast --------------------------------------------------------------------------


def test_the_larger_run_is_the_best_of_the_true_law_and_its_loss_is_predicted(planned):
    (spec,) = planned.runs
    compute = SIZES["quick"].forecast
    sizes = [run_of(shape, compute, 0, 0.01) for shape in SHAPES]
    best = min(sizes, key=lambda s: row_of(s, "forecast")["test_loss"])
    places = [SHAPES.index((s.model.d_model, s.model.n_layers)) for s in (spec, best)]
    assert abs(places[0] - places[1]) <= 1
    predictions = {(p["approach"], p["law"]): p for p in planned.predicted["predictions"]}
    assert [law for approach, law in predictions if approach == "parametric"] == list(LAWS)
    assert ("isoflop", "power") in predictions
    truth = row_of(spec, "forecast")["test_loss"]
    chinchilla = predictions["parametric", "chinchilla"]
    assert chinchilla["low"] < truth < chinchilla["high"]
    assert chinchilla["predicted"] == pytest.approx(truth, rel=0.02)


def test_the_verdict_is_of_the_interval_and_of_the_time(grid, planned):
    def verdict(**changes):
        landed, *_ = landed_runs(after(grid, planned, **changes))
        return forecast_finding(landed).verdict

    assert verdict() == "agrees"
    assert verdict(factor=1.2) == verdict(factor=0.8) == "disagrees"
    assert verdict(made_at="2026-01-03") == "undecided"


def test_the_view_has_the_columns_of_the_contract_and_a_row_for_each_law(grid, planned):
    view = forecast_view(after(grid, planned))
    assert view.columns == (
        "approach", "law", "compute", "predicted", "low", "high", "measured", "made_at",
        "trained_at",
    )  # fmt: skip
    assert len(view) == len(planned.predicted["predictions"])
    assert set(view["made_at"]) == {"2026-01-01"} and set(view["trained_at"]) == {"2026-01-02"}


def test_nothing_is_planned_after_the_larger_run(grid, planned):
    assert later("quick", after(grid, planned)) is None


# ---- counting and bias ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def analysis(grid, planned):
    return analyse(after(grid, planned))


def test_exponents_by_both_counts_are_those_of_the_law_and_of_the_formula(analysis):
    numbers = analysis.numbers["numbers"]
    counts = numbers.counts[256]
    assert counts.total.low < 0.5 < counts.total.high
    # The same by brute force: the best N of the truth at two budgets, then its body.
    ends = [min(numbers.fitted["compute"]), max(numbers.fitted["compute"])]
    n = np.geomspace(3e3, 4e5, 20_001)
    best = [n[np.argmin(loss_at(n, c / 6 / n))] for c in ends]
    sizes = np.log([[sum(model_of(s).parts()), model_of(s).parts().body] for s in SHAPES])
    body = np.exp(np.interp(np.log(best), sizes[:, 0], sizes[:, 1]))
    tokens = np.array(ends) / 6 / np.array(best)
    slope = np.diff(np.log(body))[0] / np.diff(np.log(body * tokens))[0]
    assert counts.by_formula == pytest.approx(slope, abs=0.03)
    assert counts.by_formula > counts.total.high


def test_the_bias_of_parabolas_is_small_where_both_exponents_are_equal(analysis):
    bias = analysis.numbers["numbers"].bias
    assert abs(bias.predicted) < 0.15 and bias.low <= bias.value <= bias.high


# ---- controls and repeats ------------------------------------------------------------------


@pytest.fixture(scope="module")
def beside():
    """The notebook's grid with controls that fall half and not at all, and repeats as predicted."""
    size = SIZES["notebook"]
    rows = grid_rows(byte_grid(size, [0], RATES))
    seen = {(r["compute"], r["d_model"], r["n_layers"], r["seed"]): r["test_loss"] for r in rows}
    for spec in controls(size, [0], RATES):
        row = row_of(spec, "control", source_entropy=0.5)
        loss = seen[row["compute"], row["d_model"], row["n_layers"], row["seed"]]
        flat = spec.data.source == "shuffled"
        rows.append({**row, "test_loss": 3.0 if flat else 2.0 + 0.5 * loss})
    for spec in repeats(size, [0], RATES):
        row = row_of(spec, "control", source_entropy=math.nan)
        loss = seen[row["compute"], row["d_model"], row["n_layers"], row["seed"]]
        passes = row["tokens"] / row["unique_tokens"]
        worth = row["unique_tokens"] * (1 + HALF_LIFE * (1 - math.exp(-(passes - 1) / HALF_LIFE)))
        more = loss_at(row["n_params"], worth) - loss_at(row["n_params"], row["tokens"])
        rows.append({**row, "test_loss": loss + more})
    return table_of(rows)


def test_the_share_of_the_fall_on_each_control_is_found(beside):
    found = falls(beside)
    assert set(found) == set(CONTROLS)
    assert found["bigram"].share.value == pytest.approx(0.5)
    assert found["shuffled"].share.value == pytest.approx(0)
    assert found["bigram"].entropy == 0.5 and found["bigram"].budgets == (3e10, 3e11)


def test_slices_are_worth_what_their_losses_were_made_from(beside):
    runs = beside.take((beside["role"] == "fit") & (beside["vocabulary"] == 256))
    law = fit(runs, "chinchilla", {s: COLUMNS[s] for s in "NDL"}, resamples=0,
              fixed={n: v for n, v in TRUTH.items() if n != "E"})  # fmt: skip
    found = repeats_of(beside, law)
    assert [one.epochs for one in found] == [2, 4, 8, 16]
    for one in found:
        assert one.worth.value == pytest.approx(one.predicted, rel=0.01)
    assert [round(one.predicted, 2) for one in found][1::2] == [3.73, 10.58]


def test_new_text_of_a_loss_inverts_the_law():
    tokens, less = np.array([1e6, 2e6]), np.array([3e5, 1e5])
    above = TRUTH["B"] * (less ** -TRUTH["beta"] - tokens ** -TRUTH["beta"])
    np.testing.assert_allclose(new_tokens(TRUTH, tokens, above), less, rtol=1e-9)


# ---- the page ------------------------------------------------------------------------------


def test_each_figure_is_drawn_where_there_is_something_to_show(analysis):
    assert list(analysis.figures) == ["forecast", "isoflop", "counting", "bits"]
    for figure in analysis.figures.values():
        assert figure.draw().axes and figure.caption
    named = {finding.figure for finding in analysis.findings}
    assert named <= set(analysis.figures)


def test_without_a_stored_plan_there_is_no_forecast_to_judge_or_draw(grid, planned):
    analysis = analyse(table_of(list(after(grid, planned))))
    assert "forecast" not in analysis.figures and "isoflop" in analysis.figures
    assert not [f for f in analysis.findings if f.figure == "forecast"]


def test_the_controls_and_slices_are_drawn(beside):
    analysis = analyse(beside)
    assert {"controls", "repeats"} <= set(analysis.figures)
    for name in ("controls", "repeats"):
        assert analysis.figures[name].draw().axes
    verdicts = [(f.figure, f.verdict) for f in analysis.findings if f.figure == "controls"]
    assert ("controls", "agrees") in verdicts
    assert nearest(7_000)[0] == (16, 1)


# ---- what the models write -----------------------------------------------------------------

HOSTILE = "</p><script>alert(1)</script>$x_{$ \x1b[2J\x00\u202e=1+1\r\n {{ 7*7 }}"


def written(table):
    """The table with a text for every run."""
    return table.with_columns(sampled_text=[f"by {name}" for name in table["run_id"]])


def test_the_best_of_the_least_and_of_the_largest_budget_and_the_larger_run_write(grid, planned):
    table = after(grid, planned)
    columns = analyse(written(table)).passages.columns
    rows = [row for row in table if row["role"] == "fit"]
    budgets = SIZES["quick"].budgets
    best = [
        min((r for r in rows if budget_of(r["compute"]) == b), key=lambda r: r["test_loss"])
        for b in (budgets[0], budgets[-1])
    ]
    chosen = [*best, *(row for row in table if row["role"] == "forecast")]
    assert [c.text for c in columns] == [f"by {row['run_id']}" for row in chosen]
    for column, row in zip(columns, chosen, strict=True):
        assert f"{row['n_params']:,} parameters" == column.title
        assert f"{row['bits_per_byte']:.2f} bits per byte" in column.facts
        assert column.opening == PROMPT


def test_a_run_that_was_stored_without_text_says_so(grid, planned):
    table = after(grid, planned)
    for column in analyse(table).passages.columns:
        assert not column.text and "No text is stored with this run" in column.missing
    some = table.with_columns(sampled_text=["a", *[None] * (len(table) - 1)])
    assert {c.text for c in analyse(some).passages.columns} <= {"", "a"}
    assert analyse(table.take(table["role"] == "tuning")).passages is None


def test_a_hostile_text_is_inert_on_the_page_and_in_files(grid, planned, tmp_path):
    table = after(grid, planned)
    table = table.with_columns(sampled_text=[HOSTILE] * len(table))
    page = write_report(
        STUDY, table, tmp_path / "a.html", size="quick", provenance=[], command="run", pictures=[]
    ).read_text(encoding="utf-8")
    assert page.count("&lt;script&gt;alert(1)") >= 3 and page.count("<script>") == 1
    assert "\x1b" not in page and "\u202e" not in page and r"\x1b[2J\x00\u202e=1+1" in page
    assert "\x1b" not in repr(table)
    table.to_csv(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert {row["sampled_text"] for row in csv.DictReader(file)} == {HOSTILE}


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "book.txt").write_text(story(20_000), encoding="utf-8")
    return read_text(tmp_path / "book.txt", context=64, test_tokens=512)


@pytest.mark.parametrize(("compute", "role"), [(1e10, "fit"), (4e11, "forecast")])
def test_a_run_of_the_grid_stores_the_text_that_its_network_gives(book, compute, role):
    spec = run_of((16, 1), compute, 0, 0.01, data=book)
    params = spec.model.init(TorchDraws(0))
    split = book.prepare(TorchDraws(0))
    net = Network(spec, spec.model, params, {"test_loss": 2.0}, split, 1.0, spec.train.steps)
    row = scores(net)
    assert row["role"] == role
    expected = text_after(
        "When she opened the door, ", spec.model, params, book, tokens=300, temperature=1.0, seed=0
    )
    assert row["sampled_text"] == expected
    assert "sampled_text" not in scores(replace(net, step=0))
    slices = replace(net, spec=run_of((16, 1), compute, 0, 0.01, data=book.with_options(
        train_tokens=1024)))  # fmt: skip
    assert scores(slices)["role"] == "control" and "sampled_text" not in scores(slices)
