"""What a tracker was given to log is what is imported, from the files that it wrote itself."""

import json
import math

import numpy as np
import pytest

from allometry.errors import DataError, UsageError
from allometry.tables.trackers.source import import_runs, kind_of
from tests.assets.trackers import logged

KINDS = {
    "tensorboard": "tensorboard",
    "mlflow.db": "mlflow",
    "mlruns": "mlflow",
    "optuna.db": "optuna",
    "trackio.db": "trackio",
    "wandb": "wandb",
    "wandb-files": "wandb",
    "trainer": "trainer",
}
LOSS = {"trainer": "loss", "optuna.db": "intermediate"}
N = {"trainer": "model.hidden_size", "optuna.db": "n"}
BY_N = {run.config["model"]["n"]: run for run in logged.RUNS}
WHOLE = ("mlflow.db", "optuna.db", "trackio.db")


def logged_loss(n, rule="last"):
    values = [value for _, value in BY_N[n].metrics["train/loss"]]
    return {
        "last": values[-1],
        "min": np.nanmin(values),
        "max": np.nanmax(values),
        "smoothed": np.mean(values[-math.ceil(len(values) / 10) :]),
    }[rule]


def same(name, value, expected):
    # The event files have floats of 32 bits.
    near = 1e-6 if name == "tensorboard" else 0
    return value == pytest.approx(expected, rel=near, abs=0, nan_ok=True)


@pytest.mark.parametrize("name", KINDS)
def test_the_kind_is_recognised(tracked, name):
    assert kind_of(tracked(name)) == KINDS[name]


@pytest.mark.parametrize("name", KINDS)
def test_the_last_values_are_those_logged(tracked, name):
    runs = import_runs(tracked(name)).where(experiment="widths") if name == "optuna.db" else (
        import_runs(tracked(name)))  # fmt: skip
    assert len(runs)
    for row in runs:
        n = row[N.get(name, "model.n")]
        if name == "trainer" and row["run"] == "width 16":
            n = 16  # it has no config.json
        assert same(name, row[LOSS.get(name, "train/loss")], logged_loss(int(n)))
        if name not in ("trainer", "optuna.db"):
            assert same(name, row["accuracy"], BY_N[int(n)].metrics["accuracy"][-1][1])
            assert (row["lr"], row["optimizer"]) == (0.01, "adam")


@pytest.mark.parametrize("name", [name for name in KINDS if name != "wandb-files"])
@pytest.mark.parametrize("rule", ["last", "min", "max", "smoothed"])
def test_a_rule_takes_the_value_that_it_says(tracked, name, rule):
    runs = import_runs(tracked(name), value=rule)
    row = next(row for row in runs if row["run"] in ("width 8", "trial 0"))
    assert same(name, row[LOSS.get(name, "train/loss")], logged_loss(8, rule))


def test_a_metric_may_have_a_rule_of_its_own(tracked):
    runs = import_runs(tracked("trackio.db"), values={"train/loss": "min"})
    assert runs["train/loss"][0] == logged_loss(8, "min")
    assert runs["accuracy"][0] == BY_N[8].metrics["accuracy"][-1][1]


@pytest.mark.parametrize("name", WHOLE)
def test_a_run_that_diverged_has_no_value_at_its_end(tracked, name):
    """NaN is a missing value of the table; a tracker that ends such a trial says so itself."""
    runs = import_runs(tracked(name), unfinished=True)
    diverged = runs.take(runs[N.get(name, "model.n")] == logged.DIVERGED)
    assert math.isnan(diverged[LOSS.get(name, "train/loss")][0])
    least = import_runs(tracked(name), unfinished=True, value="min")
    least = least.take(least[N.get(name, "model.n")] == logged.DIVERGED)
    assert least[LOSS.get(name, "train/loss")][0] == logged_loss(logged.DIVERGED, "min")


@pytest.mark.parametrize(
    ("name", "status"), [("mlflow.db", "failed"), ("optuna.db", "pruned"), ("mlruns", "failed")]
)
def test_an_unfinished_run_is_left_out_and_counted(tracked, name, status):
    finished = import_runs(tracked(name))
    everything = import_runs(tracked(name), unfinished=True)
    assert set(finished["status"]) == {"finished"}
    assert status in finished.notes[0] and status in everything["status"].tolist()
    column = N.get(name, "model.n")
    assert logged.UNFINISHED not in finished[column]
    assert logged.UNFINISHED in everything[column]


