"""A live page on a real socket, in a thread, and requests written byte by byte."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from allometry.serve.app import Application
from allometry.serve.findings import Findings
from allometry.serve.live import Watch
from allometry.serve.server import Server, listen

TOKEN = "0123456789abcdefghijABCDEFGHIJ_-"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class StandIn:
    """A page of tables that says what it was given."""

    def __init__(self, seconds: float = 0.0):
        self.seconds = seconds
        self.given: list[tuple[str, int, dict[str, str]]] = []

    def page(self) -> str:
        return (
            '<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;">drop'
        )

    def answer(self, name: str, body: bytes, choices: Mapping[str, str]) -> dict[str, Any]:
        from allometry.errors import DataError

        time.sleep(self.seconds)
        self.given.append((name, len(body), dict(choices)))
        if body.startswith(b"bad"):
            raise DataError("a table expected, got something bad")
        return {"name": name, "bytes": len(body)}


class Served:
    """A server that answers at `port`."""

    def __init__(self, port: int, application: Application):
        self.port, self.application = port, application
        self.base = f"http://127.0.0.1:{port}"

    def get(self, path: str, *headers: str, method: str = "GET", token: str = TOKEN) -> Reply:
        """A request as a browser that has the cookie makes it."""
        cookie = [f"Cookie: allometry-{self.port}={token}"] if token else []
        host = (
            []
            if any(h.lower().startswith("host:") for h in headers)
            else [f"Host: 127.0.0.1:{self.port}"]
        )
        head = [f"{method} {path} HTTP/1.1", *host, *cookie, *headers, "Connection: close", "", ""]
        return self.raw("\r\n".join(head).encode("latin-1"))

    def post(self, path: str, body: bytes, *headers: str) -> Reply:
        origin = f"Origin: {self.base}"
        length = f"Content-Length: {len(body)}"
        cookie = f"Cookie: allometry-{self.port}={TOKEN}"
        names = [h.split(":")[0].lower() for h in headers]
        usual = [origin] if "origin" not in names else []
        head = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", cookie, *usual, length,
                *[h for h in headers if h != "Origin:"], "Connection: close", "", ""]  # fmt: skip
        return self.raw("\r\n".join(head).encode("latin-1") + body)

    def raw(self, data: bytes, seconds: float = 20.0) -> Reply:
        """Whatever comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), seconds) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):  # answered before all was sent
                connection.sendall(data)
            received = bytearray()
            with suppress(ConnectionResetError):  # not all that was sent was read
                while piece := connection.recv(1 << 16):
                    received += piece
        return parsed(bytes(received))


def parsed(data: bytes) -> Reply:
    if not data:
        return Reply(0, {}, b"")
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ")[::2] for line in lines)
    headers = {name.lower(): value for name, value in pairs}
    if headers.get("transfer-encoding") == "chunked":
        body = unchunked(body)
    return Reply(int(first.split()[1]), headers, body)


def unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        n = int(size, 16)
        whole, body = whole + body[:n], body[n + 2 :]
    return whole


@contextmanager
def served(
    store: Path,
    *,
    studies: Mapping[str, str] | None = None,
    titles: Mapping[str, str] | None = None,
    table_page: Any = None,
    port: int = 0,
) -> Iterator[Served]:
    listener = listen("127.0.0.1", port)
    number = listener.getsockname()[1]
    watch = Watch(store)
    application = Application(
        watch, titles or {}, Findings(watch.store, studies or {}), table_page or StandIn()
    )
    server = Server(application.guarded(TOKEN, number), application.events.end)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield Served(number, application)
    finally:
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive()
