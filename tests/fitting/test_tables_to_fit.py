"""What a fit says of the table it is given: in any form, mapped as it should not be, misspelt."""

import numpy as np
import pytest

import allometry as al
from allometry.errors import DataError, UsageError, did_you_mean
from allometry.fitting.compare import compare, document
from allometry.fitting.influence import influence
from allometry.fitting.mapping import logarithm_notes
from allometry.fitting.multiverse import multiverse
from allometry.fitting.published import check
from allometry.report.fit_in_words import certificate_lines

X = np.geomspace(1e6, 1e10, 9)
RUNS = {"params": X.tolist(), "loss": (1.8 + 60 * X**-0.25).tolist()}
COLUMNS = {"x": "params", "y": "loss"}


def in_form(form, tmp_path):
    if form == "Table":
        return al.Table(RUNS)
    if form == "dict":
        return RUNS
    if form == "DataFrame":
        return pytest.importorskip("pandas").DataFrame(RUNS, index=list("abcdefghi"))
    path = tmp_path / "runs.csv"
    al.Table(RUNS).to_csv(path)
    return path if form == "Path" else str(path)


@pytest.mark.parametrize("form", ["Table", "dict", "DataFrame", "Path", "str"])
def test_every_form_of_a_table_gives_the_same(form, tmp_path):
    runs, table = in_form(form, tmp_path), al.Table(RUNS)
    options = {"starts": 8, "resamples": 20}
    same = al.fit(table, "power_floor", COLUMNS, **options)
    assert al.fit(runs, "power_floor", COLUMNS, **options).values == same.values
    assert al.fit(runs, al.laws.power_floor, x="params", y="loss", **options).values == same.values
    rows = [list(influence(t, "power_floor", COLUMNS, **options)) for t in (runs, table)]
    assert rows[0] == rows[1]
    rows = [
        list(multiverse(t, "power_floor", COLUMNS, starts=8, resamples=0)) for t in (runs, table)
    ]
    assert str(rows[0]) == str(rows[1])
    scores = [compare(t, COLUMNS, ["power", "power_floor"], starts=8) for t in (runs, table)]
    assert document(scores[0]) == document(scores[1])
    checks = [check(t, "power_floor", COLUMNS, same.values, starts=8) for t in (runs, table)]
    assert checks[0].objective == checks[1].objective


@pytest.mark.parametrize("option", ["weights", "noise"])
def test_weights_are_a_column(option):
    with pytest.raises(UsageError, match=f"{option} must be the name of a column, got list"):
        al.fit(RUNS, "power", COLUMNS, **{option: [1] * 9})


