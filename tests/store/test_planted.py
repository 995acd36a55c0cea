"""What is planted beside a store or in it, and what other programs leave there."""

import os
import sqlite3
from contextlib import closing

import pytest

from allometry.errors import DataError
from allometry.store import Store, verify
from tests.store.cases import PROVENANCE, beside, fill, result, specs

RUNS = 12
TERABYTE = 1 << 40


@pytest.fixture
def filled(tmp_path):
    return fill(tmp_path / "s.db", specs(RUNS))


def test_a_trigger_with_the_name_of_a_table_is_seen(filled):
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        rows = connection.execute("SELECT * FROM sqlite_master").fetchall()
        swallow = "CREATE TRIGGER excluded BEFORE INSERT ON runs BEGIN SELECT RAISE(IGNORE); END"
        trigger = ("trigger", "excluded", "runs", 0, swallow)
        at = [row[1] for row in rows].index("excluded")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_master")
        connection.executemany(
            "INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", [*rows[:at], trigger, *rows[at:]]
        )
    with pytest.raises(DataError, match="its tables are not as allometry makes them"):
        Store(filled, write=True)
    with Store(filled) as store, pytest.raises(DataError, match="its tables are not"):
        store.status()


def _unfinished_journal(folder):
    """The rollback journal of another file, in the middle of a change."""
    other = folder / "other.db"
    with closing(sqlite3.connect(other, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 3000,)] * 30)
        connection.execute("PRAGMA cache_size = 2")
        connection.execute("BEGIN")
        connection.execute("UPDATE t SET a = replace(a, 'x', 'y')")
        journal = beside(other, "-journal").read_bytes()
        connection.execute("ROLLBACK")
    return journal


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("kind", ["another file's", "no journal"])
def test_a_journal_of_another_file_is_not_written_over_the_store(filled, tmp_path, kind, write):
    before = filled.read_bytes()
    journal = _unfinished_journal(tmp_path) if kind == "another file's" else b"notes of mine"
    beside(filled, "-journal").write_bytes(journal)
    with pytest.raises(DataError, match=r"move s\.db-journal to another folder"):
        Store(filled, write=write)
    assert filled.read_bytes() == before
    assert beside(filled, "-journal").read_bytes() == journal
    beside(filled, "-journal").unlink()
    with Store(filled) as store:
        assert len(store.run_ids()) == RUNS


def test_a_store_that_other_programs_analysed_or_vacuumed_is_whole(filled):
    for statement in ("ANALYZE", "VACUUM", "PRAGMA journal_mode = PERSIST", "VACUUM"):
        with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
            connection.execute(statement)
        with Store(filled) as store:
            assert store.verify().damaged == ()
            assert len(store.table("tiny", "quick")) == RUNS
    with Store(filled, write=True) as store:
        assert store.mend(specs(RUNS)) == ()


def test_a_log_as_large_as_a_disk_is_named_at_once_and_copied_with_its_hole(filled):
    log = beside(filled, "-wal")
    with log.open("wb") as file:
        file.truncate(TERABYTE)
    with Store(filled) as store:
        assert "its log s.db-wal is damaged" in store.verify().damaged[-1].what
    with Store(filled, write=True) as store:
        assert len(store.run_ids()) == RUNS
    (copy,) = filled.parent.glob("s.db-wal.damaged-*")
    assert copy.stat().st_size == TERABYTE
    assert copy.stat().st_blocks < 100


def test_a_whole_log_with_a_hole_behind_it_is_read_at_once(filled, tmp_path):
    copy = tmp_path / "copy.db"
    with Store(filled, write=True) as store:
        store.commit([result(s) for s in specs(RUNS, (43,))], PROVENANCE)
        for suffix in ("", "-wal"):
            beside(copy, suffix).write_bytes(beside(filled, suffix).read_bytes())
    os.truncate(beside(copy, "-wal"), TERABYTE)
    with Store(copy) as store:
        assert len(store.run_ids()) == 2 * RUNS
        assert store.verify().damaged == ()


def test_a_backup_goes_to_a_name_that_is_not_utf8(filled, tmp_path):
    folder = tmp_path / os.fsdecode(b"\xff ?#%20")
    folder.mkdir()
    with Store(filled) as store:
        store.backup(folder / "copy.db")
    with Store(folder / "copy.db") as store:
        assert len(store.run_ids()) == RUNS


def test_a_store_that_is_being_written_is_verified_and_salvaged_as_one_state(
    filled, tmp_path, monkeypatch
):
    """What is stored between two reads of one check belongs to neither."""
    with Store(filled, write=True) as writer, Store(filled) as reader:
        each, left = verify._each, list(specs(40, (43,)))

        def written_between(*arguments):
            writer.commit([result(left.pop())], {"when": len(left)})
            return each(*arguments)

        monkeypatch.setattr(verify, "_each", written_between)
        assert reader.verify().damaged == ()
        assert reader.check(specs(RUNS)) == ()
        assert reader.salvage(tmp_path / "new.db").damaged == ()
        assert len(left) < 30


def test_a_run_whose_name_is_damaged_is_not_taken_for_pending(filled):
    """Its row stands in the file under a name that nobody asks for."""
    run_id = specs(RUNS)[4].run_id
    changed = bytearray(filled.read_bytes())
    at = changed.find(run_id.encode() + b"{")  # the row: its name, then its spec
    assert at > 0
    changed[at + 20] ^= 1
    filled.write_bytes(changed)
    with Store(filled) as store:
        assert store.verify().damaged
        for read in (store.status, store.run_ids, lambda: store.pending(specs(RUNS)),
                     lambda: store.provenance("tiny", "quick")):  # fmt: skip
            with pytest.raises(DataError, match="is damaged"):
                read()
    with Store(filled, write=True) as store:
        assert store.mend(specs(RUNS))
        assert [s.run_id for s in store.pending(specs(RUNS))] == [run_id]


def test_a_row_that_its_page_no_longer_counts_is_not_taken_for_pending(filled):
    changed = bytearray(filled.read_bytes())
    page = changed.find(specs(RUNS)[-1].run_id.encode() + b"{") // 4096 * 4096
    assert changed[page] == 13  # a leaf of the table
    changed[page + 4] -= 1  # one row less
    filled.write_bytes(changed)
    with Store(filled) as store:
        for read in (store.status, store.run_ids, lambda: store.pending(specs(RUNS))):
            with pytest.raises(DataError, match="is damaged"):
                read()
