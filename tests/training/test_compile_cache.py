"""Compiled programs outlive the process that compiled them."""

import os
import stat
import subprocess
import sys
import zlib

import pytest

from allometry.training import compile_cache
from allometry.training.compile_cache import keep_programs, processor_kind

COMPILE = """
import math, sys, warnings
warnings.simplefilter("error" if sys.argv[1:] == ["strict"] else "always")
from allometry.training.compile_cache import keep_programs
keep_programs(sweep=sys.argv[1:] == ["strict"])
import jax, jax.numpy as jnp
hits = []
jax.monitoring.register_event_listener(lambda event, **more: hits.append(event))
step = lambda i, x: jnp.tanh(x @ x / 64) + jnp.cos(x).mean()
found = jax.jit(lambda x: jax.lax.fori_loop(0, 3, step, x))(jnp.ones((64, 64)))
right = 1.0  # every entry is equal
for _ in range(3):
    right = math.tanh(right**2) + math.cos(right)
assert abs(float(found[0, 0]) / right - 1) < 1e-4, (found, right)
print(sum(event.endswith("/cache_hits") for event in hits))
"""


@pytest.fixture
def start(tmp_path):
    def started(*words):
        environ = {
            "PATH": "", "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "ALLOMETRY_CACHE": str(tmp_path), "JAX_PLATFORMS": "cpu",
            # Every program, however quick: how long one takes is not what is tested.
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }  # fmt: skip
        command = [sys.executable, "-c", COMPILE, *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe, text=True)

    return started


@pytest.fixture
def hits(start):
    def run(*words) -> int:
        """Programs found on disk by a fresh process that is told of no trouble at all."""
        return heard(start(*(words or ("strict",))))[0]

    return run


def heard(process):
    """Programs it found on disk, and what it warned of."""
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return int(out), errors


def test_a_second_process_finds_what_the_first_compiled(tmp_path, hits):
    assert hits() == 0
    found = hits()
    assert found > 0


def test_another_program_in_the_place_of_one_is_compiled_anew_without_a_word(tmp_path, hits):
    hits()
    files = sorted(tmp_path.rglob("*-cache"))
    for file in files[:-1]:
        file.write_bytes(files[-1].read_bytes())
    assert hits() == 1
    assert hits() == len(files) > 1


def cut(file):
    file.write_bytes(file.read_bytes()[:-9])


def flip_the_first_byte(file):
    content = file.read_bytes()
    file.write_bytes(bytes([content[0] ^ 0x80]) + content[1:])


def flip_the_last_byte(file):
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def lose_the_signature(file):
    compile_cache._signature_file(file).unlink()


def become_a_pipe(file):
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    "damage", [cut, flip_the_first_byte, flip_the_last_byte, lose_the_signature, become_a_pipe]
)
def test_what_is_not_as_it_was_signed_is_removed_before_anything_is_read(
    damage, tmp_path, monkeypatch
):
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path))
    folder = keep_programs({})
    for name in ("one", "other"):
        (folder / f"{name}-cache").write_bytes(zlib.compress(name.encode() * 99))
    (folder / ".allometry-0123456789abcdef.part").write_text("half a signature")
    (folder / "mine").write_text("mine")
    compile_cache._sign(folder, 0)
    damage(folder / "one-cache")
    keep_programs({})
    left = {path.name for path in folder.iterdir()}
    assert left == {"mine", "other-cache", "other-cache.sha256"}


def test_a_name_is_signed_with_the_content(tmp_path):
    """Of two whole entries that changed places with their signatures neither is used."""
    one, other = tmp_path / "one-cache", tmp_path / "other-cache"
    for file in (one, other):
        file.write_bytes(file.name.encode())
    compile_cache._sign(tmp_path, 0)
    assert compile_cache._is_signed(one) and compile_cache._is_signed(other)
    for path in list(tmp_path.iterdir()):
        path.rename(path.with_name(path.name + ".moved"))
    for path in list(tmp_path.iterdir()):
        name = path.name.removesuffix(".moved")
        swapped = name.replace("one", "x").replace("other", "one").replace("x", "other")
        path.rename(path.with_name(swapped))
    assert not compile_cache._is_signed(one) and not compile_cache._is_signed(other)


def test_the_folder_is_its_owners_alone(tmp_path, monkeypatch, umask):
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path / "made"))
    os.umask(0)
    folder = keep_programs({})
    assert [stat.S_IMODE(f.stat().st_mode) for f in (folder, folder.parent)] == [0o700] * 2


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def of_another(folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)


