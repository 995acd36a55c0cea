"""Server-sent events that tell every open page of changes.

An event has only a version: a page then requests the part that it shows. So no data queue up for
a slow page, and open pages cost little more than the parts they request.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Final

__all__ = ["MOST_CLIENTS", "Events"]

MOST_CLIENTS: Final = 64
HEARTBEAT: Final = 15.0  # seconds without an event until a comment is sent to detect lost clients
RETRY: Final = 1000  # milliseconds that a browser waits before it reconnects


class Events:
    """The open streams, and the version that they are sent.

    Attributes:
        clients: number of open streams.
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
        """Send a version to every stream if it differs from the last one."""
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
        """The bytes for one page: the current version, then later ones; a slow page skips some."""
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
