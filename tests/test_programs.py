"""Compiled programs outlive the process that compiled them."""

import subprocess
import sys

from allometry.programs import keep_programs

COMPILE = """
import os, sys
from allometry.programs import keep_programs
keep_programs()
import jax, jax.numpy as jnp
hits = []
jax.monitoring.register_event_listener(lambda event, **more: hits.append(event))
step = lambda i, x: jnp.tanh(x @ x) + jnp.sin(x).sum()
jax.jit(lambda x: jax.lax.fori_loop(0, 3, step, x))(jnp.ones((64, 64))).block_until_ready()
print(sum(event.endswith("/cache_hits") for event in hits))
"""


def test_a_second_process_finds_what_the_first_compiled(tmp_path):
    def hits():
        environ = {
            "PATH": "", "ALLOMETRY_CACHE": str(tmp_path), "JAX_PLATFORMS": "cpu",
            # Every program, however quick: how long one takes is not what is tested.
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }  # fmt: skip
        command = [sys.executable, "-c", COMPILE]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert hits() == 0
    assert hits() > 0
    (processor,) = (tmp_path / "programs").iterdir()
    assert any(processor.iterdir())


def test_what_the_user_chose_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path))
    environ = {"JAX_COMPILATION_CACHE_DIR": "/theirs"}
    assert str(keep_programs(environ)) == "/theirs"
    assert environ["JAX_COMPILATION_CACHE_DIR"] == "/theirs"