def test_how_a_file_was_read_stands_in_the_notes(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("n;loss\n1M;12\n2M;10\n4M;8,5\n8M;7,25\n-;1,5\n")
    fit = al.fit(path, "power", {"x": "n", "y": "loss"}, starts=4, resamples=0)
    assert fit.rows == 4 and fit.dropped == [(5, "x missing or not finite")]
    separator, mark, units, missing = fit.notes
    assert "semicolons" in separator and "decimal commas" in mark
    assert "1M as 1000000" in units and "'-'" in missing and "line 6" in missing
    assert type(fit).from_json(fit.to_json()).notes == fit.notes


def test_a_refused_row_is_named_by_file_and_line(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("# note\nn,loss\n1,2\n3,1e90\n4,5\n6,7\n")
    with pytest.raises(DataError, match=r"runs\.csv, line 4, column 'loss'"):
        al.fit(path, "power", {"x": "n", "y": "loss"})


def test_rows_without_a_logarithm_are_said_with_the_objective_that_takes_them():
    """Case 11: scores of both signs with the default objective."""
    scores = {"n": [1e3, 4e3, 1e4, 1e5, 1e6, 1e7, 1e8], "elo": [-310, -215, -150, -3, 8, 170, 330]}
    fit = al.fit(scores, "log", x="n", y="elo", objective="huber_log", starts=4, resamples=0)
    (note,) = fit.notes
    assert note == "4 rows have no logarithm of y, since y <= 0; objective squared fits y itself"
    whole = al.fit(scores, "log", x="n", y="elo", objective="squared", starts=4, resamples=0)
    assert whole.rows == 7 and whole.notes == ()
    negative = {"n": [1e3, 4e3, 1e4], "elo": [-310, -215, -150]}
    with pytest.raises(DataError, match=r"left out: 3 y not positive\); .* objective squared"):
        al.fit(negative, "log", x="n", y="elo", objective="huber_log")


def test_rows_that_repeat_a_size_bring_help_to_choose_a_cluster():
    runs = {"params": np.repeat(X, 3), "loss": np.repeat(RUNS["loss"], 3), "run": np.arange(27)}
    noise = np.exp(0.01 * np.random.default_rng(0).normal(size=27))
    runs["loss"] = runs["loss"] * noise
    alone = al.fit(runs, "power", COLUMNS, starts=4, resamples=20)
    (line,) = (line for line in certificate_lines(alone) if "cluster" in line)
    assert "27 rows have 9 values of x" in line and "checkpoints of one run" in line
    grouped = al.fit(runs, "power", COLUMNS, starts=4, resamples=20, cluster="params")
    single = al.fit(RUNS, "power", COLUMNS, starts=4, resamples=20)
    for fit in (grouped, single):
        assert not any("as cluster" in line for line in certificate_lines(fit))


# ---- logarithms ------------------------------------------------------------------------------


def logarithms(columns, data):
    return logarithm_notes(al.laws.power, columns, {s: np.array(v) for s, v in data.items()})


@pytest.mark.parametrize(
    "name",
    ["log10_params", "log_n", "logN", "LOG_N", "ln_tokens", "lnD", "params_log", "params (log10)"],
)
def test_a_name_of_logarithms_is_noted(name):
    (note,) = logarithms({"x": name, "y": "loss"}, {"x": [1.0, 9.0], "y": [1.0, 2.0]})
    assert repr(name) in note and "plain numbers" in note


@pytest.mark.parametrize(
    "name", ["logits", "catalog_size", "log_loss", "logloss", "epoch", "dialogs"]
)
def test_other_names_are_not(name):
    assert not logarithms({"x": "n", "y": name}, {"x": [1.0, 90.0], "y": [1.0, 2.0]})


def test_sizes_that_can_only_be_exponents_are_noted():
    columns = {"x": "n", "y": "loss"}
    assert logarithms(columns, {"x": [6.0, 6.5, 9.0], "y": [1.0, 2.0, 3.0]})
    for sizes in ([6.0, 7.0, 9.0], [6.0, 6.5, 13.0], [1e6, 1.5e6], [0.1, 0.15], [2.5, 4.5]):
        assert not logarithms(columns, {"x": sizes, "y": sizes})


def test_logarithms_of_a_power_law_are_fitted_with_a_note():
    n = np.arange(6, 9.5, 0.5)
    runs = {"log10_params": n, "log10_loss": np.log10(12 * (10**n) ** -0.09)}
    fit = al.fit(runs, "power", x="log10_params", y="log10_loss", starts=4, resamples=0)
    assert len([note for note in fit.notes if "looks like logarithms" in note]) == 2
    columns = {"x": "10**log10_params", "y": "10**log10_loss"}
    plain = al.fit(runs, "power", columns, objective="squared_log", resamples=0)
    assert plain.notes == () and plain.values["alpha"] == pytest.approx(0.09)
    scores = compare(runs, {"x": "log10_params", "y": "log10_loss"}, ["power"], starts=4)
    assert len(document(scores)["notes"]) == 2


def test_one_column_as_size_and_response_is_refused():
    for attempt in (
        lambda: al.fit(RUNS, "power", x="loss", y="loss"),
        lambda: compare(RUNS, {"x": "loss", "y": "loss"}, ["power"]),
    ):
        with pytest.raises(UsageError, match="'loss' is mapped to both x and y"):
            attempt()


# ---- names that are nearly right -------------------------------------------------------------


def test_the_nearest_name_is_suggested():
    assert did_you_mean("parms", ["loss", "params"]) == "; did you mean 'params'?"
    assert did_you_mean("n", ["N", "D"]) == "; did you mean 'N'?"
    assert did_you_mean("zzz", ["N", "D"]) == ""


@pytest.mark.parametrize(
    ("attempt", "name"),
    [
        (lambda: al.fit(RUNS, "chinchila", COLUMNS), "chinchilla"),
        (lambda: al.fit(RUNS, "power", x="parms", y="loss"), "params"),
        (lambda: al.fit(RUNS, "power", x="params", y="loss", resample=3), "resamples"),
        (lambda: al.fit(RUNS, "power", COLUMNS, resample=3), "resamples"),
        (lambda: al.fit(RUNS, "power", {"X": "params", "y": "loss"}), "x"),
        (lambda: al.fit(RUNS, "power", COLUMNS, fixed={"alfa": 1}), "alpha"),
        (lambda: al.fit(RUNS, "power", COLUMNS, objective="hubber_log"), "huber_log"),
        (lambda: al.fit(RUNS, "power", COLUMNS, interval="profil"), "profile"),
        (lambda: al.fit(RUNS, "power", COLUMNS, drop_largest={"X": 1}), "x"),
        (lambda: al.fit(RUNS, "power", COLUMNS, cluster="param", starts=4), "params"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(attempt, name):
    with pytest.raises(UsageError, match=f"did you mean '{name}'"):
        attempt()
