"""`allometry serve` as a command: its address, its end, what it refuses."""

import socket
import subprocess
import sys
import time

import pytest

from allometry.serve.server import listen
from tests.store.cases import fill, specs

SLOW = pytest.mark.slow
STOPS = (
    ("SIGTERM", 143),
    *(pytest.param(*p, marks=SLOW) for p in (("SIGINT", 130), ("SIGHUP", 129))),
)


@pytest.mark.parametrize(("number", "code"), STOPS)
def test_the_command_ends_as_the_others_do(tmp_path, number, code):
    import signal

    store = fill(tmp_path / "s.db", specs(1))
    process = subprocess.Popen(
        [sys.executable, "-m", "allometry", "serve", "--port", "0", "--store", store],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = process.stdout.readline()
    assert address.startswith("http://127.0.0.1:") and len(address.split("token=")[1]) > 40
    port = int(address.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as stream:  # a page is open meanwhile
        token = address.strip().split("token=")[1]
        stream.sendall(
            f"GET /events HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        assert b"200 OK" in stream.recv(1 << 16)
        began = time.monotonic()
        process.send_signal(getattr(signal, number))
        out, err = process.communicate(timeout=20)
    assert process.returncode == code and time.monotonic() - began < 5
    assert out == "" and "Traceback" not in err and token not in err
    assert err.splitlines()[-1] == "stopped"


def test_what_cannot_be_served_is_said_in_one_line(tmp_path):
    store = fill(tmp_path / "s.db", specs(1))
    with listen("127.0.0.1", 0) as taken:
        for options in (["--port", str(taken.getsockname()[1])], ["--host", "0.0.0.0"]):
            done = subprocess.run(
                [sys.executable, "-m", "allometry", "serve", *options, "--store", store],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not done.stdout


def test_a_store_that_is_not_there_yet_is_said_to_be(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "allometry", "serve", "--port", "0", "--store", tmp_path / "x.db"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("http://")
    process.terminate()
    _, err = process.communicate(timeout=20)
    assert "no store at" in err.splitlines()[0]
    assert list(tmp_path.iterdir()) == [], "none is made"


BESIDE = """
import os, sys, time
from pathlib import Path
from allometry.serve.serving import beside
with beside(Path(sys.argv[1]), {}, {}) as address:
    print(address, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("end", ["kill -9", pytest.param("as usual", marks=SLOW)])
def test_a_server_beside_a_run_ends_with_it(tmp_path, end):
    store = fill(tmp_path / "s.db", specs(1))
    (tmp_path / "json.py").write_text("raise SystemExit('not a library')")
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", BESIDE, store],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    port = int(process.stdout.readline().split(":")[2].split("/")[0])
    socket.create_connection(("127.0.0.1", port)).close()
    if end == "kill -9":
        process.kill()
    process.communicate("\n", timeout=20)
    until = time.monotonic() + 10
    with pytest.raises(ConnectionRefusedError):
        while time.monotonic() < until:
            socket.create_connection(("127.0.0.1", port)).close()
            time.sleep(0.1)


def test_without_its_libraries_the_command_says_what_to_install(tmp_path):
    program = """
import sys
sys.modules["starlette"] = None
from allometry.cli import main
main(["serve"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 69 and "pip install 'allometry[serve]'" in done.stderr
    assert "Traceback" not in done.stderr
