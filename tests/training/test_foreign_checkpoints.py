"""Files that are no checkpoints of ours, or no longer: never used wrongly, never a traceback."""

import json
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from allometry.errors import DataError, DiskError, UsageError
from allometry.run import run
from allometry.store.networks import weights
from allometry.training import loop, saved
from allometry.training import progress as progress_module
from allometry.training.checkpoints import Checkpoints
from allometry.training.kept import Kept
from allometry.training.loop import train_pack
from allometry.training.procedure import Pack
from allometry.training.progress import Progress, begin
from allometry.training.saved import Saved
from tests.training.test_checkpoints import (
    FILE,
    MEASURES,
    MOMENT,
    Stop,
    StopAt,
    changed,
    kept_by,
    small,
    trained,
)
from tests.training.test_kept import small_study

# Along a trajectory; the last is lost early and leaves the program.
SPECS = [changed(small((7, h, 3), epochs=12), measure_every=3) for h in (3, 5)]
SPECS += [changed(small((7, 9, 3), rate=1e30, epochs=12), measure_every=3)]
OURS = "0123456789abcdef" * 4 + ".safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Place, path and bytes of a checkpoint, and what it says."""
    place = Checkpoints(tmp_path_factory.mktemp("whole") / "kept", 0.0)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr(progress_module, "worth", lambda *given: True)
        trained(SPECS, place, 4)
    (path,) = place.folder.iterdir()
    return place.of(SPECS), path, path.read_bytes(), place.of(SPECS).read()


def damaged(data, n):
    """So many contents that are not what was written."""
    random = np.random.default_rng(7)
    header = 8 + int.from_bytes(data[:8], "little")
    for i in range(n):
        bytes_ = bytearray(data)
        within = (header, len(data))[i % 2]
        at, other = (int(random.integers(within)) for _ in range(2))
        length = int(random.integers(1, 64))
        match i % 8:
            case 0 | 1:
                bytes_[at] ^= 1 << int(random.integers(8))
            case 2 | 3:
                bytes_[at : at + length] = random.bytes(length)
            case 4:
                bytes_[at : at + length] = bytes_[other : other + length]
            case 5:
                del bytes_[at : at + length]
            case 6:
                del bytes_[at:]
            case 7:
                bytes_[at : at + length] = bytes(length)
        yield bytes(bytes_)


@pytest.mark.parametrize("n", [100, pytest.param(4000, marks=pytest.mark.slow)])
def test_what_is_damaged_is_unused_with_a_warning_or_as_it_was(n, whole, caplog):
    checkpoint, path, data, good = whole
    unused = 0
    for content in damaged(data, n):
        caplog.clear()
        path.write_bytes(content)
        found = checkpoint.read()
        if found is None:
            unused += 1
            assert "starting afresh" in caplog.text
        else:
            assert found.facts == good.facts and found.arrays.keys() == good.arrays.keys()
            for name, array in good.arrays.items():
                assert found.arrays[name].tobytes() == array.tobytes()
    assert unused > 0.9 * n


def content_of(document, arrays=None, **header):
    text = document if isinstance(document, str) else json.dumps(document)
    arrays = {"a": np.ones(3, np.float32)} if arrays is None else arrays
    data = save(arrays, {"document": text, "sha256": saved._digest(text, arrays)})
    if not header:
        return data
    length = int.from_bytes(data[:8], "little")
    new = json.dumps({**json.loads(data[8 : 8 + length]), **header}).encode()
    return struct.pack("<Q", len(new)) + new + data[8 + length :]


WELL = {"schema": "allometry/checkpoint/2", "runs": ["a"], "writer": {}, "facts": {}}
F32 = {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}
CRAFTED = {
    "runs are a number": content_of({**WELL, "runs": 5}),
    "runs are numbers": content_of({**WELL, "runs": [[5]]}),
    "facts are a list": content_of({**WELL, "facts": []}),
    "writer is a text": content_of({**WELL, "writer": "jax"}),
    "a schema that is no text": content_of({**WELL, "schema": {}}),
    "no object": content_of("[]"),
    "nested": content_of("[" * 10**6),
    "twice": content_of('{"runs": [], "runs": []}'),
    "not a number": content_of('{"schema": NaN}'),
    "many digits": content_of(f'{{"schema": {"9" * 10**5}}}'),
    "another dtype": content_of(WELL, a={**F32, "dtype": "F16", "shape": [6]}),
    "a dtype that NumPy lacks": content_of(WELL, a={**F32, "dtype": "F8_E4M3", "shape": [12]}),
    "a huge shape": content_of(WELL, a={**F32, "shape": [2**62, 4]}),
    "no bytes of a huge shape": content_of(
        WELL, {"a": np.ones(0, np.float32)}, a={**F32, "shape": [0, 2**62], "data_offsets": [0, 0]}
    ),
    "a hundred axes": content_of(WELL, a={**F32, "shape": [3] + [1] * 99}),
    "a header of a hundred million": struct.pack("<Q", 10**8) + b"{",
    "a nested header": struct.pack("<Q", 10**5) + b"[" * 10**5,
    "empty": b"",
}


