"""Compiled programs outlive the process that compiled them."""

import os
import subprocess
import sys

import pytest

from allometry.training.compile_cache import _processor, keep_programs

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
            "PATH": "", "ALLOMETRY_CACHE": str(tmp_path), "JAX_PLATFORMS": "cpu",
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
    # One cut short by a kill is compiled and kept anew, without a word.
    for file in tmp_path.rglob("*-cache"):
        file.write_bytes(file.read_bytes()[:-9])
    assert hits() == 0
    assert hits() == found


def test_what_the_user_chose_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path))
    environ = {"JAX_COMPILATION_CACHE_DIR": "/theirs"}
    assert str(keep_programs(environ)) == "/theirs"
    assert environ["JAX_COMPILATION_CACHE_DIR"] == "/theirs"


def test_too_many_programs_lose_their_oldest(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path))
    monkeypatch.setattr("allometry.training.compile_cache.LARGEST", 250)
    folder = keep_programs({})
    folder.mkdir(parents=True)
    (folder.parent / "another").mkdir()
    for age in range(4):
        # Of every kind of processor that shares the home folder.
        file = folder.parent / (folder.name if age < 2 else "another") / f"{age}-cache"
        file.write_bytes(b"\x28" * 100)
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
    monkeypatch.setattr("allometry.training.compile_cache._processor", lambda: "another")
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
        return _processor(file)

    same = [("2596.098", "1800.0"), ("processor\t: 1", "processor\t: 7")]
    other = [(" avx512f", ""), ("model\t\t: 2", "model\t\t: 17"), ("family\t: 26", "family\t: 25")]
    assert {folder(*change) for change in same} == {folder()}
    assert len({folder(), *(folder(*change) for change in other)}) == 4
