"""Several stores in one: all runs and declarations, each once, or nothing at all."""

import multiprocessing
import os
import signal

import pytest

from allometry.errors import DataError, UsageError
from allometry.files import durable
from allometry.run import run
from allometry.store import Store, copies
from allometry.store.copies import merge
from allometry.store.opening import open_writer
from allometry.store.schema import MIGRATIONS
from allometry.training.result import RunResult
from tests.store.cases import PROVENANCE, Imagined, result, specs, study


def fill(path, runs, declared=None, size="quick", provenance=PROVENANCE):
    with Store(path, write=True) as store:
        store.declare("tiny", size, "", declared or runs)
        store.commit([result(s) for s in runs], provenance)
    return path


def contents(path):
    """All that a person sees of a store with study tiny."""
    with Store(path) as store:
        assert store.verify().damaged == ()
        sizes = [entry.size for entry in store.status()]
        rows = {size: list(store.table("tiny", size)) for size in sizes}
        return repr((rows, store.exclusions(), store.status()))


def test_a_merged_store_has_what_each_had_and_the_others_are_as_before(tmp_path):
    first = fill(tmp_path / "a.db", specs(4), specs(5))
    second = fill(tmp_path / "b.db", specs(6, (43,)), provenance={"device": "another"})
    fill(second, specs(4)[2:], specs(4)[2:], "large")
    with Store(second, write=True) as store:
        store.exclude([specs(1, (43,))[0].run_id], "odd")
    before = contents(first), contents(second)
    merged = merge([first, second], tmp_path / "c.db")
    assert (merged.taken, merged.repeated, merged.differing) == ((4, 6), 2, 0)
    assert (contents(first), contents(second)) == before
    with Store(tmp_path / "c.db", write=True) as store:
        assert store.verify().damaged == () and len(store.run_ids()) == 10
        every = [*specs(5), *specs(6, (43,))]
        assert store.declared("tiny", "quick") == [s.run_id for s in every], (
            "the first's come first"
        )
        assert store.declared("tiny", "large") == [s.run_id for s in specs(4)[2:]]
        assert list(store.exclusions().values()) == ["odd"]
        assert store.pending(every) == [specs(5)[4]]
        assert store.provenance("tiny", "quick") == [(PROVENANCE, 4), ({"device": "another"}, 6)]
        for spec in specs(4):
            arrays = store.trajectories(spec.run_id)
            assert arrays["test_loss"].tobytes() == result(spec).trajectories["test_loss"].tobytes()
    outcome = run(study(6, 2), store=tmp_path / "c.db", engine=Imagined())
    assert (outcome.trained, outcome.stored_before) == (2, 10)


def test_merging_a_store_with_itself_gives_it_back(tmp_path):
    only = fill(tmp_path / "a.db", specs(5))
    merged = merge([only, only, only], tmp_path / "c.db")
    assert (merged.taken, merged.repeated) == ((5, 0, 0), 10)
    assert contents(tmp_path / "c.db") == contents(only)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda r: {"row": {**r.row, "test_loss": 9.0}}, "test_loss"),
        (lambda r: {"row": {**r.row, "more": 1}}, "more"),
        (lambda r: {"status": "diverged"}, "status"),
        (lambda r: {"trajectories": {**r.trajectories, "epoch": 0 * r.trajectories["epoch"]}},
         "trajectory epoch"),
    ],
)  # fmt: skip
def test_one_name_with_other_content_is_refused_by_name_or_the_first_is_kept(
    tmp_path, changed, words
):
    first, second = fill(tmp_path / "a.db", specs(3)), tmp_path / "b.db"
    original = result(specs(3)[1])
    other = RunResult(**{**vars(original), **changed(original)})
    with Store(second, write=True) as store:
        store.commit([other], PROVENANCE)
    with pytest.raises(DataError) as refused:
        merge([first, second], tmp_path / "c.db")
    assert f"{specs(3)[1].run_id[:12]} of {first} and {second}: {words}." in str(refused.value)
    assert {p.name for p in tmp_path.glob("c.db*")} <= {"c.db.lock"}
    merged = merge([first, second], tmp_path / "c.db", keep_first=True)
    assert (merged.taken, merged.differing) == ((3, 0), 1)
    assert contents(tmp_path / "c.db") == contents(first)


def test_seconds_and_provenance_may_differ_and_those_of_the_first_are_kept(tmp_path):
    first, second = fill(tmp_path / "a.db", specs(1)), tmp_path / "b.db"
    with Store(second, write=True) as store:
        again = RunResult(**{**vars(result(specs(1)[0])), "seconds": 99.0})
        store.commit([again], {"device": "another"})
    assert merge([second, first], tmp_path / "c.db").repeated == 1
    with Store(tmp_path / "c.db") as store:
        assert store.table("tiny", "quick")["seconds"].tolist() == [99.0]


def test_what_cannot_be_merged_is_refused_and_nothing_is_made(tmp_path):
    whole = fill(tmp_path / "a.db", specs(3))
    damaged = fill(tmp_path / "b.db", specs(3))
    with Store(damaged, write=True) as store, store._transaction() as connection:
        connection.execute("UPDATE runs SET row = '{}' WHERE rowid = 2")
    for stores, output, kind, words in (
        ([whole, damaged], "c.db", DataError, "b.db is damaged"),
        ([whole, tmp_path / "none.db"], "c.db", UsageError, "no store at"),
        ([whole], "a.db", UsageError, "exists"),
        ([whole], "no/c.db", UsageError, "no folder"),
    ):
        with pytest.raises(kind, match=words):
            merge(stores, tmp_path / output)
    assert not (tmp_path / "c.db").exists() and contents(whole)


def test_a_store_of_the_first_version_is_merged(tmp_path):
    old, new = tmp_path / "old.db", fill(tmp_path / "a.db", specs(2))
    open_writer(old, MIGRATIONS[:1]).connection.close()
    before = old.read_bytes()
    assert merge([old, new], tmp_path / "c.db").taken == (0, 2)
    assert old.read_bytes() == before


def _killed_after(writes, stores, output):
    """Merge, and be killed at the given write into the new store."""

    class Killed(copies._Union):
        def add(self, path, source):
            super().add(path, source)
            if len(self.taken) == writes:
                os.kill(os.getpid(), signal.SIGKILL)

    copies._Union = Killed
    if writes == 0:
        durable.written.__wrapped__.__globals__["_flush"] = lambda *_: os.kill(
            os.getpid(), signal.SIGKILL
        )
    merge(stores, output)


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_merge_that_is_killed_leaves_no_store_and_can_be_made_again(tmp_path, writes):
    """After the first store, after the second, and when all is written but not yet named."""
    stores = [fill(tmp_path / "a.db", specs(3)), fill(tmp_path / "b.db", specs(3, (43,)))]
    output = tmp_path / "c.db"
    process = multiprocessing.get_context("spawn").Process(
        target=_killed_after, args=(writes, stores, output)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not output.exists()
    assert merge(stores, output).taken == (3, 3)
    assert {p.name for p in tmp_path.glob("c.db*")} <= {"c.db", "c.db.lock", "c.db-wal", "c.db-shm"}