@pytest.mark.parametrize("what", CRAFTED)
def test_a_crafted_file_with_our_name_is_said_and_removed(what, tmp_path, caplog):
    place = Checkpoints(tmp_path / "kept", 0.0)
    place.folder.mkdir()
    (place.folder / OURS).write_bytes(CRAFTED[what])
    place.remove(["b"])  # looks at the document alone
    place.warn()
    assert "is damaged" in caplog.text and not (place.folder / OURS).exists()


def facts_of_another_pack(facts):
    """Facts with one of them changed, each in many ways."""
    junk = [None, -1, 2**60, 1.5, float("nan"), "x", [], {}, [[]], [0, 0], {"9": 1}, {"x": 1}]
    for name in facts:
        yield {key: value for key, value in facts.items() if key != name}
        for value in junk:
            if value != facts[name]:
                yield {**facts, name: value}


def test_a_document_of_another_pack_is_refused_in_words(whole):
    """With a SHA-256 that is right: anyone can make one."""
    _, _, _, good = whole
    program, progress = begin(SPECS)
    assert good.facts["left"], "a member has left"
    assert Progress.restored(good, program, progress)[1].step == good.facts["step"]
    refused = 0
    for facts in facts_of_another_pack(good.facts):
        try:
            Progress.restored(Saved(facts, good.arrays), program, progress)
        except DataError as error:
            refused += 1
            assert "not of this pack" in str(error) or "expected" in str(error)
    for name, array in good.arrays.items():
        for other in (array[None], array.astype("S1"), np.zeros((2, 3, 4, 5))):
            with pytest.raises(DataError):
                Progress.restored(
                    Saved(good.facts, {**good.arrays, name: other}), program, progress
                )
    assert refused > 90


def test_training_starts_afresh_where_the_document_is_of_another_pack(tmp_path, caplog):
    place = Checkpoints(tmp_path / "kept", 0.0)
    with pytest.raises(Stop):
        trained(SPECS[:2], place, 3)
    kept = place.of(SPECS[:2])
    facts, arrays = kept.read()
    kept.write({**facts, "members": [7]}, arrays)
    assert len(trained(SPECS[:2], replace(place, seconds=1000.0))) == 2
    assert "is not used, starting afresh: its content is not of this pack" in caplog.text


# ---- the folder and its files ----------------------------------------------------------------


def test_others_files_are_left_alone_and_in_silence(tmp_path, caplog):
    store, folder = tmp_path / "s.db", tmp_path / "s.db.checkpoints"
    folder.mkdir()
    (folder / "my_pretrained.safetensors").write_bytes(b"mine")
    (folder / "notes.part").write_text("mine")
    (folder / ".tmp_notes").write_text("mine")
    (folder / f"x{OURS}").write_text("mine")
    (folder / "a-folder.safetensors").mkdir()
    (folder / OURS).mkdir()
    before = {path.name for path in folder.iterdir()}
    (folder / ".allometry-0123456789abcdef.part").write_text("ours")
    (folder / ".tmpAbC123").write_text("ours, by safetensors and an earlier version")
    (folder / f"{'0' * 64}.4711.part").write_text("ours, by an earlier version")
    run(small_study(), store=store, keep="weights")
    assert {path.name for path in folder.iterdir()} == before
    assert not caplog.text


@pytest.mark.slow
def test_a_folder_that_leads_to_another_disk_works_and_stays(tmp_path):
    store, disk = tmp_path / "s.db", tmp_path / "disk"
    disk.mkdir()
    kept_by_link = tmp_path / "s.db.checkpoints"
    kept_by_link.symlink_to("disk")
    with pytest.raises(Stop):
        run(FILE, store=store, checkpoint_every=MOMENT, progress=StopAt(500))
    assert len(list(disk.iterdir())) == 1
    assert run(FILE, store=store).pending == 0
    assert kept_by_link.is_symlink() and not list(disk.iterdir())


def test_a_store_by_another_name_finds_its_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr("allometry.engines.local.at_once", lambda packs: 1)
    (tmp_path / "here").mkdir()
    (tmp_path / "link.db").symlink_to("here/s.db")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(Stop):
        run(FILE, store="~/link.db", checkpoint_every=MOMENT, progress=StopAt(500))
    assert len(kept_by(tmp_path / "here" / "s.db")) == 1
    began = []
    advance = loop.advance
    monkeypatch.setattr(loop, "advance", lambda *a: began.append(a[1].step) or advance(*a))
    assert run(FILE, store=tmp_path / "here" / ".." / "here" / "s.db").pending == 0
    assert began[0] > 0, "it went on"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "link.db"]
    assert not kept_by(tmp_path / "here" / "s.db")


