"""`allometry import`: the table on stdout or in a file, and on to a fit."""

import gzip
import json

import pytest
from click.testing import CliRunner

from allometry import cli
from allometry.tables.read import read_table
from tests import ASSETS
from tests.assets.trackers import logged


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(gzip.decompress((ASSETS / "trackers" / "mlflow.db.gz").read_bytes()))
    return path


def invoke(*words):
    return CliRunner().invoke(cli.commands, list(map(str, words)), catch_exceptions=False)


def test_a_law_is_fitted_to_what_was_imported(database, tmp_path):
    """The runs follow L = 1 + 5 N^-0.5, up to 0.001 by the last step."""
    out = tmp_path / "runs.csv"
    done = invoke("import", database, "-o", out)
    assert done.exit_code == 0 and not done.stdout
    assert "1 unfinished run (1 failed) left out" in done.stderr and "6 rows" in done.stderr
    fitted = invoke("fit", out, "--law", "power_floor", "--map", "x=model.n",
                    "--map", "y=train/loss", "--resamples", 0, "--json")  # fmt: skip
    document = json.loads(fitted.stdout)
    values = {name: p["value"] for name, p in document["parameters"].items()}
    assert values["alpha"] == pytest.approx(0.5, abs=0.01)
    assert values["E"] == pytest.approx(1, abs=0.01)
    assert document["rows"] == len(logged.WIDTHS) and len(document["dropped"]) == 1  # diverged


def test_the_table_is_csv_on_stdout_and_json_with_a_schema(database):
    lines = invoke("import", database).stdout.splitlines()
    assert lines[0].startswith("run,run_id,experiment,status,model.n") and len(lines) == 7
    document = json.loads(invoke("import", database, "--json").stdout)
    assert document["schema"] == "allometry/import/1" and len(document["rows"]) == 6
    assert document["rows"][5]["train/loss"] is None  # NaN
    assert "left out" in document["notes"][0]


def test_rules_are_of_all_metrics_or_of_one(database):
    rows = json.loads(
        invoke("import", database, "--value", "max", "--value", "train/loss=min", "--json").stdout
    )["rows"]
    losses = [value for _, value in logged.RUNS[0].metrics["train/loss"]]
    accuracies = [value for _, value in logged.RUNS[0].metrics["accuracy"]]
    assert (rows[0]["train/loss"], rows[0]["accuracy"]) == (min(losses), max(accuracies))


def test_a_parquet_file_is_the_same_table(database, tmp_path):
    pytest.importorskip("pyarrow")
    for name in ("runs.csv", "runs.parquet"):
        assert invoke("import", database, "-o", tmp_path / name).exit_code == 0
    csv, parquet = (read_table(tmp_path / f"runs.{e}", ()) for e in ("csv", "parquet"))
    assert csv.columns == parquet.columns
    assert csv["train/loss"].tolist()[:5] == parquet["train/loss"].tolist()[:5]


def test_bad_input_ends_with_65_and_names_the_file(database, capfd):
    database.write_bytes(database.read_bytes()[:200_000])
    with pytest.raises(SystemExit) as ended:
        cli.main(["import", str(database)])
    assert ended.value.code == 65
    assert "mlflow.db is damaged" in capfd.readouterr().err


def test_the_help_has_an_example_and_the_choices():
    text = invoke("import", "--help").stdout
    assert "allometry import runs/ -o runs.csv --value loss=smoothed" in text
    for word in ("tensorboard", "wandb-export", "smoothed", "largest step"):
        assert word in text
