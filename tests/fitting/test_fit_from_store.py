"""A study's own runs go the same way from Python and from the command line."""

import json
import subprocess
import sys

import pytest

from allometry.fitting.files import fit_file
from allometry.fitting.fit import fit
from allometry.run import run
from allometry.store import results
from allometry.tables.read import read_table
from tests.store.cases import Imagined, study

COLUMNS = {"x": "n_params", "y": "test_loss"}
OPTIONS = {"objective": "squared_log", "cluster": ("n_params", "seed"), "resamples": 100}


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "runs.db"
    run(study(12, 3), store=path, engine=Imagined())
    return path


def told(made):
    """The fit document but for the seconds it took."""
    return {key: value for key, value in made.to_document().items() if key != "seconds"}


def allometry(*words):
    done = subprocess.run(
        [sys.executable, "-m", "allometry", *map(str, words)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_of_a_store_is_fitted_alike_in_memory_and_from_its_csv(stored, tmp_path):
    table = results.table("tiny", store=stored)
    table.to_csv(tmp_path / "runs.csv")
    in_memory = told(fit(table, "power", COLUMNS, **OPTIONS))
    assert told(fit_file(tmp_path / "runs.csv", "power", COLUMNS, **OPTIONS)) == in_memory
    assert in_memory["rows"] == 33  # every seventh width diverged, in each of three seeds
    assert {d["rule"] for d in in_memory["dropped"]} == {"y missing or not finite"}
    assert {int(table["n_params"][d["row"] - 1]) for d in in_memory["dropped"]} == {7}


def test_the_commands_table_and_fit_give_that_document(stored, tmp_path):
    path = tmp_path / "runs.csv"
    allometry("table", "tiny", "--store", stored, "-o", path)
    assert len(read_table(path)) == 36
    document = json.loads(
        allometry(
            *("fit", path, "--law", "power", "--map", "x=n_params", "--map", "y=test_loss"),
            *("--objective", "squared_log", "--resamples", 100, "--json"),
            *("--cluster", "n_params", "--cluster", "seed"),
        )
    )
    del document["seconds"]
    made = fit(results.table("tiny", store=stored), "power", COLUMNS, **OPTIONS)
    assert document == json.loads(json.dumps(told(made)))