def irregular(kind, path, tmp_path):
    match kind:
        case "a pipe":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()
        case "a link":
            (tmp_path / "victim").write_text("precious")
            path.symlink_to(tmp_path / "victim")


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a link"])
def test_what_has_the_name_of_a_checkpoint_and_is_none_is_named(kind, tmp_path):
    place = Checkpoints(tmp_path / "kept", 0.0)
    place.folder.mkdir()
    name = place.of(SPECS[:1])._runs_and_path()[1].name
    irregular(kind, place.folder / name, tmp_path)
    place.warn()
    assert place.of(SPECS[:1]).read() is None
    with pytest.raises(DiskError, match="a link, or no regular file, has its name"):
        trained(SPECS[:1], place)
    place.sweep()
    assert [path.name for path in place.folder.iterdir()] == [name]
    assert kind != "a link" or (tmp_path / "victim").read_text() == "precious"


def test_a_checkpoint_that_cannot_be_removed_is_said_once_and_costs_nothing(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("allometry.engines.local.at_once", lambda packs: 1)
    store = tmp_path / "s.db"
    with pytest.raises(Stop):
        run(FILE, store=store, checkpoint_every=MOMENT, progress=StopAt(500))
    unlink = Path.unlink

    def refused(self, missing_ok=False):
        if self.suffix == ".safetensors":
            raise OSError(30, "Read-only file system")
        unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    assert run(FILE, store=store).pending == 0
    assert run(FILE, store=store).stored_before == 6
    assert caplog.text.count("cannot remove") == 1 and "Read-only" in caplog.text


def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "s.db.checkpoints").symlink_to("s.db.checkpoints")
    with pytest.raises(DiskError, match=r"cannot read the folder .*s\.db\.checkpoints"):
        run(small_study(), store=tmp_path / "s.db")


def test_a_file_that_cannot_be_read_is_not_used_and_stays(whole, monkeypatch, caplog):
    checkpoint, path, data, _ = whole
    path.write_bytes(data)

    def refused(self, *more):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refused)
    assert checkpoint.read() is None and path.exists()
    assert "cannot be read (Permission denied)" in caplog.text


# ---- kept networks ---------------------------------------------------------------------------


def test_what_a_killed_writer_of_networks_left_is_removed(tmp_path):
    kept = tmp_path / "s.db.kept"
    kept.mkdir()
    (kept / ".allometry-0123456789abcdef.part").write_text("half")
    (kept / "mine.part").write_text("mine")
    run(small_study(), store=tmp_path / "s.db")
    assert [path.name for path in kept.iterdir()] == ["mine.part"]


def test_weights_that_changed_are_named_and_those_of_earlier_versions_are_read(tmp_path):
    store = tmp_path / "s.db"
    first, second = run(small_study(), store=store, keep="weights").table["run_id"]
    path = tmp_path / "s.db.kept" / f"{first}.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DataError, match="SHA-256"):
        weights(first, store)
    path.write_bytes(save({"w": np.ones(3)}, {"run_id": first, "step": "3"}))
    assert weights(first, store)["w"].tolist() == [1, 1, 1]
    (tmp_path / "s.db.kept" / f"{second}.safetensors").unlink()
    os.mkfifo(tmp_path / "s.db.kept" / f"{second}.safetensors")
    with pytest.raises(UsageError, match="no weights"):
        weights(second, store)


@pytest.mark.slow
def test_states_of_others_are_left_alone(tmp_path):
    """Among them names that begin as ours do."""
    place = Checkpoints(tmp_path / "ck", float("inf"), Kept(tmp_path / "s.db.kept", "state"))
    spec = changed(small((7, 5, 3)), epochs=4)
    train_pack(Pack((spec,)), MEASURES, {}, checkpoints=place)
    (path,) = place.kept.folder.glob("*.state.safetensors")
    key = path.name.partition("-")[0]
    for name in ("last", "²", "9" * 30, "-5"):
        (place.kept.folder / f"{key}-{name}.state.safetensors").write_text("mine")
    longer = changed(spec, epochs=8)
    assert place.kept.step(longer, 1000) == place.kept.step(spec, 1000) > 0
    path.write_bytes(content_of({"schema": "allometry/state/2", "facts": 5}))
    with pytest.raises(DataError, match="damaged"):
        train_pack(Pack((longer,)), MEASURES, {}, checkpoints=place)
