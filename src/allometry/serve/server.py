"""The server of the live page: a loopback socket, limits for slow clients, orderly shutdown."""

import asyncio
import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from allometry.errors import UsageError
from allometry.serve.guard import LARGEST_HEAD, SECURITY

__all__ = ["Server", "address_of", "listen"]

SECONDS_TO_ASK = 10.0  # time limit for the head of a request, and again for its body
MOST_CONNECTIONS = 512
GRACE = 3  # seconds for pending responses once the server is asked to end
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def listen(host: str, port: int) -> socket.socket:
    """A socket that accepts connections only from this machine.

    Args:
        host: a loopback address, or ``localhost``.
        port: the port; 0 for any free one.

    Raises:
        UsageError: the host is no loopback address; or the port is in use or not permitted.
    """
    name = "127.0.0.1" if host == "localhost" else host
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise UsageError(
            f"--host: an address of this machine (127.0.0.1, ::1) expected, got {host!r}: the "
            "token would cross the network unencrypted. From elsewhere use a tunnel: "
            "`ssh -L 8808:127.0.0.1:8808 THIS_MACHINE`, then open the printed address there"
        )
    listener = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET)
    # So that the port of a server that has just ended can be used again.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((name, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on port {port} of {name}: {error.strerror}; choose another with "
            "--port, or --port 0 for any free one"
        ) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """The address of a socket, such as ``http://127.0.0.1:8808``."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """Serves an application on one socket.

    Args:
        app: the application behind its guard.
        ending: called at the start of shutdown, to end the event streams.

    Attributes:
        signal: number of the signal that ended the server; 0 for none.
    """

    def __init__(self, app: ASGIApp, ending: Callable[[], None]):
        super().__init__(
            uvicorn.Config(
                app, http=_Protocol, ws="none", loop="asyncio", lifespan="on", log_config=None,
                access_log=False, server_header=False, proxy_headers=False,
                h11_max_incomplete_event_size=LARGEST_HEAD, timeout_graceful_shutdown=GRACE,
            )
        )  # fmt: skip
        # uvicorn logs addresses, which may contain the token; the guard logs failures instead.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)
        self.signal = 0
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As in other commands, the first signal ends in an orderly way, a second at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._receive) for number in STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.force_exit = bool(self.signal)
        self.signal = self.signal or number
        self.should_exit = True


class _Protocol(H11Protocol):
    """A connection that is closed if its client takes too long to send a request."""

    _timer: asyncio.TimerHandle | None = None
    _seen: object = None  # what was awaited at the last check; None if nothing was

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Close the connection if it still awaits the same head or body as at the last check."""
        waits = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        now = (self.cycle, self.conn.their_state) if waits else None
        if now is not None and now == self._seen:
            self.transport.close()
            return
        self._seen = now
        self._timer = self.loop.call_later(SECONDS_TO_ASK, self._look)

    def send_400_response(self, msg: str) -> None:
        """Answer an invalid request with a message, under the security headers of all answers."""
        headers = [*SECURITY.items(), ("content-type", "text/plain"), ("connection", "close")]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=b"not an HTTP request, or its headers are too large\n"),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
