"""Training stopped in the middle goes on from its checkpoint, to the same bits."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from allometry import measures, studies
from allometry.datasets.modular import ModularAddition
from allometry.engines.executor import ExecutorEngine
from allometry.engines.local import LocalEngine
from allometry.engines.progress import Silent
from allometry.errors import DiskError, UsageError
from allometry.measures.norms import weight_norm
from allometry.models import OneLayerTransformer
from allometry.run import run
from allometry.spec import Experiment, RunSpec, TrainSpec
from allometry.spec.optimizers import AdamW
from allometry.store.record import encode_arrays, encode_row
from allometry.training import checkpoints
from allometry.training import loop as train
from allometry.training.checkpoints import Checkpoints
from allometry.training.function import Function
from allometry.training.loop import train_pack
from allometry.training.procedure import Pack
from tests.engines.cases import content
from tests.training.test_loop import changed, convnet, small

FILE = Path(__file__).with_name("long_study.py")
MEASURES = {"losses": measures.losses, "norm": weight_norm}


class Stop(BaseException):
    """In place of a kill: raised in the middle of training."""


def addition(d_mlp):
    data = ModularAddition(p=7, fraction=0.6)
    training = TrainSpec(optimizer=AdamW(), epochs=200, batch_size=data.n_data)
    model = OneLayerTransformer(p=7, d_model=8, n_heads=2, d_mlp=d_mlp)
    return RunSpec(model=model, data=data, train=training, seed=0)


PACKS = {
    "side by side, with a trajectory": [
        changed(small((7, h, 3), epochs=12), measure_every=3) for h in (3, 12, 5)
    ],
    "side by side, one diverging": [small((7, 5, 3), rate=r, epochs=40) for r in (1e-3, 1e30)],
    "float64": [changed(small((7, h, 3), epochs=40), precision="float64") for h in (3, 5)],
    "bfloat16": [changed(small((7, h, 3), epochs=40), precision="bfloat16") for h in (3, 5)],
    "torch's order": [changed(small((7, 5, 4, 3), epochs=40), batch_order="torch")],
    "stacked transformers": [addition(d_mlp) for d_mlp in (8, 12)],
    "chunks with dropout": [
        changed(convnet(batch=40, dropout=0.3, epochs=4), measure_every=1, optimizer=AdamW())
    ],
}


def everything(results):
    """All of the results but the time they took, as bytes."""
    return [
        (r.spec.run_id, r.status, encode_row(r.row), encode_arrays(r.trajectories)) for r in results
    ]


def trained(specs, place=None, calls=None):
    """Results; or Stop after so many calls of the program in this sitting."""
    made = []

    def advance(steps):
        made.append(steps)
        if calls is not None and len(made) == calls:
            raise Stop

    return train_pack(Pack(tuple(specs)), MEASURES, MEASURES, advance, checkpoints=place)


def calls_of(specs):
    made = []
    train_pack(Pack(tuple(specs)), {}, {}, made.append)
    return len(made)


@pytest.fixture
def place(tmp_path):
    return Checkpoints(tmp_path / "kept", 0.0)


@pytest.fixture
def made_now(monkeypatch):
    """One entry for each call of a program that really trains."""
    made, update = [], train.update
    monkeypatch.setattr(train, "update", lambda *a: made.append(1) or update(*a))
    return made


@pytest.mark.parametrize("name", PACKS)
def test_stopped_anywhere_it_ends_with_the_same_bits(name, place, made_now):
    specs = PACKS[name]
    whole, total = everything(trained(specs)), calls_of(specs)
    assert total >= 4
    for stop in range(2, total + 1):
        with pytest.raises(Stop):
            trained(specs, place, stop)
        made_now.clear()
        assert everything(trained(specs, place)) == whole
        assert len(made_now) == total - stop
        for file in place.folder.iterdir():
            file.unlink()


def test_stopped_again_and_again_it_ends_with_the_same_bits(place):
    specs = PACKS["side by side, with a trajectory"]
    for stop in (2, 3, 4):
        with pytest.raises(Stop):
            trained(specs, place, stop)
    assert everything(trained(specs, place)) == everything(trained(specs))


def test_the_time_is_that_of_all_sittings(place):
    specs = PACKS["side by side, one diverging"]
    kept = place.of(specs)
    with pytest.raises(Stop):
        trained(specs, place, 2)
    facts, arrays = kept.read()
    assert facts["seconds"] > 0
    kept.write({**facts, "seconds": 5000.0}, arrays)
    seconds = [r.seconds for r in trained(specs, place)]
    assert all(2500 < s < 2600 for s in seconds), "each of two has half"


def test_nothing_is_written_before_the_interval_is_over(place):
    trained(PACKS["torch's order"], replace(place, seconds=1000.0))
    assert not place.folder.exists()


def test_a_checkpoint_is_safetensors_that_anyone_can_read(place):
    from safetensors.numpy import load_file

    specs = PACKS["side by side, with a trajectory"]
    with pytest.raises(Stop):
        trained(specs, place, 3)
    (file,) = place.folder.iterdir()
    arrays = load_file(file)
    assert file.suffix == ".safetensors"
    assert arrays["state.params['first'][0]"].shape == (3 + 12 + 5, 7)
    assert arrays["point/2/1/weight0"].shape == (5, 7)


# ---- what must not be used -------------------------------------------------------------------


def damages(data):
    """Names and contents of files that are not what was written, every part of the file hit."""
    random = np.random.default_rng(0)
    header = int.from_bytes(data[:8], "little")
    places = [0, 7, 8, 9, *random.integers(8, 8 + header, 60), *random.integers(0, len(data), 60)]
    for at in map(int, places):
        bit = 1 << int(random.integers(8))
        yield f"bit flipped at {at}", data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
    for length in (0, 5, 8, 8 + header // 2, 8 + header, len(data) - 1):
        yield f"cut at {length}", data[:length]
    yield "zeros at the end", data[:-64] + bytes(64)
    yield "one page lost", data[: 8 + header] + bytes(512) + data[8 + header + 512 :]


def test_a_damaged_checkpoint_is_never_used(place, caplog):
    pack = Pack(tuple(PACKS["side by side, with a trajectory"]))
    with pytest.raises(Stop):
        trained(pack.specs, place, 3)
    (file,) = place.folder.iterdir()
    data, good = file.read_bytes(), place.of(pack.specs).read()
    refused = 0
    for what, content_ in damages(data):
        file.write_bytes(content_)
        caplog.clear()
        found = place.of(pack.specs).read()
        if found is None:
            refused += 1
            assert "starting afresh" in caplog.text, what
        else:  # a space of the padding, say
            assert found.facts == good.facts and found.arrays.keys() == good.arrays.keys(), what
            for name, array in good.arrays.items():
                assert found.arrays[name].tobytes() == array.tobytes(), what
    assert refused > 120


def test_training_starts_afresh_from_a_damaged_checkpoint_and_says_so(place, made_now, caplog):
    specs = PACKS["side by side, with a trajectory"]
    with pytest.raises(Stop):
        trained(specs, place, 3)
    (file,) = place.folder.iterdir()
    file.write_bytes(file.read_bytes()[:-10])
    made_now.clear()
    found, made = everything(trained(specs, replace(place, seconds=1000.0))), len(made_now)
    assert made == calls_of(specs)
    assert found == everything(trained(specs))
    assert "damaged" in caplog.text and not file.exists()


SAYS = """
import sys
from pathlib import Path
from allometry.training.checkpoints import Checkpoints
Checkpoints(Path(sys.argv[1]), 1.0).warn()
"""


def test_warnings_go_to_stderr(place):
    place.folder.mkdir()
    (place.folder / f"{'0' * 64}.safetensors").write_bytes(b"nothing of the kind")
    said = subprocess.run(
        [sys.executable, "-c", SAYS, place.folder], capture_output=True, text=True, check=True
    )
    assert "0.safetensors is damaged" in said.stderr and not said.stdout


@pytest.mark.parametrize("name", ["jax", "allometry", "numpy", "source"])
def test_a_checkpoint_of_other_code_is_named_and_not_used(name, place, monkeypatch, caplog):
    specs = PACKS["side by side, with a trajectory"]
    with pytest.raises(Stop):
        trained(specs, place, 3)
    other = {**checkpoints._writer(), name: "0.0.0"}
    monkeypatch.setattr(checkpoints, "_writer", lambda: other)
    assert place.of(specs).read() is None
    assert name in caplog.text.replace("source of allometry", "source")
    assert len(list(place.folder.iterdir())) == 1, "it is not ours to remove"


def test_a_checkpoint_of_another_pack_is_not_used(place, caplog):
    one, other = (Pack(tuple(PACKS[n])) for n in list(PACKS)[:2])
    with pytest.raises(Stop):
        trained(one.specs, place, 3)
    assert place.of(other.specs).read() is None and not caplog.text
    (file,) = place.folder.iterdir()
    file.rename(place.of(other.specs)._runs_and_path()[1])
    assert place.of(other.specs).read() is None
    assert "of other runs" in caplog.text


def test_another_order_of_the_members_is_another_pack(place):
    specs = PACKS["side by side, with a trajectory"]
    with pytest.raises(Stop):
        trained(specs, place, 3)
    assert place.of(specs[::-1]).read() is None


def test_a_study_edited_since_is_noticed(tmp_path, place, caplog):
    file = tmp_path / "edited_study.py"

    def loaded(text):
        file.write_text(text)
        return train.Training().packs(studies.study(file).specs("quick"))[0]

    text = FILE.read_text()
    pack = loaded(text)
    with pytest.raises(Stop):
        trained(pack.specs, place, 3)
    assert place.of(loaded(text).specs).read() is not None
    assert place.of(loaded(f"# a comment\n{text}").specs).read() is not None
    edited = loaded(text.replace("-1, 1)", "-1, 1.5)"))
    assert place.of(edited.specs).read() is None, "its runs have other names"
    assert len(list(place.folder.iterdir())) == 1, "the code before may come back"


def test_code_without_source_keeps_no_checkpoint_and_says_why(place, caplog):
    namespace = {}
    exec("def measure(net): return {'one': 1.0}", namespace)
    mine = replace(studies.study(FILE), measures={"one": namespace["measure"]})
    trained([s for s in mine.specs("quick") if s.seed == 0][:1], place)
    assert not place.folder.exists()
    assert caplog.text.count("the source of its code cannot be read") == 1


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "kept").touch()
    with pytest.raises(DiskError, match=r"cannot write checkpoint .*--checkpoint-every 0"):
        trained(PACKS["torch's order"], Checkpoints(tmp_path / "kept", 0.0))


# ---- through `run` ---------------------------------------------------------------------------

MOMENT = 1e-9  # minutes: after every call of the program


class StopAt(Silent):
    """Raises after so many model-steps."""

    def __init__(self, steps):
        self.left = steps

    def advance(self, model_steps):
        self.left -= model_steps
        if self.left <= 0:
            raise Stop


def kept_by(store):
    return sorted(store.with_name(store.name + ".checkpoints").glob("*"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "s.db"
    assert run(FILE, store=path, checkpoint_every=0).pending == 0
    assert not kept_by(path)
    return content(path)


@pytest.fixture
def one_at_a_time(monkeypatch):
    monkeypatch.setattr("allometry.engines.local.at_once", lambda packs: 1)


@pytest.mark.usefixtures("one_at_a_time")
def test_a_stopped_run_goes_on_and_leaves_no_checkpoint(tmp_path, uninterrupted, made_now):
    path = tmp_path / "s.db"
    with pytest.raises(Stop):
        run(FILE, store=path, checkpoint_every=MOMENT, progress=StopAt(1.5 * 200 * 7 * 3))
    assert len(kept_by(path)) == 1, "the first pack is stored, the second half-way"
    before = len(made_now)
    assert run(FILE, store=path).trained == 3
    assert (before, len(made_now)) == (150, 200)
    assert content(path) == uninterrupted
    assert not path.with_name("s.db.checkpoints").exists()


@pytest.mark.usefixtures("one_at_a_time")
def test_a_checkpoint_of_what_is_stored_already_is_removed(tmp_path):
    """As after a kill between the commit and the removal."""
    path = tmp_path / "s.db"
    with pytest.raises(Stop):
        run(FILE, store=path, checkpoint_every=MOMENT, progress=StopAt(500))
    (file,) = kept_by(path)
    data = file.read_bytes()
    run(FILE, store=path)
    file.parent.mkdir()
    file.write_bytes(data)
    file.with_name(".allometry-0123456789abcdef.part").write_bytes(b"half")
    assert run(FILE, store=path).stored_before == 6
    assert not file.parent.exists()


def test_checkpoints_are_asked_of_the_local_engine_alone(tmp_path):
    engine = ExecutorEngine(None)
    with pytest.raises(UsageError, match="local engine"):
        run(FILE, store=tmp_path / "s.db", engine=engine, checkpoint_every=5)
    for minutes in (-1.0, float("nan")):
        with pytest.raises(UsageError, match="minutes"):
            run(FILE, store=tmp_path / "s.db", checkpoint_every=minutes)


def test_a_procedure_need_not_know_of_checkpoints(place):
    function = Function(lambda spec: {"a": 1.0})
    (result,) = function.run(Pack((Experiment(seed=0),)), {}, {}, lambda n: None, place)
    assert result.row["a"] == 1.0 and not place.any()


def command(store, *more):
    return [
        sys.executable, "-m", "allometry", "run", str(FILE), "--store", str(store),
        "--checkpoint-every", "1e-9", *more,
    ]  # fmt: skip


@pytest.mark.parametrize("more", [pytest.param((), marks=pytest.mark.slow), ("--workers", "1")])
def test_killed_for_real_it_goes_on_to_the_same_bits(more, tmp_path, uninterrupted, pytestconfig):
    store = tmp_path / "s.db"
    process = subprocess.Popen(
        command(store, *more), cwd=pytestconfig.rootpath, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    until = time.monotonic() + 120
    while not [f for f in kept_by(store) if f.suffix == ".safetensors"]:
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.5)  # a worker ends when it finds its pipe closed
    assert kept_by(store)
    done = subprocess.run(command(store, *more), capture_output=True, text=True, check=False,
                          cwd=pytestconfig.rootpath)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert content(store) == uninterrupted
    assert not kept_by(store)


def test_a_worker_that_is_given_a_checkpoint_goes_on_from_it(tmp_path, uninterrupted):
    """A time that no run takes, in the checkpoint, comes back with the results."""
    path = tmp_path / "s.db"
    with pytest.raises(Stop):
        run(FILE, store=path, checkpoint_every=MOMENT, progress=StopAt(500))
    study = studies.study(FILE)
    place = Checkpoints(path.with_name("s.db.checkpoints"), 0.0)
    kept = place.of(train.Training().packs(study.specs("quick"))[0].specs)
    facts, arrays = kept.read()
    kept.write({**facts, "seconds": 6000.0}, arrays)
    outcome = run(FILE, store=path, engine=LocalEngine(workers=1))
    assert sorted(s > 1999 for s in outcome.table["seconds"]) == [False] * 3 + [True] * 3
    assert content(path) == uninterrupted


@pytest.mark.usefixtures("one_at_a_time")
def test_with_workers_the_coordinator_says_what_cannot_be_used(tmp_path, uninterrupted, caplog):
    path = tmp_path / "s.db"
    with pytest.raises(Stop):
        run(FILE, store=path, checkpoint_every=MOMENT, progress=StopAt(500))
    (file,) = kept_by(path)
    file.write_bytes(file.read_bytes()[:-1])
    run(FILE, store=path, engine=LocalEngine(workers=1))
    assert "is damaged" in caplog.text
    assert content(path) == uninterrupted
