"""R4: ten thousand damaged files: what a person would see changed is told, with no traceback."""

import hashlib
import io
import json
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

import pytest

from allometry.cli import main
from allometry.datasets.cache import read
from allometry.datasets.catalogue import DataFile, DataSet
from allometry.datasets.sources import Folder
from allometry.errors import DataError
from allometry.fitting import files as fit_files
from allometry.store import Store
from allometry.training import compile_cache
from allometry.training.compile_cache import keep_programs
from allometry.training.verdicts import kept_verdict
from tests.faults import test_damage as of_stores
from tests.reliability.campaign import campaign, record_if_asked
from tests.store.cases import PROVENANCE, beside, result, specs
from tests.training.test_foreign_checkpoints import damaged
from tests.training.test_foreign_checkpoints import whole as checkpoint

__all__ = ["checkpoint"]

STORES, LOGS, CHECKPOINTS, CACHES, FITS = 4500, 1500, 2000, 1000, 1000

Damage = Callable[[bytes, random.Random], bytes]


def _flip(content: bytes, draw: random.Random) -> bytes:
    return of_stores._flip(content, draw.randrange(8 * len(content)))


def _flip_what_is_seen(content: bytes, draw: random.Random) -> bytes:
    return of_stores._flip(content, draw.choice(of_stores._places(content)))


def _zeros(content: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(content))
    length = min(draw.choice((64, 512, 4096)), len(content) - start)
    return content[:start] + bytes(length) + content[start + length :]


def _swap(content: bytes, draw: random.Random) -> bytes:
    """Two blocks in each other's place."""
    size = draw.choice((16, 512, 4096))
    blocks = [content[i : i + size] for i in range(0, len(content), size)]
    a, b = draw.randrange(len(blocks)), draw.randrange(len(blocks))
    blocks[a], blocks[b] = blocks[b], blocks[a]
    return b"".join(blocks)


PAGES: tuple[Damage, ...] = (of_stores._zero_page, of_stores._swap_pages, of_stores._scramble)
ANY: tuple[Damage, ...] = (_flip, _flip, of_stores._truncate, _zeros, _swap)


def _damaged(content: bytes, draw: random.Random, kinds: tuple[Damage, ...]) -> bytes:
    """Damaged in one of these ways; again where that changed nothing."""
    while (changed := draw.choice(kinds)(content, draw)) == content:
        pass
    return changed


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else tmp_path) as folder:
        yield Path(folder)


# ---- stores and their logs -------------------------------------------------------------------


@pytest.mark.parametrize("total", [25, pytest.param(STORES, marks=pytest.mark.slow)])
def test_of_damaged_stores_nothing_is_silent(memory, total):
    path = memory / "s.db"
    content = of_stores._fill(path)
    with Store(path) as store:
        truth = of_stores._seen(store)
    kinds = (_flip_what_is_seen, *ANY, *PAGES)

    def case(draw: random.Random) -> Counter[str]:
        of_stores._damaged(path, _damaged(content, draw, kinds))
        return _judged(of_stores._judge(path, truth))

    assert campaign("damaged_stores", total, case, kept=total > 25)["told"] > total / 4


def _judged(verdict: str, **more: int) -> Counter[str]:
    assert verdict != "silent", "what is seen has changed, and nobody said"
    told = verdict == "told"
    return Counter(told=told, nothing_visible_changed=not told, silent=0, **more)


def _last_transaction(log: bytes) -> int:
    """Where it begins: behind the last frame but one that ends a transaction."""
    frames = range(32, len(log), 24 + of_stores.PAGE)
    ends = [start for start in frames if log[start + 4 : start + 8] != bytes(4)]
    return ends[-2] + 24 + of_stores.PAGE


def _with_log(path: Path) -> dict[str, bytes]:
    """A store, its log and the index of it, as a killed process leaves them."""
    runs = specs(of_stores.RUNS)
    with Store(path, write=True) as store:
        store.declare("tiny", "quick", "", runs)
        for start in range(0, of_stores.RUNS, 2):
            store.commit([result(spec) for spec in runs[start : start + 2]], PROVENANCE)
        return {end: beside(path, end).read_bytes() for end in ("", "-wal", "-shm")}


