"""The store gives back what it was given, once, in order, or says that it cannot."""

import json
import math
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from allometry.errors import DataError, DiskError, StoreBusyError, UsageError
from allometry.spec import RunSpec, Spec
from allometry.store import Store, StudyStatus
from allometry.store.lock import filesystem_type
from allometry.store.opening import open_reader, open_writer
from allometry.store.record import RESERVED, decode_arrays, decode_row, encode_arrays, encode_row
from allometry.store.schema import APPLICATION_ID, MIGRATIONS
from allometry.training.result import RunResult
from tests.store.cases import PROVENANCE, Net, result, specs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.db"


@pytest.fixture
def filled(path: Path) -> Path:
    """Twelve runs of study tiny, stored."""
    with Store(path, write=True) as store:
        store.declare("tiny", "quick", "", specs(12))
        store.commit([result(s) for s in specs(12)], PROVENANCE)
    return path


def _raw(path: Path, *statement: object) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(*statement)
    connection.close()


# ---- round trips ---------------------------------------------------------------------------


cells = st.one_of(
    st.floats(),
    st.integers(-(2**63), 2**64 - 1),
    st.text(st.characters(codec="utf-8")),
    st.booleans(),
    st.none(),
)


def _same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        nan = math.isnan(a) and math.isnan(b)
        return nan or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return type(a) is type(b) and a == b


@given(st.dictionaries(st.text().filter(lambda n: n not in RESERVED), cells))
def test_a_row_comes_back_as_it_was_whatever_floats_and_strings_it_holds(row):
    text = encode_row(row)
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    back = decode_row(text)
    assert list(back) == list(row)
    assert all(_same(back[name], row[name]) for name in row)


@pytest.mark.parametrize("value", [np.float32(0.1), np.int64(7), np.array(2.5), np.bool_(True)])
def test_numpy_scalars_are_kept_as_the_numbers_they_are(value):
    assert decode_row(encode_row({"x": value})) == {"x": value.item()}


names = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda n: n != "__metadata__")
some_array = st.one_of(
    arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    for kind in (
        arrays.boolean_dtypes(),
        arrays.integer_dtypes(endianness="?"),
        arrays.unsigned_integer_dtypes(endianness="?"),
        arrays.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
        arrays.complex_number_dtypes(endianness="=", sizes=(64,)),
    )
)


@given(st.dictionaries(names, some_array, max_size=3), st.booleans())
def test_arrays_come_back_bit_for_bit(given, transposed):
    given = {name: array.T if transposed else array for name, array in given.items()}
    back = decode_arrays(encode_arrays(given))
    assert back.keys() == given.keys()
    for name, array in given.items():
        native = array.astype(array.dtype.newbyteorder("="))
        assert (back[name].dtype, back[name].shape) == (native.dtype, native.shape)
        assert back[name].tobytes() == native.tobytes()


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.array([1j])])
def test_an_array_that_cannot_be_kept_exactly_is_refused_by_name(array):
    with pytest.raises(UsageError, match="'gradient'"):
        encode_arrays({"gradient": array})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", [1]),
        ("x", object()),
        ("seed", 1),
        ("x", 2**64),
        ("x", -(2**63) - 1),
        ("x", "\ud800"),
        ("\udfff", 1),
    ],
)
def test_a_column_that_cannot_be_kept_is_refused_by_name(name, value):
    with pytest.raises(UsageError, match=r"column '(x|seed|.*udfff)'"):
        encode_row({name: value})


