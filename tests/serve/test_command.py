"""`allometry serve` as a command: its address, its end, what it refuses."""

import socket
import subprocess
import sys
import time

import pytest

from allometry.serve.server import listen
from tests.store.cases import fill, specs


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
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