def open_to_all(folder, monkeypatch):
    folder.chmod(0o777)


def of_the_group(folder, monkeypatch):
    folder.chmod(0o770)


def link_to_an_open_one(folder, monkeypatch):
    elsewhere = folder.parent / "elsewhere"
    folder.rename(elsewhere)
    elsewhere.chmod(0o777)
    folder.symlink_to(elsewhere)


def a_file(folder, monkeypatch):
    (folder.parent / "old").mkdir()
    folder.rename(folder.parent / "old" / "x")
    folder.write_text("")


@pytest.mark.parametrize(
    "change", [of_another, open_to_all, of_the_group, link_to_an_open_one, a_file]
)
def test_a_folder_that_others_can_write_is_not_used_and_a_warning_says_so(
    change, tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path))
    environ = {}
    folder = keep_programs(environ)
    change(folder.parent, monkeypatch)
    assert keep_programs(environ, sweep=False) is None, "a worker says nothing"
    assert not caplog.text and "JAX_COMPILATION_CACHE_DIR" not in environ
    assert keep_programs(environ) is None
    assert "compiled programs are not kept" in caplog.text and str(folder.parent) in caplog.text


def test_a_start_keeps_every_program_that_is_signed(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path))
    folder = keep_programs({})
    for k in range(100):
        (folder / f"{k}-cache").write_bytes(bytes([k]) * 50_000)
    compile_cache._sign(folder, 0)
    keep_programs({})
    assert len(list(folder.glob("*-cache"))) == 100


def test_what_the_user_chose_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path))
    environ = {"JAX_COMPILATION_CACHE_DIR": "/theirs"}
    assert str(keep_programs(environ)) == "/theirs"
    assert environ["JAX_COMPILATION_CACHE_DIR"] == "/theirs"


def test_too_many_programs_lose_their_oldest(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path))
    monkeypatch.setattr("allometry.training.compile_cache.LARGEST", 250)
    folder = keep_programs({})
    (folder.parent / "another").mkdir()
    for age in range(4):
        # Of every kind of processor that shares the home folder.
        file = folder.parent / (folder.name if age < 2 else "another") / f"{age}-cache"
        file.write_bytes(b"\x28" * 100)
        compile_cache._sign(file.parent, 0)
        os.utime(file, (1e9 - age, 1e9 - age))
    keep_programs({})
    assert sorted(f.name for f in folder.parent.rglob("*-cache")) == ["0-cache", "1-cache"]


def test_workers_that_start_together_share_a_folder(tmp_path, start, hits):
    """Writers of one program and readers of it, none of which waits for another."""
    for process in [start() for _ in range(6)]:
        heard(process)
    names = [f.name for f in tmp_path.rglob("*-cache")]
    assert names and len(names) == len(set(names))
    assert hits() == len(names), "every program is whole"


def test_a_worker_that_meets_half_a_program_compiles_it_itself(tmp_path, start, hits):
    """As while another is writing it: said, and no more than the time is lost."""
    hits()
    for file in tmp_path.rglob("*-cache"):
        file.write_bytes(file.read_bytes()[:-9])
    found, warned = heard(start())
    assert found == 0 and "persistent compilation cache" in warned


def test_what_a_queue_brought_from_another_machine_is_chosen_anew(tmp_path, monkeypatch):
    """The environment of the coordinator, on a node with another processor."""
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path))
    environ = {}
    own = keep_programs(environ)
    monkeypatch.setattr("allometry.training.compile_cache.processor_kind", lambda: "another")
    assert keep_programs(environ, sweep=False) == tmp_path / "programs" / "another" != own
    assert environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "programs" / "another")


CPUINFO = """processor	: 0
vendor_id	: AuthenticAMD
cpu family	: 26
model		: 2
model name	: AMD EPYC
cpu MHz		: 2596.098
flags		: fpu sse avx2 avx512f

processor	: 1
cpu MHz		: 1300.000
"""


def test_processors_that_differ_in_kind_differ_in_folder(tmp_path):
    def folder(*change):
        file = tmp_path / "cpuinfo"
        file.write_text(CPUINFO.replace(*change) if change else CPUINFO)
        return processor_kind(file)

    same = [("2596.098", "1800.0"), ("processor\t: 1", "processor\t: 7")]
    other = [(" avx512f", ""), ("model\t\t: 2", "model\t\t: 17"), ("family\t: 26", "family\t: 25")]
    assert {folder(*change) for change in same} == {folder()}
    assert len({folder(), *(folder(*change) for change in other)}) == 4
