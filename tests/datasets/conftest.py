"""A tiny data set in MNIST's layout, a web server on this machine, commands on PATH."""

import gzip
import hashlib
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from allometry.datasets.description import DataFile, DataSet


def idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="session")
def to_idx() -> Callable[[np.ndarray], bytes]:
    """The IDX file of an array of unsigned bytes, written here and nowhere in the package."""
    return idx_bytes


@pytest.fixture(scope="session")
def contents() -> dict[str, bytes]:
    """File name to bytes: 12 training and 5 test images of 4 x 3."""
    random = np.random.default_rng(0)
    files = {}
    for split, n in (("train", 12), ("t10k", 5)):
        files[f"{split}-images-idx3-ubyte"] = idx_bytes(random.integers(0, 256, (n, 4, 3)))
        files[f"{split}-labels-idx1-ubyte"] = idx_bytes(random.integers(0, 10, n))
    return files


@pytest.fixture(scope="session")
def tiny(contents: dict[str, bytes]) -> Callable[..., DataSet]:
    """The tiny data set with the sources given."""
    files = tuple(
        DataFile(name, hashlib.sha256(content).hexdigest(), len(content))
        for name, content in contents.items()
    )
    return lambda *sources: DataSet("tiny", "Tiny", "CC0", "this test", files, sources)


@pytest.fixture(scope="session")
def zipped(contents: dict[str, bytes]) -> dict[str, bytes]:
    """File name with .gz to gzip bytes."""
    return {name + ".gz": gzip.compress(content) for name, content in contents.items()}


@pytest.fixture
def fill() -> Callable[[Path, dict[str, bytes]], Path]:
    """Write files into a folder."""

    def fill_folder(folder: Path, files: dict[str, bytes]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder

    return fill_folder


class Site:
    """What the server on this machine serves, and what it was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.hang = threading.Event()
        self.hang.set()  # cleared: the server answers nothing until it is set
        self.url = ""


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/")
            served.asked.append(name)
            served.hang.wait(20)
            body = served.files.get(name)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/"
    yield served
    served.hang.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Put a command written in Python on a PATH that holds nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name: str, body: str) -> Path:
        program = folder / name
        lines = (f"#!{sys.executable} -IS", "import shutil, sys, time", "argv = sys.argv[1:]")
        program.write_text("\n".join((*lines, body)) + "\n")
        program.chmod(0o755)
        return program

    return add
