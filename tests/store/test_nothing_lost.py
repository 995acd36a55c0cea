"""What a store must survive or name: damage, other names, other people's files."""

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from allometry.errors import DataError, DiskError, StoreBusyError, UsageError
from allometry.run import run
from allometry.store import Store
from allometry.store.record import digest
from tests.store.cases import PROVENANCE, Imagined, beside, fill, result, specs, study

RUNS = 12


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.db"


@pytest.fixture
def filled(path):
    return fill(path, specs(RUNS))


def _raw(path, *statements):
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(*statement if isinstance(statement, tuple) else (statement,))
        connection.commit()


KILLED = """
import os, signal, sys
from allometry.store import Store
from tests.store.cases import PROVENANCE, result, specs
some = specs(int(sys.argv[2]))
store = Store(sys.argv[1], write=True)
store.declare("tiny", "quick", "", some)
for i in range(0, len(some), 4):
    store.commit([result(s) for s in some[i : i + 4]], PROVENANCE)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _killed(path):
    """A store whose writer was killed: its runs stand in the log."""
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])}
    command = [sys.executable, "-c", KILLED, path, str(RUNS)]
    assert subprocess.run(command, env=environment).returncode == -signal.SIGKILL
    assert beside(path, "-wal").stat().st_size > 0


# ---- the index -----------------------------------------------------------------------------


def _flip_in_index(path, run_id):
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_runs_1'"
        ((root,),) = connection.execute(query)
    content = bytearray(path.read_bytes())
    at = content.find(run_id.encode(), (root - 1) * 4096)
    assert at < root * 4096
    content[at + 30] ^= 1
    path.write_bytes(content)


def test_a_row_that_the_index_hides_is_told_by_readers_and_mended_by_the_next_run(filled):
    hidden = specs(RUNS)[3].run_id
    _flip_in_index(filled, hidden)
    with Store(filled) as store:
        for read in (
            lambda: store.table("tiny", "quick"),
            lambda: store.pending(specs(4)),  # by search, as for a few of many
            lambda: store.trajectories(hidden),
        ):
            with pytest.raises(DataError, match=f"{hidden[:12]}: the index hides it"):
                read()
        assert store.pending(specs(RUNS)) == []
        assert store.status()[0].done + store.status()[0].diverged == RUNS  # needs no index
        assert any("index" in damage.what for damage in store.verify().damaged)
    outcome = run(study(RUNS, 1), store=filled, engine=Imagined())
    assert (outcome.trained, outcome.pending, len(outcome.table)) == (0, 0, RUNS)
    with Store(filled) as store:
        assert store.verify().damaged == ()


def test_a_second_row_of_a_run_that_the_index_hid_is_set_aside(filled):
    hidden = specs(RUNS)[3]
    _flip_in_index(filled, hidden.run_id)
    with Store(filled, write=True) as store:
        assert store.commit([result(hidden)], PROVENANCE) == 1  # nothing looked before
    outcome = run(study(RUNS, 1), store=filled, engine=Imagined())
    assert (outcome.trained, len(outcome.table)) == (0, RUNS)
    with Store(filled) as store:
        assert store.verify().damaged == () and len(store.run_ids()) == RUNS
    with closing(sqlite3.connect(filled)) as connection:
        kept = connection.execute("SELECT run_id, what FROM quarantine").fetchall()
    assert kept == [(hidden.run_id, "a second row of its run")]


def test_a_flipped_key_of_a_declaration_is_told_and_the_runs_behind_it_are_not_lost(filled):
    with Store(filled, write=True) as store:
        store.declare("other", "quick", "", specs(3))
    content = bytearray(filled.read_bytes())
    at = content.find(b"tinyquick")
    content[at] ^= 1  # "uinyquick": out of the range of its study
    filled.write_bytes(content)
    with Store(filled) as store:
        for read in (store.status, lambda: store.table("other", "quick")):
            with pytest.raises(DataError, match="declaration is damaged"):
                read()
    outcome = run(study(RUNS, 1), store=filled, engine=Imagined())
    assert (outcome.trained, outcome.pending, len(outcome.table)) == (0, 0, RUNS)


# ---- names and other people's files --------------------------------------------------------


def test_a_file_with_two_names_is_not_written_and_read_only_without_a_log(filled, tmp_path):
    other = filled.with_name("t.db")
    os.link(filled, other)
    for name in (filled, other):
        with pytest.raises(DataError, match="has another name"):
            Store(name, write=True)
        with Store(name) as store:
            assert len(store.table("tiny", "quick")) == RUNS
    other.unlink()
    with Store(filled, write=True) as store:
        store.declare("more", "quick", "", specs(RUNS + 1))
        os.link(filled, other)  # what stands in the log is not seen by this name
        with pytest.raises(DataError, match="has another name"):
            Store(other)
        with Store(filled) as reader:
            assert len(reader.status()) == 2
    other.unlink()
    (tmp_path / "elsewhere").mkdir()
    os.link(filled, tmp_path / "elsewhere" / "s.db")
    with pytest.raises(DataError, match=r"another name, \?"):
        Store(filled, write=True)


@pytest.mark.parametrize("how", ["moved", "emptied"])
def test_a_log_without_its_store_is_kept_and_named(path, how):
    _killed(path)
    log = beside(path, "-wal").read_bytes()
    store = path.read_bytes()
    path.unlink()
    if how == "emptied":
        path.touch()
    for write in (True, False):
        with pytest.raises(DataError, match=r"s\.db-wal holds runs|is empty, and it was in use"):
            Store(path, write=write)
    assert beside(path, "-wal").read_bytes() == log
    path.write_bytes(store)  # as the message says
    with Store(path) as store:
        assert len(store.table("tiny", "quick")) == RUNS


def test_a_store_cut_to_nothing_is_named_and_a_new_empty_file_is_none(filled):
    for suffix in ("-wal", "-shm"):
        beside(filled, suffix).unlink(missing_ok=True)
    os.truncate(filled, 0)
    for write in (True, False):
        with pytest.raises(DataError, match="is empty, and it was in use"):
            Store(filled, write=write)
    fresh = filled.with_name("fresh.db")
    fresh.touch()
    with Store(fresh, write=True) as store:
        assert store.status() == []


@pytest.mark.parametrize("kind", ["symbolic", "hard", "text"])
def test_no_file_of_others_is_written_by_the_lock(path, kind):
    victim = path.with_name("victim")
    victim.write_text("precious")
    lock = beside(path, ".lock")
    if kind == "symbolic":
        lock.symlink_to(victim)
        with pytest.raises(DiskError, match=r"s\.db\.lock"):
            Store(path, write=True)
    else:
        os.link(victim, lock) if kind == "hard" else shutil.copy(victim, lock)
        with Store(path, write=True), pytest.raises(StoreBusyError):
            Store(path, write=True)
    assert victim.read_text() == lock.read_text() == "precious"


def test_copies_and_migrations_touch_no_file_of_others(filled, tmp_path):
    names = ["c.db.part", "s.db.part", "s.db.version1", "n.db.part", "n.db-shm"]
    for name in names:
        (tmp_path / name).write_text("mine")
    with Store(filled) as store:
        store.backup(tmp_path / "c.db")
        store.salvage(tmp_path / "d.db")
    _raw(filled, "DROP TABLE excluded", "DROP TABLE plans", "PRAGMA user_version = 1")
    with Store(filled, write=True) as store:
        assert store.verify().damaged == ()
    with Store(tmp_path / "s.db.version1.2") as store:  # the copy of before
        assert len(store.table("tiny", "quick")) == RUNS
    assert [(tmp_path / name).read_text() for name in names] == ["mine"] * len(names)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop", "long"])
@pytest.mark.parametrize("write", [False, True])
def test_what_can_be_no_store_is_refused_at_once_and_nothing_is_made(tmp_path, kind, write):
    name = tmp_path / "s.db"
    if kind == "pipe":
        os.mkfifo(name)
    elif kind == "folder":
        name.mkdir()
    elif kind == "loop":
        name.symlink_to(name)
    elif kind == "device":
        name = Path("/dev/zero")
    else:
        name = tmp_path / f"{'s' * 300}.db"
    began = time.monotonic()
    with pytest.raises(UsageError):
        Store(name, write=write)
    assert time.monotonic() - began < 5
    assert not beside(Path("/dev/zero"), ".lock").exists()
    assert {p.name for p in tmp_path.iterdir()} <= {"s.db"}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_reader_without_rights_sees_the_whole_store_or_a_refusal(filled, tmp_path):
    """With the folder readable only: the whole store, or the log of a killed writer refused."""
    for folder in (tmp_path, *tmp_path.parents[:4]):
        if folder.name.startswith(("pytest-", "popen-", "test_")):
            folder.chmod(0o755)
    program = (
        "import sys; from allometry.store import Store\n"
        "with Store(sys.argv[1]) as store: print(len(store.table('tiny', 'quick')))"
    )

    def run_as_nobody(code, *arguments):
        return subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c",
             code, *arguments], capture_output=True, text=True,
        )  # fmt: skip

    def read(name):
        return run_as_nobody(program, name)

    if run_as_nobody("import allometry.store").returncode:
        pytest.skip("another user cannot run this installation")
    assert read(filled).stdout == f"{RUNS}\n", read(filled).stderr
    killed = tmp_path / "k.db"
    _killed(killed)
    answer = read(killed)
    assert answer.stdout == f"{RUNS}\n" or "DiskError" in answer.stderr, answer.stderr


def test_a_store_written_while_a_reader_without_a_lock_reads_it_is_told(filled, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_, **__: False)  # of the folder, as another user
    with Store(filled) as store:
        assert len(store.table("tiny", "quick")) == RUNS
        monkeypatch.undo()
        with Store(filled, write=True) as writer:
            writer.declare("more", "quick", "", specs(RUNS + 1))
        with pytest.raises(StoreBusyError, match="written while it was read"):
            store.table("tiny", "quick")


# ---- under way -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["removed", "moved", "replaced", "log removed", "log moved"])
def test_a_store_that_goes_while_it_is_written_is_told_and_what_was_stored_is_kept(path, how):
    some = specs(RUNS)
    moved = path.with_name("moved.db")
    store = Store(path, write=True)
    store.declare("tiny", "quick", "", some)
    store.commit([result(s) for s in some[:4]], PROVENANCE)
    log = beside(path, "-wal")
    if how == "removed":
        path.unlink()
    elif how in ("moved", "replaced"):
        path.rename(moved)
        if how == "replaced":
            shutil.copy(moved, path)
    else:
        log.unlink() if how == "log removed" else log.rename(path.with_name("moved-wal"))
    with pytest.raises(DiskError, match="moved, removed or replaced"):
        store.commit([result(s) for s in some[4:8]], PROVENANCE)
    store.close()
    if how == "removed":
        return
    beside(moved, "-wal").unlink(missing_ok=True)
    with Store(moved if how in ("moved", "replaced") else path) as left:
        assert left.verify().damaged == ()
        assert set(left.run_ids()) >= {s.run_id for s in some[:4]}


def test_an_empty_list_of_runs_forgets_nothing(filled):
    with Store(filled, write=True) as store:
        with pytest.raises(UsageError, match="declares no runs"):
            store.declare("tiny", "quick", "", [])
        assert len(store.table("tiny", "quick")) == RUNS


def test_two_backups_to_one_name_are_one_whole_copy_and_one_refusal(filled, tmp_path, monkeypatch):
    copy = tmp_path / "c.db"
    link = os.link

    def made_meanwhile(part, target):
        monkeypatch.setattr(os, "link", link)
        with Store(filled) as other:
            other.backup(copy)
        link(part, target)

    monkeypatch.setattr(os, "link", made_meanwhile)
    with Store(filled) as store, pytest.raises(UsageError, match="exists"):
        store.backup(copy)
    with Store(copy) as whole:
        assert len(whole.table("tiny", "quick")) == RUNS and whole.verify().damaged == ()
    assert [p.name for p in tmp_path.glob("*part*")] == []


# ---- stores of others ----------------------------------------------------------------------

ROWS = {
    "a list": "[1]",
    "no JSON": "{",
    "deep": '{"a":' + "[" * 99999 + "]" * 99999 + "}",
    "digits": '{"a":' + "9" * 5000 + "}",
    "too large": f'{{"a":{2**64}}}',
    "an object": '{"a":{"b":1}}',
    "a column of ours": '{"run_id":"x"}',
    "null": "null",
}


def _crafted(path, **changed):
    """The first run with other fields under a right hash."""
    with closing(sqlite3.connect(path)) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
        row = dict(zip(names, connection.execute("SELECT * FROM runs").fetchone(), strict=True))
        row |= changed
        row["sha256"] = digest(*list(row.values())[:8])
        assignments = ", ".join(f"{name} = ?" for name in names)
        connection.execute(f"UPDATE runs SET {assignments} WHERE rowid = 1", [*row.values()])
        connection.commit()


@pytest.mark.parametrize("kind", [*ROWS, "spec", "status", "arrays"])
def test_anything_under_a_right_hash_is_damage_in_words(filled, kind):
    blob = b"no safetensors"
    other = {
        "spec": {"spec": '{"seed":"x"}'},
        "status": {"status": "perfect"},
        "arrays": {"trajectories": blob, "arrays_sha256": hashlib.sha256(blob).hexdigest()},
    }
    _crafted(filled, **other.get(kind, {"row": ROWS.get(kind, "")}))
    with Store(filled) as store:
        (damage,) = store.verify().damaged
        assert damage.run_id
        with pytest.raises(DataError, match="is damaged: run"):
            store.table("tiny", "quick")
    said = "stored with another spec" if kind == "spec" else "run` sets damaged runs aside"
    with pytest.raises(DataError, match=said):
        run(study(RUNS, 1), store=filled, engine=Imagined())
    if kind == "spec":  # another one than this study's run has, whatever it is
        return
    outcome = run(study(RUNS, 1), store=filled, engine=Imagined())
    assert (outcome.trained, len(outcome.table)) == (1, RUNS)


ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c)"
SCHEMAS = {
    "views": (
        "ALTER TABLE declared RENAME TO d0",
        f"CREATE VIEW declared AS {ENDLESS} SELECT 'tiny' study, 'quick' size, '' variant, "
        "x run_id, x position, 's' spec, 'h' sha256 FROM c",
    ),
    "excluded": (
        "DROP TABLE excluded",
        f"CREATE VIEW excluded AS {ENDLESS} SELECT x run_id, 'r' reason, '' excluded_at, '' "
        "sha256 FROM c",
    ),
    "trigger": (
        "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs; END",
    ),
    "virtual": ("CREATE VIRTUAL TABLE more USING fts5(x)",),
    "more": ("CREATE TABLE more (x)",),
}  # fmt: skip


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_store_with_other_tables_runs_nothing_of_its_sender(filled, tmp_path, kind):
    _raw(filled, *SCHEMAS[kind])
    with pytest.raises(DataError, match="its tables are not as allometry makes them"):
        Store(filled, write=True)
    with Store(filled) as store:
        for read in (store.status, store.run_ids, lambda: store.table("tiny", "quick")):
            with pytest.raises(DataError, match="its tables are not"):
                read()
        assert "its tables are not" in store.verify().damaged[-1].what
        if kind in ("views", "excluded"):
            with pytest.raises(DataError, match="nothing can be copied"):
                store.salvage(tmp_path / "n.db")
        else:
            assert store.salvage(tmp_path / "n.db").runs == RUNS


def test_a_lock_file_of_others_is_read_in_bounds(path):
    with Store(path, write=True):
        for text in ("[" * 100_000, json.dumps({"pid": "\x1b[2J"}), "x" * 2**20, ""):
            beside(path, ".lock").write_text(text)
            with pytest.raises(StoreBusyError, match="in use by another process"):
                Store(path, write=True)