def test_a_stored_run_comes_back_whole(filled):
    expected = [result(s) for s in specs(12)]
    with Store(filled) as store:
        table = store.table("tiny", "quick")
        assert table.columns == (
            "run_id", "study", "seed", "n_params", "test_loss", "train_loss", "hidden_sizes",
            "status", "seconds",
        )  # fmt: skip
        assert table["run_id"].tolist() == [r.spec.run_id for r in expected]
        assert set(table["study"]) == {"tiny"} and set(table["seed"]) == {42}
        for name in ("n_params", "test_loss", "train_loss"):
            np.testing.assert_array_equal(table[name], [r.row[name] for r in expected])
        assert table["hidden_sizes"].tolist() == [r.row["hidden_sizes"] for r in expected]
        assert table["status"].tolist() == [r.status for r in expected]
        for r in expected:
            for back in (store.trajectories(r.spec.run_id), table.trajectories[r.spec.run_id]):
                assert back.keys() == r.trajectories.keys()
                for name, array in r.trajectories.items():
                    np.testing.assert_array_equal(back[name], array, strict=True)
        assert store.provenance("tiny", "quick") == [(PROVENANCE, 12)]


def test_rows_of_different_columns_make_one_table_with_status_last(path):
    first, second = specs(2)
    with Store(path, write=True) as store:
        store.declare("tiny", "quick", "", [first, second])
        store.commit([RunResult(first, "diverged", {"a": 1}, 0.0)], PROVENANCE)
        store.commit([RunResult(second, "done", {"a": 2, "b": 3.0}, 0.0)], PROVENANCE)
        table = store.table("tiny", "quick")
    assert table.columns[-3:] == ("b", "status", "seconds")
    assert math.isnan(table["b"][0])
    assert table.trajectories == {}


# ---- declared, pending, done ---------------------------------------------------------------


def test_pending_is_declared_minus_stored_and_status_adds_up(path):
    some = specs(10)
    with Store(path, write=True) as store:
        store.declare("tiny", "quick", "", some)
        assert store.pending(some) == some
        assert store.commit([result(s) for s in some[2:8]], PROVENANCE) == 6
        assert store.pending(some) == some[:2] + some[8:]
        assert store.status()[0][:8] == ("tiny", "quick", "", 10, 5, 1, 0, 4)
        assert store.pending(list(reversed(some))) == some[:7:-1] + some[1::-1]


def test_storing_twice_keeps_the_first(path):
    spec = specs(1)[0]
    with Store(path, write=True) as store:
        store.declare("tiny", "quick", "", [spec])
        assert store.commit([RunResult(spec, "done", {"x": 1}, 0.0)], PROVENANCE) == 1
        assert store.commit([RunResult(spec, "done", {"x": 2}, 0.0)], PROVENANCE) == 0
        assert store.table("tiny", "quick")["x"].tolist() == [1]


def test_a_pack_is_stored_together_or_not_at_all(path, monkeypatch):
    some = specs(4)
    results = [result(s) for s in some]
    results[2] = RunResult(some[2], "done", {"x": object()}, 0.0)  # type: ignore[dict-item]
    with Store(path, write=True) as store:
        with pytest.raises(UsageError, match="'x'"):
            store.commit(results, PROVENANCE)
        assert store.pending(some) == some
        # A row SQLite itself refuses, in the middle of the transaction.
        results[2] = RunResult(some[2], None, {}, 0.0)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="status='done' or 'diverged' expected, got None"):
            store.commit(results, PROVENANCE)
        monkeypatch.setattr("allometry.store.record.RULES", {})
        with pytest.raises((DataError, sqlite3.Error)):
            store.commit(results, PROVENANCE)
        assert store.pending(some) == some
        assert store.commit([result(s) for s in some], PROVENANCE) == 4


def test_rows_come_in_declared_order_whatever_order_they_finished_in(path):
    some = specs(9)
    with Store(path, write=True) as store:
        store.declare("tiny", "quick", "", some)
        for spec in reversed(some):
            store.commit([result(spec)], PROVENANCE)
        assert store.table("tiny", "quick")["run_id"].tolist() == [s.run_id for s in some]


def _declared(store: Store) -> list[str]:
    return store.table("tiny", "quick")["run_id"].tolist()


