"""A damaged file never answers with wrong numbers: reading or `verify` says so.

The oracle is what a person can see: the table, the trajectories, the provenance
and the status. A damage is silent when that differs and nothing was said.
"""

import random
import shutil
from pathlib import Path

import pytest

from allometry.errors import AllometryError, DataError
from allometry.run import run
from allometry.store import Store
from tests.faults.conftest import Sweep
from tests.store.cases import PROVENANCE, Imagined, beside, result, study

RUNS = 20
FLIPS = 400
PAGE = 4096


def _fill(path: Path) -> bytes:
    tiny = study(RUNS, 1)
    with Store(path, write=True) as store:
        specs = tiny.specs("quick")
        store.declare("tiny", "quick", "", specs)
        for i in range(0, RUNS, 5):
            store.commit([result(s) for s in specs[i : i + 5]], PROVENANCE)
        store.exclude([specs[3].run_id, specs[11].run_id], "it says so")
    return path.read_bytes()


def _seen(store: Store) -> str:
    """All a person can read from the store, as text."""
    table = store.table("tiny", "quick")
    columns = [table[name].tolist() for name in table.columns]
    arrays = [
        (name, a.tobytes(), a.dtype, a.shape)
        for run_id in table["run_id"]
        for name, a in sorted(store.trajectories(run_id).items())
    ]
    return repr((table.columns, columns, arrays, store.provenance("tiny", "quick"), store.status()))


def _judge(path: Path, truth: str) -> str:
    """ "same", "told" or "silent"; any other exception is a traceback and fails the test."""
    try:
        with Store(path) as store:
            try:
                told = bool(store.verify().damaged)
            except DataError:
                told = True
            try:
                seen = _seen(store)
            except DataError:
                return "told"
    except AllometryError:
        return "told"
    if seen == truth:
        return "same"
    return "told" if told else "silent"


@pytest.fixture
def whole(tmp_path):
    path = tmp_path / "s.db"
    content = _fill(path)
    with Store(path) as store:
        assert store.verify().damaged == ()
        return path, content, _seen(store)


def _damaged(path: Path, content: bytes) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(content)


