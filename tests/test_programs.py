"""Compiled programs outlive the process that compiled them."""

import os
import subprocess
import sys

import pytest

from allometry.programs import keep_programs

COMPILE = """
import os, sys, warnings
warnings.simplefilter("error")
from allometry.programs import keep_programs
keep_programs()
import jax, jax.numpy as jnp
hits = []
jax.monitoring.register_event_listener(lambda event, **more: hits.append(event))
step = lambda i, x: jnp.tanh(x @ x) + jnp.sin(x).sum()
jax.jit(lambda x: jax.lax.fori_loop(0, 3, step, x))(jnp.ones((64, 64))).block_until_ready()
print(sum(event.endswith("/cache_hits") for event in hits))
"""


@pytest.fixture
def hits(tmp_path):
    def run() -> int:
        """Programs found on disk by a fresh process."""
        environ = {
            "PATH": "", "ALLOMETRY_CACHE": str(tmp_path), "JAX_PLATFORMS": "cpu",
            # Every program, however quick: how long one takes is not what is tested.
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }  # fmt: skip
        command = [sys.executable, "-c", COMPILE]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    return run


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
    monkeypatch.setattr("allometry.programs.LARGEST", 250)
    folder = keep_programs({})
    folder.mkdir(parents=True)
    for age in range(4):
        file = folder / f"{age}-cache"
        file.write_bytes(b"\x28" * 100)
        os.utime(file, (1e9 - age, 1e9 - age))
    keep_programs({})
    assert sorted(f.name for f in folder.iterdir()) == ["0-cache", "1-cache"]