def test_declaring_again_changes_nothing_more_seeds_add_and_fewer_keep(path):
    one, three = specs(3), specs(3, (42, 43, 44))
    names = [s.run_id for s in three]
    with Store(path, write=True) as store:
        store.commit([result(s) for s in three], PROVENANCE)
        store.declare("tiny", "quick", "", one)
        store.declare("tiny", "quick", "", one)
        assert _declared(store) == names[:3]
        store.declare("tiny", "quick", "", three)
        assert _declared(store) == names
        store.declare("tiny", "quick", "", one)
        assert _declared(store) == names
        only = {s.run_id for s in one}
        assert store.table("tiny", "quick", only=only)["run_id"].tolist() == names[:3]


def test_runs_of_a_study_since_edited_leave_its_table_but_not_the_store(path):
    old, new = specs(3), specs(3, activation="tanh")
    with Store(path, write=True) as store:
        store.declare("tiny", "quick", "", old)
        store.commit([result(s) for s in old], PROVENANCE)
        store.declare("tiny", "quick", "", new)
        assert len(store.table("tiny", "quick")) == 0
        assert store.status() == [StudyStatus("tiny", "quick", "", 3, 0, 0, 0, 3)]
        store.declare("tiny", "quick", "", old)
        assert _declared(store) == [s.run_id for s in old]


def test_variants_and_sizes_are_tables_of_their_own_over_shared_runs(path):
    some = specs(4)
    with Store(path, write=True) as store:
        store.declare("tiny", "quick", "", some[:2])
        store.declare("tiny", "notebook", "", some)
        store.declare("tiny", "quick", "train.epochs=9", some[3:])
        store.commit([result(s) for s in some], PROVENANCE)
        assert len(store.table("tiny", "quick")) == 2
        assert len(store.table("tiny", "notebook")) == 4
        assert len(store.table("tiny", "quick", "train.epochs=9")) == 1
        with pytest.raises(UsageError, match=r"tiny \(notebook, quick"):
            store.table("tiny", "paper")


def test_a_changed_default_refuses_the_old_result_by_naming_the_field(path):
    def spec(default: str) -> RunSpec:
        class Net(Spec):
            __module__ = "allometry.imagined"  # a user's own fields are in the name
            width: int
            activation: str = default

        return specs(1)[0].model_copy(update={"model": Net(width=1)})

    before, after = spec("relu"), spec("tanh")
    assert before.run_id == after.run_id
    with Store(path, write=True) as store:
        store.commit([RunResult(before, "done", {}, 0.0)], PROVENANCE)
        assert store.pending([before]) == []
        with pytest.raises(DataError, match=r"model\.activation was 'relu' and is 'tanh' now"):
            store.pending([after])


# ---- one writer, many readers --------------------------------------------------------------


def test_a_second_writer_is_told_who_holds_the_store_and_what_to_do(path):
    with Store(path, write=True), pytest.raises(StoreBusyError) as refused:
        Store(path, write=True)
    said = str(refused.value)
    assert refused.value.exit_code == 75
    assert f"process {os.getpid()} on " in said and "since 20" in said and "--store" in said
    with Store(path, write=True):
        pass


