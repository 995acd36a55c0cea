"""The counts and the sample that the live page reads are those of the checked readers."""

import sqlite3

import pytest

from allometry.errors import DataError
from allometry.store import Store
from tests.store.cases import PROVENANCE, fill, result, specs


@pytest.fixture
def path(tmp_path):
    fill(tmp_path / "s.db", specs(9, seeds=(42, 43)))
    with Store(tmp_path / "s.db", write=True) as store:
        store.declare("tiny", "paper", "train.epochs=3", specs(20))
        store.declare("other", "quick", "", specs(4, activation="gelu"))
        store.commit([result(spec) for spec in specs(3, activation="gelu")], PROVENANCE)
        store.exclude([spec.run_id for spec in specs(2)], "a wrong data set")
    return tmp_path / "s.db"


def test_counts_are_those_of_status(path):
    with Store(path) as store:
        assert store.counts() == store.status()
        assert {entry.excluded for entry in store.counts()} == {0, 2}


def test_counts_refuse_what_allometry_does_not_write(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE runs SET finished_at = '<script>'")
    with (
        Store(path) as store,
        pytest.raises(DataError, match="names or times are not as allometry writes them"),
    ):
        store.counts()


@pytest.mark.parametrize(("most", "expected"), [(100, 18), (18, 18), (6, 6), (5, 5), (1, 1)])
def test_a_sample_is_spread_over_the_table(path, most, expected):
    with Store(path) as store:
        sample = store.sample("tiny", "quick", "", most)
        whole = store.table("tiny", "quick")["run_id"].tolist()
    places = [whole.index(run_id) for run_id in sample["run_id"]]
    assert len(places) == expected and places == sorted(places)
    assert set(sample.trajectories) == set(sample["run_id"])
    assert len(set(places)) == expected


def test_a_sample_checks_what_it_reads(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE runs SET row = '{}'")
    with Store(path) as store, pytest.raises(DataError, match="is damaged: run"):
        store.sample("tiny", "quick", "", 3)