def _flip(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _places(content: bytes) -> list[int]:
    """Bits of what a person sees: the texts, numbers and arrays of a run, not free space."""
    places = []
    for needle in (b'"test_loss"', b'{"data"', b'"done"', b"done{", b"imagined", b'test_loss"'):
        start = content.find(needle)
        while start >= 0:
            places += range(8 * start, 8 * (start + 40))
            start = content.find(needle, start + 1)
    return places


def _flip_many(whole, n, seed):
    path, content, truth = whole
    draw = random.Random(seed)
    targets = _places(content)
    counts = {"same": 0, "told": 0, "silent": 0}
    for i in range(n):
        bit = draw.choice(targets) if i % 2 else draw.randrange(8 * len(content))
        _damaged(path, _flip(content, bit))
        verdict = _judge(path, truth)
        counts[verdict] += 1
        assert verdict != "silent", f"seed {seed}: bit {bit} changed what is seen and nobody said"
    return counts


def test_no_flipped_bit_changes_what_is_seen_in_silence(whole):
    counts = _flip_many(whole, FLIPS, seed=7)
    print(f"{FLIPS} flipped bits: {counts}")  # noqa: T201
    assert counts["told"] > FLIPS / 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_no_flipped_bit_of_thousands_changes_what_is_seen_in_silence(whole, seed):
    assert _flip_many(whole, 4000, seed)["told"] > 1000


def _zero_page(content, draw):
    page = draw.randrange(len(content) // PAGE) * PAGE
    return content[:page] + bytes(PAGE) + content[page + PAGE :]


def _swap_pages(content, draw):
    a, b = sorted(draw.sample(range(len(content) // PAGE), 2))
    pages = [content[i : i + PAGE] for i in range(0, len(content), PAGE)]
    pages[a], pages[b] = pages[b], pages[a]
    return b"".join(pages)


def _truncate(content, draw):
    return content[: draw.randrange(1, len(content))]


def _scramble(content, draw):
    start = draw.randrange(len(content) - 64)
    return content[:start] + draw.randbytes(64) + content[start + 64 :]


@pytest.mark.parametrize("damage", [_zero_page, _swap_pages, _truncate, _scramble])
def test_no_damaged_page_changes_what_is_seen_in_silence(whole, damage):
    path, content, truth = whole
    draw = random.Random(11)
    told = 0
    for _ in range(30):
        _damaged(path, damage(content, draw))
        verdict = _judge(path, truth)
        assert verdict != "silent"
        told += verdict == "told"
    assert told >= 10


def test_after_damage_a_run_mends_the_store_or_says_how_to_salvage_it(whole, tmp_path):
    path, content, truth = whole
    draw = random.Random(3)
    mended = salvaged = 0
    for i in range(60):
        damage = draw.choice([_zero_page, _truncate, _scramble, None, None])
        bit = draw.choice(_places(content))
        _damaged(path, damage(content, draw) if damage else _flip(content, bit))
        if _judge(path, truth) == "same":
            continue
        try:
            run(study(RUNS, 1), store=path, engine=Imagined())
        except DataError as error:
            assert (
                "salvage" in str(error)
                or "header is damaged" in str(error)
                or "newer" in str(error)
            )
            salvaged += _salvage(path, tmp_path / f"new{i}.db")
            continue
        with Store(path) as store:
            numbers = _seen(store).replace(" ", "")
            assert store.pending(study(RUNS, 1).specs("quick")) == []
        assert numbers
        mended += 1
    assert mended > 10


def test_a_backup_of_a_damaged_store_names_that_store(whole, tmp_path):
    """Not the copy, and not a full disk, which SQLite says where a page names one that is far."""
    path, content, _ = whole
    draw, told = random.Random(1), 0
    for i in range(80):
        _damaged(path, _scramble(content, draw))
        try:
            with Store(path) as store:
                store.backup(tmp_path / f"copy{i}.db")
        except DataError as error:
            assert f"{path} is damaged" in str(error)
            told += 1
    assert told


def _salvage(path: Path, target: Path) -> int:
    """Whatever was copied is whole; how many runs."""
    try:
        with Store(path) as store:
            store.salvage(target)
    except AllometryError:
        return 0
    with Store(target) as fresh:
        found = fresh.verify()
        assert found.damaged == ()
    expected = {s.run_id: result(s) for s in study(RUNS, 1).specs("quick")}
    whole = run(study(RUNS, 1), store=target, engine=Imagined())
    assert whole.table["test_loss"].tolist()[0] == next(iter(expected.values())).row["test_loss"]
    assert whole.pending == 0
    return found.runs


def test_a_zeroed_page_of_results_costs_only_the_runs_on_it(whole, tmp_path):
    path, content, _ = whole
    # The page with the rows of some runs: the one where a row's text lies.
    page = content.find(b'"train_loss"') // PAGE * PAGE
    _damaged(path, content[:page] + bytes(PAGE) + content[page + PAGE :])
    with Store(path) as store:
        assert store.verify().damaged
        found = store.salvage(tmp_path / "new.db")
    assert RUNS / 2 < found.runs < RUNS
    again = run(study(RUNS, 1), store=tmp_path / "new.db", engine=Imagined())
    assert again.trained == RUNS - found.runs


@pytest.mark.parametrize("with_index", [False, True])
def test_a_damaged_log_is_named_and_the_next_run_keeps_a_copy_of_it(tmp_path, victim, with_index):
    draw = random.Random(5)
    source = Sweep(tmp_path / "source")
    with Store(source.store, write=True) as store:
        store.declare("tiny", "quick", "", source.specs)
        for i in range(0, source.runs, 2):
            store.commit([result(s) for s in source.specs[i : i + 2]], PROVENANCE)
        # Copied while open, as a killed process leaves them.
        files = {s: beside(source.store, s).read_bytes() for s in ("", "-wal", "-shm")}
    log = files["-wal"]
    assert len(log) > 10 * PAGE
    for i in range(10):
        torn = Sweep(tmp_path / f"torn{i}")
        damage = draw.choice([_scramble, lambda c, d: _flip(c, d.randrange(8 * len(c)))])
        # Cut between two transactions a log looks whole, but for its index in shared memory.
        damage = _truncate if with_index and i % 2 else damage
        for suffix in ("", "-shm") if with_index else ("",):
            beside(torn.store, suffix).write_bytes(files[suffix])
        torn_log = damage(log, draw)
        beside(torn.store, "-wal").write_bytes(torn_log)
        with Store(torn.store) as store:
            assert "its log" in store.verify().damaged[-1].what
            with pytest.raises(DataError, match=r"its log .* is damaged"):
                store.table("tiny", "quick")
        assert victim.run(torn.job()) == 0, torn.said()
        assert len(torn.stored()) == torn.runs
        (copy,) = torn.folder.glob("s.db-wal.damaged-*")
        assert copy.read_bytes() == torn_log
        shutil.rmtree(torn.folder)
