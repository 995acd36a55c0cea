"""Server-sent events: that something changed, to every page that is open.

An event is a version and no data: a page then asks for the part that it shows. So a slow page has
nothing waiting for it, and fifty tabs cost what their parts cost.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Final

__all__ = ["MOST_CLIENTS", "Events"]

MOST_CLIENTS: Final = 64
HEARTBEAT: Final = 15.0  # seconds without an event, after which a comment finds dead connections
RETRY: Final = 1000  # milliseconds that a browser waits before it connects again


class Events:
    """The streams that are open, and the version that each of them is sent next.

    Attributes:
        clients: how many streams are open.
    """

    def __init__(self) -> None:
        self.clients = 0
        self._version = ""
        self._ended = False
        self._news = asyncio.Event()

    @property
    def full(self) -> bool:
        return self.clients >= MOST_CLIENTS

    def send(self, version: str) -> None:
        """Tell every stream of a version, where it is another than before."""
        if version != self._version:
            self._version = version
            self._wake()

    def end(self) -> None:
        """End every stream."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def stream(self) -> AsyncIterator[bytes]:
        """What one page is sent: the version now, and each one after it that it has time for."""
        self.clients += 1
        try:
            yield f"retry: {RETRY}\n\n".encode()
            sent = None
            while not self._ended:
                news = self._news
                if sent != self._version:
                    sent = self._version
                    yield _event("version", {"version": sent})
                    continue
                try:
                    await asyncio.wait_for(news.wait(), HEARTBEAT)
                except TimeoutError:
                    yield b": still here\n\n"
            yield _event("end", {})
        finally:
            self.clients -= 1


def _event(name: str, data: dict[str, str]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
