"""Runs excluded with a reason, included again, forgotten: stored or gone, never half of it."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest

import allometry as al
from allometry.errors import DataError, UsageError
from allometry.findings import Analysis
from allometry.run import run
from allometry.store import Store
from allometry.store.opening import open_writer
from allometry.store.schema import MIGRATIONS
from allometry.store.selection import named_runs, runs_of_study
from tests.store.cases import PROVENANCE, Imagined, result, specs, study


@pytest.fixture
def path(tmp_path):
    """Twelve runs in two seeds of study tiny, size quick; the widths are 1 to 6."""
    run(study(6), store=tmp_path / "s.db", engine=Imagined())
    return tmp_path / "s.db"


def test_an_excluded_run_stays_stored_with_its_reason_and_no_analysis_sees_it(path):
    seen = []
    watched = replace(study(6), analyse=lambda table: seen.append(table) or Analysis())
    with Store(path, write=True) as store:
        selection = runs_of_study(store, "tiny", where=["n_params=3", "seed=43"])
        assert store.exclude(selection.run_ids, " overheated ") == 1
        assert store.exclusions() == {selection.run_ids[0]: "overheated"}
    table = al.table("tiny", store=path)
    assert len(table) == 12 and list(table["status"]).count("excluded") == 1
    (row,) = table.where(status="excluded")
    assert (row["n_params"], row["seed"]) == (3, 43) and row["excluded_because"] == "overheated"
    outcome = run(watched, store=path, engine=Imagined())
    assert (outcome.trained, outcome.pending, outcome.excluded) == (0, 0, 1)
    assert outcome.analysis == Analysis()
    (analysed,) = seen
    assert len(analysed) == 11 and "excluded_because" not in analysed
    assert len(replace(watched, views={"same": lambda table: table}).view("same", table)) == 11
    with Store(path, write=True) as store:
        assert store.include(selection.run_ids) == 1 and store.include(selection.run_ids) == 0
    assert set(al.table("tiny", store=path)["status"]) == {"done"}


def test_no_fit_uses_an_excluded_run_and_it_is_counted_as_left_out(path):
    with Store(path, write=True) as store:
        store.exclude(runs_of_study(store, "tiny", where=["n_params=6"]).run_ids, "too large")
    table = al.table("tiny", store=path)
    fit = al.fit(table, "power", {"x": "n_params", "y": "test_loss"}, resamples=0)
    assert fit.rows == 10 and {rule for _, rule in fit.dropped} == {"status is excluded"}
    assert [row for row, _ in fit.dropped] == (np.flatnonzero(table["n_params"] == 6) + 1).tolist()


def test_status_counts_runs_by_what_they_are_with_dates_and_seconds(path):
    with Store(path, write=True) as store:
        store.declare("tiny", "large", "", specs(9))
        store.commit([result(specs(9)[6])], PROVENANCE)  # the seventh diverges
        store.exclude([specs(9)[0].run_id, specs(9)[6].run_id], "why not")
        entries = {entry.size: entry for entry in store.status()}
    large = entries["large"]
    counts = (large.declared, large.done, large.diverged, large.excluded, large.pending)
    assert counts == (9, 5, 0, 2, 2) and large.reasons == (("why not", 2),)
    assert large.seconds == 7 * 0.25 and "2026" <= large.first_finished <= large.last_finished
    assert entries["quick"].reasons == (("why not", 1),)


def test_an_exclusion_that_was_damaged_is_told_and_set_aside(path):
    with Store(path, write=True) as store:
        store.exclude(store.run_ids()[:2], "first reason")
    with sqlite3.connect(path) as raw:
        first = "run_id = (SELECT min(run_id) FROM excluded)"
        raw.execute(f"UPDATE excluded SET reason = 'x' WHERE {first}")
    raw.close()
    with Store(path) as store:
        assert len(store.verify().damaged) == 1
        with pytest.raises(DataError, match="the reason for its exclusion is damaged"):
            store.table("tiny", "quick")
    assert run(study(6), store=path, engine=Imagined()).quarantined == 1
    with Store(path) as store:
        assert store.verify().damaged == () and len(store.exclusions()) == 1
        assert store._connection.execute("SELECT row FROM quarantine").fetchall() == [("x",)]


def test_a_reason_is_asked_for(path):
    with Store(path, write=True) as store, pytest.raises(UsageError, match="reason expected"):
        store.exclude(store.run_ids(), " ")


def test_forgotten_runs_are_pending_again_and_the_others_as_before(path):
    with Store(path, write=True) as store:
        selection = runs_of_study(store, "tiny", where=["n_params>4"])
        store.exclude(selection.run_ids, "bad")
        assert (len(selection.run_ids), selection.whole) == (4, ())
        assert store.forget(selection.run_ids) == 4
        assert store.verify().damaged == () and store.exclusions() == {}
        status = store.status()[0]
        assert (status.done, status.pending, status.excluded) == (8, 4, 0)
    assert run(study(6), store=path, engine=Imagined()).trained == 4


def test_a_whole_study_is_forgotten_with_what_it_declares_and_others_are_told(path):
    with Store(path, write=True) as store:
        store.declare("other", "quick", "", specs(2, (42,)))
        selection = runs_of_study(store, "tiny")
        assert selection.elsewhere == {("other", "quick", ""): 2}
        store.forget(selection.run_ids, selection.whole)
        (left,) = store.status()
        assert (left.study, left.declared, left.pending) == ("other", 2, 2)


def test_runs_are_picked_by_size_by_changes_and_by_name(path):
    changes = {"train.epochs": 5}
    run(study(2), store=path, engine=Imagined(), changes=changes)
    with Store(path, write=True) as store:
        assert len(runs_of_study(store, "tiny").run_ids) == 16
        assert len(runs_of_study(store, "tiny", changes=changes).run_ids) == 4
        name = store.declared("tiny", "quick", "train.epochs=5")[0]
        by_name = named_runs(store, [name[:8], name])
        assert by_name.run_ids == (name,) and list(by_name.tables) == [
            ("tiny", "quick", "train.epochs=5")
        ]
        for names, message in ((["abc"], "6 at least"), (["0" * 12], "no run '000000000000'")):
            with pytest.raises(UsageError, match=message):
                named_runs(store, names)
        with pytest.raises(UsageError, match=r"no runs of tiny huge in store .*tiny \(quick"):
            runs_of_study(store, "tiny", size="huge")
        with pytest.raises(UsageError, match="no column 'width'"):
            runs_of_study(store, "tiny", where=["width=3"])


def test_a_store_of_the_first_version_is_read_as_it_is(tmp_path):
    old = tmp_path / "old.db"
    connection = open_writer(old, MIGRATIONS[:1]).connection
    connection.close()
    before = old.read_bytes()
    with Store(old) as store:
        assert (store.verify().runs, store.verify().damaged, store.exclusions()) == (0, (), {})
        assert store.status() == []
    assert old.read_bytes() == before
    with Store(old, write=True) as store:
        store.declare("tiny", "quick", "", specs(2))
        store.commit([result(s) for s in specs(2)], PROVENANCE)
        assert store.exclude([specs(2)[0].run_id], "now it can") == 1
