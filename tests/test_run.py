"""A study is trained once, and goes on where it stopped, however it was stopped."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from allometry.engines.progress import SAME, STOPPING
from allometry.errors import DataError, StoreBusyError, UsageError
from allometry.run import run
from allometry.spec import RunSpec, Spec
from allometry.store import Store
from allometry.studies import name_of
from allometry.training.phases import phase
from tests.store.cases import Imagined, InPacks, result, specs, study


class Heard:
    """Progress that keeps what it is told."""

    def __init__(self):
        self.said = []
        self.steps = 0

    def begin(self, runs, stored, packs, steps):
        self.said.append(("begin", runs, stored, packs, steps))

    def advance(self, model_steps):
        self.steps += model_steps

    def finished(self, results):
        self.said.append(("finished", len(results)))

    def draining(self):
        self.said.append(("draining",))

    def end(self):
        self.said.append(("end",))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.db"


def _content(table):
    """What must be equal between two ways to the same table: all but the time it took."""
    return {n: table[n].tolist() for n in table.columns if n != "seconds"}.__repr__()


def test_a_study_is_trained_then_found_stored(path):
    heard = Heard()
    first = run(study(), store=path, engine=Imagined(), progress=heard)
    assert (first.trained, first.stored_before, first.pending, first.diverged) == (24, 0, 0, 2)
    assert (first.interrupted, first.exit_code) == (False, 0)
    assert heard.said == [("begin", 24, 0, 8, 240), *[("finished", 3)] * 8, ("end",)]
    assert heard.steps == 240
    nothing, heard = Imagined(), Heard()
    second = run(study(), store=path, engine=nothing, progress=heard)
    assert (second.trained, second.stored_before, nothing.trained) == (0, 24, [])
    assert heard.said == []
    assert _content(second.table) == _content(first.table)
    assert first.table["run_id"].tolist() == [s.run_id for s in study().specs("quick")]


def test_more_seeds_train_only_what_is_new_and_fewer_show_what_was_asked(path):
    run(study(5), store=path, seeds=1, engine=Imagined())
    more = run(study(5), store=path, seeds=3, engine=Imagined())
    assert (more.trained, more.stored_before, len(more.table)) == (10, 5, 15)
    fewer = run(study(5), store=path, seeds=1, engine=Imagined())
    assert (fewer.trained, len(fewer.table)) == (0, 5)
    assert set(fewer.table["seed"]) == {42}


def test_without_a_size_the_first_one_is_run(path):
    own = replace(study(3, 1), sizes=("tiny", "full"), seeds={"full": (0, 1)})
    assert run(own, store=path, engine=Imagined()).trained == 3
    assert run(own, "full", store=path, engine=Imagined()).trained == 3


def test_seeds_may_be_listed(path):
    outcome = run(study(3, 1), store=path, engine=Imagined(), seeds=[7, 11])
    assert set(outcome.table["seed"]) == {7, 11}


@pytest.mark.parametrize("seeds", [None, 0, []])
def test_an_empty_list_of_runs_is_refused_and_leaves_the_store_as_it_was(path, seeds):
    whole = study(3, 1)
    run(whole, store=path, engine=Imagined())
    emptied = whole if seeds is not None else replace(whole, runs=lambda size, chosen: [])
    with Store(path) as store:
        before = store.status()
    with pytest.raises(UsageError, match=r"study tiny, size 'quick', seeds .*: no runs"):
        run(emptied, store=path, seeds=seeds, engine=Imagined())
    with Store(path) as store:
        assert store.status() == before


def test_changed_runs_are_a_variant_beside_the_study(path):
    run(study(4, 1), store=path, engine=Imagined())
    changed = run(study(4, 1), store=path, changes={"train.epochs": "9"}, engine=Imagined())
    assert changed.trained == 4
    with Store(path) as store:
        assert [s.variant for s in store.status()] == ["", "train.epochs=9"]
        assert len(store.table("tiny", "quick")) == 4


def test_an_engine_that_fails_loses_no_finished_pack(path):
    def fail_on_the_third(pack):
        if len(engine.trained) == 6:
            raise RuntimeError("out of memory")

    engine, heard = Imagined(before=fail_on_the_third), Heard()
    with pytest.raises(RuntimeError, match="out of memory"):
        run(study(), store=path, engine=engine, progress=heard)
    assert heard.said[-1] == ("end",)
    again = run(study(), store=path, engine=Imagined())
    assert (again.stored_before, again.trained) == (6, 18)


def test_a_damaged_run_is_set_aside_and_trained_again(path):
    whole = run(study(), store=path, engine=Imagined())
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE runs SET row = replace(row, '0.', '1.') WHERE rowid = 5")
    raw.close()
    engine = Imagined()
    mended = run(study(), store=path, engine=engine)
    assert (mended.quarantined, mended.trained, len(engine.trained)) == (1, 1, 1)
    assert _content(mended.table) == _content(whole.table)
    with Store(path) as store:
        assert store.verify().damaged == ()


def test_a_changed_default_stops_the_run_and_leaves_the_store_as_it_was(path):
    class Layer(Spec):
        __module__ = "allometry.imagined"  # a user's own fields are in the name
        width: int
        activation: str = "relu"

    class Renewed(Spec):
        __module__ = "allometry.imagined"
        width: int
        activation: str = "tanh"

    Renewed.__name__ = "Layer"

    def of(kind):
        own = [s.model_copy(update={"model": kind(width=3)}) for s in specs(1, (42, 43))]
        return replace(study(1), runs=lambda size, seeds: own)

    run(of(Layer), store=path, engine=Imagined())
    with Store(path) as store:
        before = store.status()
    with pytest.raises(DataError, match=r"model\.activation was 'relu' and is 'tanh'"):
        run(of(Renewed), store=path, engine=Imagined())
    with Store(path) as store:
        assert store.status() == before


def test_a_second_run_on_the_same_store_is_refused(path):
    def start_another(pack):
        with pytest.raises(StoreBusyError):
            run(study(), store=path, engine=Imagined())

    run(study(2, 1), store=path, engine=Imagined(before=start_another))


def test_a_name_that_is_no_study_is_told(path):
    with pytest.raises(UsageError, match="no study 'unheard'"):
        run("unheard", store=path)


# ---- signals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_one_signal_finishes_and_stores_the_pack_in_flight(path, number, code):
    def interrupt_the_second(pack: list[RunSpec]) -> None:
        if len(engine.trained) == 3:
            os.kill(os.getpid(), number)

    before = [signal.getsignal(s) for s in STOPPING]
    engine, heard = Imagined(before=interrupt_the_second), Heard()
    stopped = run(study(), store=path, engine=engine, progress=heard, when_stopped="return")
    assert (stopped.interrupted, stopped.exit_code) == (True, code)
    assert (stopped.trained, stopped.pending, len(stopped.table)) == (6, 18, 6)
    assert heard.said.count(("draining",)) == 1
    assert [signal.getsignal(s) for s in STOPPING] == before
    assert run(study(), store=path, engine=Imagined()).trained == 18


@pytest.mark.parametrize(
    ("number", "ended", "text"),
    [
        (signal.SIGINT, KeyboardInterrupt, "18 runs are pending"),
        (signal.SIGTERM, SystemExit, "143"),
        (signal.SIGHUP, SystemExit, "129"),
    ],
)
def test_a_script_ends_once_the_pack_in_flight_is_stored_and_says_so(
    path, caplog, number, ended, text
):
    """A loop over settings would go on with the next, and a fit would fit half a sweep."""

    def interrupt_the_second(pack: list[RunSpec]) -> None:
        if len(engine.trained) == 3:
            os.kill(os.getpid(), number)

    engine = Imagined(before=interrupt_the_second)
    with pytest.raises(ended, match=text):
        run(study(), store=path, engine=engine)
    assert caplog.messages == ["stopping after the pack in flight; once more stops at once"]
    with Store(path) as store:
        assert len(store.table("tiny", "quick")) == 6


def test_a_second_signal_stops_at_once_and_loses_no_finished_pack(path):
    def interrupt_twice(pack):
        if len(engine.trained) == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(SAME + 0.1)
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    engine = Imagined(before=interrupt_twice)
    with pytest.raises(KeyboardInterrupt):
        run(study(), store=path, engine=engine)
    assert signal.getsignal(signal.SIGINT) is before
    assert run(study(), store=path, engine=Imagined()).stored_before == 3


def test_a_signal_that_is_sent_twice_at_once_asks_once(path):
    """`timeout` signals the process and then its group; a shell passes a hangup on."""

    def interrupt_twice(pack):
        if len(engine.trained) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGHUP)

    engine = Imagined(before=interrupt_twice)
    stopped = run(study(), store=path, engine=engine, when_stopped="return")
    assert (stopped.exit_code, stopped.trained) == (143, 6)


def test_an_ignored_signal_stays_ignored(path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        engine = Imagined(before=lambda pack: os.kill(os.getpid(), signal.SIGINT))
        assert not run(study(), store=path, engine=engine).interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_signals_are_left_alone(path):
    handlers = []
    engine = Imagined(before=lambda pack: handlers.append(signal.getsignal(signal.SIGINT)))
    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=lambda: run(study(3, 1), store=path, engine=engine))
    thread.start()
    thread.join()
    assert handlers == [before]
    with Store(path) as store:
        assert store.pending(study(3, 1).specs("quick")) == []


# ---- what is loaded ------------------------------------------------------------------------


LIGHT = """
import sys
from allometry.run import run
from allometry.studies import name_of
from allometry.training.phases import phase
from tests.store.cases import study
outcome = run(study(), store=sys.argv[1])
assert (outcome.stored_before, outcome.trained) == (24, 0)
assert "jax" not in sys.modules, "a finished study loaded JAX"
"""


def test_resuming_a_finished_study_does_not_load_jax(path, pytestconfig):
    run(study(), store=path, engine=Imagined())
    subprocess.run([sys.executable, "-c", LIGHT, path], check=True, cwd=pytestconfig.rootpath)


def test_the_local_engine_makes_each_pack_by_the_studys_procedure(path):
    from allometry.engines.local import LocalEngine
    from allometry.training.procedure import Pack, Procedure

    calls = []

    class TwoPacks(Procedure):
        def packs(self, specs):
            return [Pack(tuple(specs[:7])), Pack(tuple(specs[7:]))]

        def updates(self, spec):
            return 10

        def run(self, pack, measures, trajectory, advance, checkpoints=None):
            calls.append((pack.specs, measures, trajectory))
            advance(10 * len(pack.specs))
            return [result(s) for s in pack.specs]

    tiny = replace(study(5), procedure=TwoPacks())
    heard = Heard()
    outcome = run(tiny, store=path, engine=LocalEngine(), progress=heard)
    assert [len(pack) for pack, _, _ in calls] == [7, 3]
    assert all(m is tiny.measures and t is tiny.trajectory for _, m, t in calls)
    assert (outcome.trained, heard.steps) == (10, 100)
    with Store(path) as store:
        ((document, runs),) = store.provenance("tiny", "quick")
    assert runs == 10 and document["platform"] == "cpu"


@pytest.mark.parametrize("made_of", [str, Path])
def test_every_call_takes_a_study_its_file_or_its_folder_alike(tmp_path, monkeypatch, made_of):
    import allometry as al

    monkeypatch.chdir(tmp_path)
    text = "from tests.store.cases import study\nSTUDY = study(4, 1)\n"
    (tmp_path / "mine").mkdir()
    for file in (tmp_path / "mine.py", tmp_path / "mine" / "study.py"):
        file.write_text(text)
    al.run(study(4, 1), store="s.db", engine=Imagined())
    places = ("mine.py", "./mine.py", "mine", "./mine", str(tmp_path / "mine"), "mine/study.py")
    for place in (study(4, 1), *map(made_of, places)):
        assert al.run(place, store="s.db").stored_before == 4
        assert al.explain(place, store="s.db").runs == 0
        table = al.table(place, store="s.db")
        assert len(table) == 4
        page = al.write_report(
            place, table, tmp_path / "page.html", size="quick", provenance=(), command="none"
        )
        assert "Does the store keep what it is given?" in page.read_text()
    assert len(al.table("tiny", store="s.db")) == 4, "a name needs no file"
    for missing in ("./none", "none.py", str(tmp_path)):
        with pytest.raises(UsageError, match=r"no (study|file)"):
            al.table(made_of(missing), store="s.db")


def test_a_folder_named_as_a_shipped_study_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grokking").mkdir()
    assert name_of("grokking") == ("grokking", None)


def test_provenance_keeps_the_seconds_of_each_phase_of_a_pack(path):
    from allometry.engines.local import LocalEngine

    class Slow(InPacks):
        def run(self, pack, measures, trajectory, advance, checkpoints=None):
            with phase("load"):
                time.sleep(0.12)
            time.sleep(0.21)
            return [result(spec) for spec in pack.specs]

    run(replace(study(2, seeds=1), procedure=Slow(1)), store=path, engine=LocalEngine())
    with Store(path) as store:
        documents = [document for document, _ in store.provenance("tiny", "quick")]
    for document in documents:
        assert 0.1 <= document["seconds_load"] < 0.2 <= document["seconds_train"]
        assert "seconds_compile" not in document


def test_a_folder_beside_a_report_does_not_hide_the_study_of_its_name(tmp_path, monkeypatch):
    import allometry as al

    monkeypatch.chdir(tmp_path)
    run(study(2, seeds=1), store="s.db", engine=Imagined())
    (tmp_path / "tiny").mkdir()
    assert len(al.table("tiny", store="s.db")) == 2