def test_two_names_of_one_store_share_its_lock(path, tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with Store(path, write=True), pytest.raises(StoreBusyError):
        Store(link, write=True)


HOLD = """
import sys, time
from allometry.store import Store
store = Store(sys.argv[1], write=True)
print("held", flush=True)
time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_taken_over_at_once(path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(StoreBusyError, match=f"process {holder.pid} "):
            Store(path, write=True)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    began = time.perf_counter()
    with Store(path, write=True) as store:
        store.commit([result(specs(1)[0])], PROVENANCE)
    assert time.perf_counter() - began < 2


def test_a_lock_file_with_nonsense_in_it_is_no_obstacle(path):
    path.with_name("s.db.lock").write_bytes(b"\xff\x00 not JSON")
    with Store(path, write=True):
        pass


def test_readers_see_whole_packs_while_the_writer_works(path):
    some = specs(60)
    with Store(path, write=True) as store:
        store.declare("tiny", "quick", "", some)
    seen: list[int] = []
    finished = threading.Event()

    def read() -> None:
        while not finished.is_set():
            with Store(path) as reader:
                seen.append(len(reader.table("tiny", "quick")))

    reader = threading.Thread(target=read)
    reader.start()
    with Store(path, write=True) as store:
        for i in range(0, 60, 4):
            store.commit([result(s) for s in some[i : i + 4]], PROVENANCE)
            time.sleep(0.002)
    finished.set()
    reader.join()
    assert seen and all(n % 4 == 0 for n in seen)
    assert seen == sorted(seen)


def test_a_reader_cannot_write(filled):
    with Store(filled) as store, pytest.raises(UsageError, match="open for reading"):
        store.commit([], PROVENANCE)


# ---- places --------------------------------------------------------------------------------


def test_a_missing_store_says_how_to_make_one(tmp_path):
    with pytest.raises(UsageError, match="allometry run STUDY --store"):
        Store(tmp_path / "none.db")
    with pytest.raises(UsageError, match="no folder"):
        Store(tmp_path / "no" / "none.db", write=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a b.db", "50%.db", "q?x=1#y.db", "ü☃.db", "quote'.db"])
def test_a_store_may_have_any_name(tmp_path, name):
    with Store(tmp_path / name, write=True) as store:
        store.commit([result(specs(1)[0])], PROVENANCE)
    with Store(tmp_path / name) as store:
        assert store.verify().runs == 1


@pytest.mark.parametrize("kind", ["nfs4", "nfs", "cifs", "9p", "fuse.sshfs", "lustre", "smb3"])
def test_a_network_filesystem_is_refused_before_anything_is_written(path, kind):
    with pytest.raises(DiskError, match=rf"\({kind}\).*--store"):
        Store(path, write=True, filesystem=lambda folder: kind)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "apfs", "zfs", None])
def test_a_disk_of_this_machine_is_accepted(path, kind):
    Store(path, write=True, filesystem=lambda folder: kind).close()


def test_the_kind_of_a_filesystem_is_what_the_kernel_says():
    if not Path("/proc/self/mountinfo").exists():
        pytest.skip("no /proc/self/mountinfo on this system")
    assert filesystem_type(Path("/proc/self")) == "proc"


@pytest.mark.parametrize("odd", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\r"])
def test_a_mount_point_may_have_any_character(tmp_path, odd):
    point, listed = tmp_path / f"a {odd}b", tmp_path / "mountinfo"
    escaped = str(point).replace(" ", "\\040")
    lines = [
        "22 1 0:21 / / rw - ext4 /dev/a rw",
        f"23 22 0:22 / {escaped} rw shared:1 - nfs4 h:/ rw",
    ]
    listed.write_bytes("".join(f"{line}\n" for line in lines).encode())
    assert filesystem_type(point / "s.db", listed) == "nfs4"
    assert filesystem_type(tmp_path, listed) == "ext4"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_somebody_else_is_refused_by_name(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DiskError, match=r"s\.db"):
        Store(tmp_path / "s.db", write=True)


def test_a_folder_instead_of_a_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is a folder"):
        Store(tmp_path, write=True)


@pytest.mark.parametrize("write", [False, True])
def test_other_files_are_refused_and_left_alone(path, write):
    for content in (b"a,b\n1,2\n" * 200, _other_database(path.with_name("other.db"))):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"s\.db"):
            Store(path, write=write)
        assert path.read_bytes() == content


def _other_database(path: Path) -> bytes:
    _raw(path, "CREATE TABLE music (title)")
    return path.read_bytes()


# ---- versions ------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [False, True])
def test_a_store_from_a_newer_version_is_refused_in_words(filled, write):
    _raw(filled, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(DataError, match=r"newer allometry.*pip install -U"):
        Store(filled, write=write)


def test_an_older_store_is_copied_then_brought_forward(filled):
    later = (*MIGRATIONS, ("ALTER TABLE quarantine ADD COLUMN why TEXT",))
    with pytest.raises(DataError, match=f"version {len(MIGRATIONS)}"):
        open_reader(filled, later)
    open_writer(filled, later).connection.close()
    connection = open_reader(filled, later).connection
    assert connection.execute("PRAGMA user_version").fetchone() == (len(later),)
    assert connection.execute("SELECT count(*), count(why) FROM quarantine").fetchone() == (0, 0)
    assert connection.execute("SELECT count(*) FROM runs").fetchone() == (12,)
    connection.close()
    with Store(filled.with_name(f"s.db.version{len(MIGRATIONS)}")) as old:
        assert old.verify().runs == 12 and old.verify().damaged == ()


def test_a_failed_migration_changes_nothing(filled):
    broken = (*MIGRATIONS, ("CREATE TABLE more (x)", "CREATE TABLE more (x)"))
    for _ in range(2):
        with pytest.raises(DataError):
            open_writer(filled, broken)
    with Store(filled) as store:
        assert store.verify().damaged == ()


def test_the_file_says_what_it_is_and_is_safe_against_power_loss(filled):
    with Store(filled, write=True) as store:
        asked = {
            name: store._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in (
                "application_id", "user_version", "journal_mode", "synchronous", "foreign_keys",
                "cell_size_check", "trusted_schema", "mmap_size", "busy_timeout",
            )
        }  # fmt: skip
    assert asked == {
        "application_id": APPLICATION_ID,
        "user_version": len(MIGRATIONS),
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "cell_size_check": 1,
        "trusted_schema": 0,
        "mmap_size": 0,
        "busy_timeout": 60000,
    }


# ---- damage --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    ["spec", "status", "row", "seconds", "provenance", "finished_at", "sha256", "trajectories"],
)
def test_a_change_in_any_field_of_a_run_is_found_and_the_run_is_pending_again(filled, field):
    some, changed = specs(12), specs(12)[4].run_id
    value = {"seconds": 9.0, "trajectories": b"12"}.get(field, "x")
    _raw(filled, f"UPDATE runs SET {field} = ? WHERE run_id = ?", (value, changed))
    with Store(filled) as store:
        found = store.verify()
        assert found.runs == 12
        assert changed in {d.run_id for d in found.damaged}
        with pytest.raises(DataError, match=rf"{changed[:12]}.*allometry verify"):
            store.table("tiny", "quick")
        if field != "provenance":
            with pytest.raises(DataError, match=changed[:12]):
                store.trajectories(changed)
    with Store(filled, write=True) as store:
        assert {d.run_id for d in store.check(some)} == {changed}
        assert store.check(some[5:]) == ()
        store.quarantine(store.verify().damaged)
        assert store.verify().damaged == ()
        assert store.pending(some) == [some[4]]
        store.commit([result(some[4])], PROVENANCE)
        assert len(store.table("tiny", "quick")) == 12


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE declared SET position = 3 WHERE position = 2",
        "UPDATE declared SET run_id = 'x' WHERE position = 2",
        "UPDATE declared SET study = CAST(x'ff' AS TEXT) WHERE position = 2",
        "UPDATE declared SET spec = '{}' WHERE position = 2",
    ],
)
def test_a_changed_declaration_is_found_and_declared_anew(filled, statement):
    _raw(filled, statement)
    with Store(filled, write=True) as store:
        assert len(store.verify().damaged) == 1
        store.quarantine(store.check([]))
        store.declare("tiny", "quick", "", specs(12))
        assert store.verify().damaged == ()
        assert _declared(store) == [s.run_id for s in specs(12)]
        assert store.pending(specs(12)) == []


def test_changed_provenance_damages_the_runs_that_rest_on_it(filled):
    with Store(filled, write=True) as store:
        store.commit([result(s) for s in specs(2, (50,))], {"device": "another"})
    _raw(filled, "UPDATE provenance SET document = '{}' WHERE document LIKE '%another%'")
    with Store(filled, write=True) as store:
        assert {d.run_id for d in store.check(specs(12))} == set()
        damaged = {d.run_id for d in store.verify().damaged if d.run_id}
        assert damaged == {s.run_id for s in specs(2, (50,))}
        store.quarantine(store.verify().damaged)
        assert store.verify().damaged == ()
        assert store.verify().runs == 12


def test_what_is_set_aside_is_kept_as_it_was_found(filled):
    _raw(filled, "UPDATE runs SET row = CAST(x'ff00' AS TEXT) WHERE rowid = 3")
    with Store(filled, write=True) as store:
        store.quarantine(store.verify().damaged)
        kept = store._connection.execute("SELECT CAST(row AS BLOB), spec, what FROM quarantine")
        row, spec, what = kept.fetchone()
    assert row == b"\xff\x00"
    assert json.loads(spec)["model"]["width"] == 3
    assert "SHA-256" in what


# ---- copies --------------------------------------------------------------------------------


def test_a_backup_made_while_writing_has_everything_committed(filled, tmp_path):
    copy = tmp_path / "copy.db"
    with Store(filled, write=True) as store:
        store.commit([result(s) for s in specs(3, (43,))], PROVENANCE)
        store.backup(copy)
        with pytest.raises(UsageError, match="exists"):
            store.backup(copy)
    with Store(copy) as store:
        assert store.verify().runs == 15
        assert store.verify().damaged == ()
    with Store(copy, write=True) as store:
        store.commit([result(s) for s in specs(4, (43,))], PROVENANCE)


def test_salvage_copies_what_is_whole(filled, tmp_path):
    _raw(filled, "UPDATE runs SET row = '{}' WHERE rowid IN (2, 5)")
    with Store(filled) as store:
        found = store.salvage(tmp_path / "new.db")
    assert (found.runs, len(found.damaged)) == (10, 2)
    with Store(tmp_path / "new.db") as store:
        assert store.verify().damaged == ()
        assert [s.model.width for s in store.pending(specs(12))] == [2, 5]  # type: ignore[attr-defined]
        assert len(store.table("tiny", "quick")) == 10


# ---- any order, any number of times --------------------------------------------------------


class Deliveries(RuleBasedStateMachine):
    """A dict beside the store: results delivered in any order, again and again, must agree."""

    @initialize()
    def start(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "s.db"
        self.specs = specs(8)
        self.model: set[str] = set()
        with Store(self.path, write=True) as store:
            store.declare("tiny", "quick", "", self.specs)

    @rule(which=st.lists(st.integers(0, 7), max_size=5, unique=True))
    def deliver(self, which):
        with Store(self.path, write=True) as store:
            chosen = [self.specs[i] for i in which]
            new = store.commit([result(s) for s in chosen], PROVENANCE)
            assert new == len({s.run_id for s in chosen} - self.model)
            self.model |= {s.run_id for s in chosen}

    @rule(which=st.integers(0, 7))
    def damage(self, which):
        with sqlite3.connect(self.path) as raw:
            raw.execute("UPDATE runs SET row='{}' WHERE run_id=?", (self.specs[which].run_id,))
        raw.close()
        with Store(self.path, write=True) as store:
            store.quarantine(store.check(self.specs))
        self.model.discard(self.specs[which].run_id)

    @rule()
    def declare_again(self):
        with Store(self.path, write=True) as store:
            store.declare("tiny", "quick", "", self.specs)

    @invariant()
    def agrees(self):
        if not hasattr(self, "path"):
            return
        with Store(self.path) as store:
            assert set(_declared(store)) == self.model
            assert {s.run_id for s in store.pending(self.specs)} == {
                s.run_id for s in self.specs
            } - self.model
            assert store.verify().damaged == ()

    def teardown(self):
        if hasattr(self, "folder"):
            self.folder.cleanup()


Deliveries.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
test_deliveries = Deliveries.TestCase


@pytest.mark.slow
def test_a_hundred_thousand_runs_are_compared_in_seconds(path):
    many = [s.model_copy(update={"model": Net(width=i)}) for i, s in enumerate(specs(1) * 100_000)]
    with Store(path, write=True) as store:
        store.declare("tiny", "quick", "", many)
        store.commit([RunResult(s, "done", {"x": 1.0}, 0.1) for s in many], PROVENANCE)
        began = time.perf_counter()
        assert store.pending(many) == []
        assert time.perf_counter() - began < 20
