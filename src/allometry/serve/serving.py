"""Serve a store: in this process until a signal, or in a second process until a run ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from allometry.errors import UnavailableError
from allometry.serve.app import INTERVAL, Application
from allometry.serve.findings import Findings
from allometry.serve.guard import checked_token, new_token
from allometry.serve.live import Watch
from allometry.serve.server import Server, address_of, listen
from allometry.studies import names
from allometry.studies import study as find

__all__ = ["beside", "own_studies", "serve_store"]

PATIENCE: Final = 20.0  # seconds that a server beside a run has to end
LAST_NEWS: Final = INTERVAL + 0.5  # seconds of serving after a run, so that pages show its end


def own_studies(paths: Sequence[str | Path]) -> tuple[dict[str, str], dict[str, str]]:
    """Paths and titles of the user's studies, each by name.

    Raises:
        UsageError: as `allometry.studies.study`.
    """
    loaded = [(find(path), path) for path in paths]
    # A shipped study is kept by name; a file of that name need not exist.
    paths_by_name = {
        s.name: s.name if s.name == path else str(Path(path).resolve()) for s, path in loaded
    }
    return paths_by_name, {study.name: study.title for study, _ in loaded}


def serve_store(
    store: Path,
    studies: Mapping[str, str],
    titles: Mapping[str, str],
    announce: Callable[[str], None],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    until: IO[bytes] | None = None,
) -> int:
    """Serve the live page of a store until a signal ends it.

    Args:
        studies: name to argument of `allometry.studies.study`, for the user's studies.
        titles: titles of studies by name.
        announce: called with the address, including the token, once it can be opened.
        host: a loopback address. port: the port; 0 for any free one.
        token: the token; None for a random one.
        until: a stream at whose end serving ends too.

    Returns:
        number of the signal that ended serving; 0 for none.

    Raises:
        UsageError: the host is no loopback address, the port is in use, or the token is weak.
    """
    token = new_token() if token is None else checked_token(token)
    listener = listen(host, port)
    watch = Watch(store)
    known = {name: name for name in names()} | dict(studies)
    application = Application(watch, titles, Findings(watch.store, known))
    server = Server(
        application.guarded(token, listener.getsockname()[1]), ending=application.events.end
    )
    announce(f"{address_of(listener)}/?token={token}")
    if until is not None:
        threading.Thread(target=_end_with, args=(until, server), daemon=True).start()
    server.run([listener])
    return server.signal


def _end_with(stream: IO[bytes], server: Server) -> None:
    stream.read()
    time.sleep(LAST_NEWS)
    server.should_exit = True


# ---- beside a run ----------------------------------------------------------------------------


@contextmanager
def beside(store: Path, studies: Mapping[str, str], titles: Mapping[str, str]) -> Iterator[str]:
    """Run a server in a second process while the block runs; yields its address.

    The second process ends with this one, however this one ends.

    Args:
        store, studies, titles: as for `serve_store`.

    Raises:
        UnavailableError: the server does not start.
    """
    order = {"store": str(store), "studies": dict(studies), "titles": dict(titles)}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "allometry.serve.serving"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        address = process.stdout.readline().decode().strip()
        if not address:
            raise UnavailableError("the live page does not start: leave out --serve")
        yield address
    finally:
        process.stdin.close()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def main() -> None:
    """The second process: reads its order as a line of stdin, writes its address to stdout."""
    # Ctrl-C is for the run; only the end of the run ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = json.loads(sys.stdin.buffer.readline())

    def announce(address: str) -> None:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()

    token = os.environ.get("ALLOMETRY_TOKEN")
    serve_store(
        Path(order["store"]), order["studies"], order["titles"], announce,
        token=token, until=sys.stdin.buffer,
    )  # fmt: skip


if __name__ == "__main__":
    main()