@pytest.mark.parametrize("total", [25, pytest.param(LOGS, marks=pytest.mark.slow)])
def test_of_damaged_logs_nothing_is_silent(memory, total):
    """With the log's index, as a killed process leaves it; without, as a loss of power does: there
    a log whose last transaction is cut off, or zeros, cannot be told from one that ends before it.
    """
    path = memory / "s.db"
    files = _with_log(memory / "source.db")

    def lay(changed: Mapping[str, bytes]) -> None:
        for suffix, content in {**files, **changed}.items():
            file = beside(path, suffix)
            file.unlink(missing_ok=True)
            if content:
                file.write_bytes(content)

    def seen(log: bytes) -> str:
        lay({"-wal": log, "-shm": b""})
        with Store(path) as store:
            return of_stores._seen(store)

    truth = seen(files["-wal"])
    shorter = seen(files["-wal"][: _last_transaction(files["-wal"])])

    def case(draw: random.Random) -> Counter[str]:
        with_index = draw.random() < 0.5
        kinds = (*ANY, *PAGES) if with_index else (_flip, *PAGES)
        log = _damaged(files["-wal"], draw, kinds)
        index = files["-shm"] if with_index else b""
        if with_index and draw.random() < 0.2:
            log, index = files["-wal"], _damaged(files["-shm"], draw, ANY)
        lay({"-wal": log, "-shm": index})
        if not with_index and of_stores._judge(path, shorter) == "same":
            return Counter(silent=0, ends_as_a_shorter_log_would=1)
        return _judged(of_stores._judge(path, truth), with_index=with_index)

    assert campaign("damaged_logs", total, case, kept=total > 25)["told"] > total / 4


# ---- checkpoints, caches, fits ---------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("total", [CHECKPOINTS])
def test_of_damaged_checkpoints_nothing_is_silent(checkpoint, caplog, total):
    kept, path, data, good = checkpoint
    counts, began = Counter(cases=total, silent=0), time.monotonic()
    for content in damaged(data, total):
        caplog.clear()
        path.write_bytes(content)
        found = kept.read()
        if found is None:
            assert "starting afresh" in caplog.text
            counts["told"] += 1
            continue
        assert found.facts == good.facts and found.arrays.keys() == good.arrays.keys()
        for name, array in good.arrays.items():
            assert found.arrays[name].tobytes() == array.tobytes()
        counts["nothing_visible_changed"] += 1
    record_if_asked("damaged_checkpoints", time.monotonic() - began, counts)


