"""Folders of CSV files, and tables of runs exported from W&B as its documentation has them.

The exports need an account, so their texts are written here after the documentation.
"""

import json
import math

import pytest

from allometry.errors import DataError
from allometry.tables.trackers.source import import_runs


def test_a_folder_of_csv_files_is_a_run_a_file(tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "a.csv").write_text("step,loss,acc,model\n0,3,,tiny\n10,2,0.5,tiny\n20,1,,tiny\n")
    (tmp_path / "sweep" / "b.tsv").write_text("epoch\tloss\n2\t5\n1\t7\n")
    runs = import_runs(tmp_path)
    assert runs["run"].tolist() == ["a", "sweep/b"]
    assert runs["loss"].tolist() == [1, 5]  # by step, not by row
    assert runs["acc"][0] == 0.5 and math.isnan(runs["acc"][1])  # an empty cell was not logged
    assert runs["model"].tolist() == ["tiny", None]


def test_a_step_that_is_missing_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("step,loss\n0,3\n,2\n")
    with pytest.raises(DataError, match=r"a\.csv, line 3, column 'step'"):
        import_runs(tmp_path)


def test_a_table_of_runs_of_wandb(tmp_path):
    path = tmp_path / "export.csv"
    path.write_text(
        '"Name","State","Notes","User","Tags","Created","Runtime","model.n","loss"\n'
        '"happy-sun-1","finished","-","ann","","2026-01-01T00:00:00.000Z","12","8","2.5"\n'
        '"sad-moon-2","crashed","-","ann","","2026-01-01T00:00:00.000Z","2","16",""\n'
    )
    runs = import_runs(path)
    assert runs["run"].tolist() == ["happy-sun-1"]
    assert (runs["model.n"][0], runs["loss"][0]) == (8, 2.5)
    assert "1 crashed" in runs.notes[-1]
    assert import_runs(path, unfinished=True)["status"].tolist() == ["finished", "crashed"]


def test_runs_of_wandb_as_json(tmp_path):
    path = tmp_path / "export.json"
    runs = [
        {"name": "a", "state": "finished", "config": {"model": {"n": 8}, "_wandb": {}},
         "summary": {"loss": 2.5, "top": "Infinity", "_step": 9, "plot": {"_type": "image-file"}}},
        {"name": "b", "config": {"model": {"n": 16}}, "summary": {"loss": float("nan")}},
    ]  # fmt: skip
    path.write_text(json.dumps(runs))
    table = import_runs(path)
    assert table.columns == ("run", "status", "model.n", "loss", "top")
    assert table["model.n"].tolist() == [8, 16] and math.isnan(table["loss"][1])
    assert table["top"][0] == math.inf
    lines = tmp_path / "export.jsonl"
    lines.write_text("".join(json.dumps(run) + "\n" for run in runs))
    assert import_runs(lines).to_csv() == table.to_csv()
    path.write_text(json.dumps([{"name": "a", "config": "{'n': 8}", "summary": {}}]))
    with pytest.raises(DataError, match="config and summary were expected as objects"):
        import_runs(path)


def test_a_table_of_ones_own_needs_no_import(tmp_path):
    (tmp_path / "t.csv").write_text("n,loss\n1,2\n")
    with pytest.raises(DataError, match=r"a column Name.*needs no import"):
        import_runs(tmp_path / "t.csv")