def test_configuration_has_dotted_names_and_lists_are_json(tracked):
    for name in ("mlflow.db", "trackio.db", "wandb", "wandb-files"):
        row = next(iter(import_runs(tracked(name))))
        assert row["run"] == ("run-20260101_000000-abcdefgh" if name[-1] == "s" else "width 8")
        assert (row["model.n"], row["model.depth"], row["clip"]) == (8, 2, None)
        assert json.loads(row["betas"]) == [0.9, 0.999]
        assert str(row["amsgrad"]) == "False"


def test_texts_of_wandb_survive_its_files(tracked):
    for name in ("wandb", "wandb-files"):
        row = next(iter(import_runs(tracked(name))))
        assert row["note"] == 'two\nlines: "quoted" # é'
        assert row["long"] == "words " * 30
        assert (row["word"], row["tiny"], row["empty"]) == ("true", 1e-05, "[]")
        assert row["many"] == '[[1, 2], {"a": 0.5}]'
        assert not [column for column in row if column.startswith("_")]
    assert import_runs(tracked("trackio.db")).columns[:2] == ("run", "run_id")


def test_infinities_are_what_they_were(tracked):
    assert math.isinf(import_runs(tracked("mlflow.db"))["largest"][0])
    assert math.isinf(import_runs(tracked("mlruns"))["largest"][0])
    two = import_runs(tracked("optuna.db")).where(experiment="two")
    assert (two["loss"][0], two["speed"][0], two["x"][0]) == (0.5, math.inf, 0.5)


def test_a_deleted_run_is_not_imported(tracked):
    for name in ("mlflow.db", "mlruns"):
        assert "deleted" not in import_runs(tracked(name), unfinished=True)["run"]


def test_a_folder_of_hyperparameters_belongs_to_its_run(tracked):
    runs = import_runs(tracked("tensorboard"))
    assert sorted(runs["run"]) == ["sweep/width 16", "width 256", "width 8"]
    final = runs.where(run="width 8")["hparam/final"][0]
    assert final == pytest.approx(logged_loss(8), rel=1e-6)


def test_of_the_checkpoints_of_a_run_the_last_counts(tracked):
    runs = import_runs(tracked("trainer"))
    assert runs["run"].tolist() == ["width 16", "width 8"]
    assert runs["global_step"].tolist() == [190, 190]
    assert runs["total_flos"].tolist() == [6e9 * 16, 6e9 * 8]
    everything = import_runs(tracked("trainer"), unfinished=True)
    assert everything.where(run="width 512")["global_step"][0] == 90
    one = tracked("trainer") / "width 8" / "checkpoint-190" / "trainer_state.json"
    assert import_runs(one)["run"].tolist() == ["width 8"]


def test_a_summary_has_no_other_values(tracked):
    with pytest.raises(UsageError, match="keeps one value of each metric"):
        import_runs(tracked("wandb-files"), value="min")


def test_a_folder_of_several_kinds_asks_which(tracked):
    folder = tracked("mlruns").parent
    tracked("trainer")
    with pytest.raises(UsageError, match=r"trainer and mlflow.*--from"):
        import_runs(folder)
    assert len(import_runs(folder, kind="trainer")) == 2


def test_what_is_no_source_is_said(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(DataError, match=r"a\.txt is not of a kind that can be imported"):
        import_runs(tmp_path / "a.txt")
    with pytest.raises(UsageError, match="no file"):
        import_runs(tmp_path / "missing")
    with pytest.raises(UsageError, match="did you mean 'optuna'"):
        import_runs(tmp_path, kind="optunna")
    with pytest.raises(UsageError, match="did you mean 'last'"):
        import_runs(tmp_path, value="lasst")


def test_an_unknown_metric_of_a_rule_is_said(tracked):
    with pytest.raises(UsageError, match="did you mean 'train/loss'"):
        import_runs(tracked("trackio.db"), values={"trainloss": "min"})