@pytest.mark.parametrize("total", [15, pytest.param(CACHES, marks=pytest.mark.slow)])
def test_of_damaged_caches_nothing_is_used(memory, total, monkeypatch):
    monkeypatch.setenv("ALLOMETRY_CACHE", str(memory))
    names = ("train-images", "train-labels")
    contents = {name: random.Random(name).randbytes(3000) for name in names}
    source = memory / "source"
    source.mkdir()
    for name, content in contents.items():
        (source / name).write_bytes(content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    data_set = DataSet(
        "small", "Small", "CC0", "this test",
        tuple(DataFile(name, hashes[name], len(contents[name])) for name in names),
        (Folder(source, suffix=""),),
    )  # fmt: skip
    kinds = [
        partial(_data_set_damaged, memory, data_set, contents), _program_damaged, _verdict_damaged,
    ]  # fmt: skip

    def case(draw: random.Random) -> Counter[str]:
        return Counter(used=0, **draw.choice(kinds)(draw))

    campaign("damaged_caches", total, case, kept=total > 15)


def _data_set_damaged(
    cache: Path, data_set: DataSet, contents: Mapping[str, bytes], draw: random.Random
) -> Counter[str]:
    assert read(data_set, cache) == contents
    path = cache / "datasets" / data_set.name / draw.choice(sorted(contents))
    path.write_bytes(_damaged(path.read_bytes(), draw, ANY))
    assert read(data_set, cache) == contents and path.read_bytes() == contents[path.name]
    return Counter(data_files_fetched_again=1)


def _program_damaged(draw: random.Random) -> Counter[str]:
    """A compiled program or its signature; both are random bytes to us."""
    folder = keep_programs({}, sweep=False)
    assert folder is not None
    program = folder / "jit_step-0123-cache"
    good = draw.randbytes(5000)
    program.write_bytes(good)
    compile_cache._sign(folder, 0.0)
    path = draw.choice([program, compile_cache._signature_file(program)])
    path.write_bytes(_damaged(path.read_bytes(), draw, ANY))
    keep_programs({})
    assert not program.exists()
    return Counter(programs_removed=1)


def _verdict_damaged(draw: random.Random) -> Counter[str]:
    """A verdict on parts of a person's own is judged again."""
    runs = [spec.model_copy(update={"seed": draw.randrange(2**31)}) for spec in specs(1)]
    judged: list[int] = []

    def judge() -> str:
        judged.append(1)
        return "they are kept apart: the output of one depends on the other"

    said = kept_verdict(runs, judge)
    assert kept_verdict(runs, judge) == said and len(judged) == 1
    (path,) = (Path(os.environ["ALLOMETRY_CACHE"]) / "proofs").glob("*.json")
    path.write_bytes(_damaged(path.read_bytes(), draw, ANY))
    assert kept_verdict(runs, judge) == said
    path.unlink()
    return Counter(verdicts_made_again=len(judged) - 1, verdicts_as_they_were=2 - len(judged))


@pytest.mark.parametrize("total", [25, pytest.param(FITS, marks=pytest.mark.slow)])
def test_of_damaged_fits_nothing_is_silent(memory, total):
    if not hasattr(fit_files, "read_fit"):
        pytest.skip("fits have no seal yet: a damaged document is not told")
    path, table = memory / "fit.json", memory / "runs.csv"
    sizes = [100 * 2**i for i in range(12)]
    table.write_text("n,loss\n" + "".join(f"{n},{3 * n**-0.3}\n" for n in sizes))
    fitted = fit_files.fit_file(table, "power", {"x": "n", "y": "loss"}, resamples=20)
    fit_files.save_fit(fitted, path)
    good, truth = path.read_bytes(), json.dumps(fitted.to_document())

    def case(draw: random.Random) -> Counter[str]:
        path.write_bytes(_damaged(good, draw, ANY))
        try:
            back = fit_files.read_fit(path)
        except DataError:
            return Counter(silent=0, told=1)
        seen = json.dumps(back.to_document())
        return _judged("same" if seen == truth else "silent")

    assert campaign("damaged_fits", total, case, kept=total > 25)["told"] > total / 2


# ---- what a person would type ----------------------------------------------------------------

COMMANDS = ("status", "verify", "backup")


@pytest.mark.parametrize("total", [10, pytest.param(400, marks=pytest.mark.slow)])
def test_commands_on_damaged_stores_end_in_words(memory, total):
    content = of_stores._fill(memory / "s.db")
    path = memory / "damaged.db"
    kinds = (_flip_what_is_seen, *ANY, *PAGES)

    def case(draw: random.Random) -> Counter[str]:
        of_stores._damaged(path, _damaged(content, draw, kinds))
        name = draw.choice(COMMANDS)
        copy = memory / "copy.db"
        copy.unlink(missing_ok=True)
        words = [name, *([str(copy)] if name == "backup" else []), "--store", str(path)]
        said = io.StringIO()
        with (
            redirect_stdout(io.StringIO()),
            redirect_stderr(said),
            pytest.raises(SystemExit) as ended,  # any other exception is a traceback
        ):
            main(words)
        assert ended.value.code in (0, 2, 65), said.getvalue()
        assert "Traceback" not in said.getvalue()
        assert ended.value.code == 0 or str(path) in said.getvalue(), "the damaged file is named"
        return Counter({f"exit_code_{ended.value.code}": 1, "tracebacks": 0})

    campaign("commands_on_damaged_stores", total, case, kept=total > 10)
