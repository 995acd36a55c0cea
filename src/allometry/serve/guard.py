"""Access control of the live page: one check in front of every route.

A request is answered if its Host header names this machine (against DNS rebinding), if it comes
from a page of this server or from no page (against requests of other sites), and if it carries the
token. The token is compared in constant time, is never logged, and is removed from the address bar
by the first response.
"""

import logging
import re
import secrets
from collections.abc import Mapping
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from allometry.errors import UsageError, in_one_line

__all__ = ["LARGEST_BODY", "LARGEST_HEAD", "SECURITY", "Guard", "checked_token", "new_token"]

LARGEST_HEAD: Final = 16 * 1024  # bytes of all headers
LARGEST_BODY: Final = 5_000_000  # bytes of a POST request, the only kind with a body
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
NOTHING: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
SECURITY: Final[Mapping[str, str]] = {
    "content-security-policy": NOTHING,  # pages set their own policies
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_HOST = re.compile(r"(\[[0-9a-f:]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_PLAIN_PATH = re.compile(rb"/(?:[\w-][\w.-]*(?:/[\w-][\w.-]*)*)?", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22,200}")  # 22 characters of 6 bits are 132 bits

_log = logging.getLogger(__name__)


def new_token() -> str:
    """A random token of 256 bits."""
    return secrets.token_urlsafe(32)


def checked_token(token: str) -> str:
    """Check and return a token chosen by the user.

    Raises:
        UsageError: it is too short, or has characters that an address cannot contain.
    """
    if not _TOKEN.fullmatch(token):
        raise UsageError(
            "the token: 22 characters or more of A-Z, a-z, 0-9, _ and - expected (128 bits), got "
            f"{len(token)} characters; `openssl rand -hex 16` makes a token"
        )
    return token


class Guard:
    """An ASGI application that passes permitted requests on to another one.

    Args:
        app: the application that answers.
        token: the token that every request must carry: in the cookie, in
            ``Authorization: Bearer``, or once in the address as ``?token=``.
        port: the port of the server. It is part of the cookie's name, because cookies are shared
            by all ports.
        posts: paths that accept POST with a body.
    """

    def __init__(self, app: ASGIApp, token: str, port: int, posts: tuple[str, ...] = ()):
        self._app = app
        self._token = token.encode()
        self._posts = posts
        self.cookie = f"allometry-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # a WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return
        started = False

        async def send_secured(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await (self._refusal(scope) or self._app)(scope, receive, send_secured)
        except Exception as error:
            # In one line, and without the address, which may contain the token.
            _log.error("the live page failed: %s", in_one_line(error))
            if not started:
                await _closing("internal error; see the terminal of `allometry serve`", 500)(
                    scope, receive, send_secured
                )

    def _refusal(self, scope: Scope) -> Response | None:
        """The response that refuses a request; None if it may pass."""
        headers = _Headers(scope)
        return (
            self._of_form(scope, headers)
            or self._of_origin(scope, headers)
            or self._of_method(scope, headers)
            or self._of_token(scope, headers)
        )

    def _of_form(self, scope: Scope, headers: "_Headers") -> Response | None:
        """Refuse requests that are too large, for another host, or ask for a WebSocket."""
        if headers.size + len(scope["raw_path"]) + len(scope["query_string"]) > LARGEST_HEAD:
            return _closing(f"headers of at most {LARGEST_HEAD} bytes expected", 431)
        if not is_loopback(headers.only("host")):
            return _closing("this server answers only on this machine, as 127.0.0.1", 403)
        if headers.all("upgrade"):
            return _closing("WebSockets are not supported: /events has server-sent events", 403)
        return None

    def _of_origin(self, scope: Scope, headers: "_Headers") -> Response | None:
        """Refuse requests from pages of other sites, or of other servers on this machine."""
        origins, sites = headers.all("origin"), headers.all("sec-fetch-site")
        this_server = f"http://{headers.only('host')}"
        usual = {"same-origin"} if scope["method"] == "POST" else {"same-origin", "none"}
        if any(origin != this_server for origin in origins) or not usual.issuperset(sites):
            return _closing("requests from pages of other sites are refused", 403)
        if scope["method"] == "POST" and not (origins or headers.all("authorization")):
            return _closing("a POST request needs an Origin or Authorization header", 403)
        return None

    def _of_method(self, scope: Scope, headers: "_Headers") -> Response | None:
        takes_body = scope["path"] in self._posts
        methods = ("GET", "HEAD", "POST") if takes_body else ("GET", "HEAD")
        if scope["method"] not in methods:
            refusal = _closing(f"only {' and '.join(methods)} are accepted here", 405)
            refusal.headers["allow"] = ", ".join(methods)
            return refusal
        lengths = headers.all("content-length")
        most = LARGEST_BODY if scope["method"] == "POST" else 0
        too_long = any(not n.isdecimal() or len(n) > 9 or int(n) > most for n in lengths)
        if too_long or (not most and headers.all("transfer-encoding")):
            return _closing(f"a body of at most {most} bytes expected", 413)
        return None

    def _of_token(self, scope: Scope, headers: "_Headers") -> Response | None:
        """Refuse requests without the token; move a token in the address into a cookie."""
        values = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if scope["method"] != "POST" and len(values) == 1 and self._is_token(values[0]):
            path = scope["raw_path"] if _PLAIN_PATH.fullmatch(scope["raw_path"]) else b"/"
            answer = RedirectResponse(path.decode(), 303)
            answer.set_cookie(
                self.cookie, self._token.decode(), httponly=True, samesite="strict", path="/"
            )
            return answer
        bearers = [value.removeprefix("Bearer ") for value in headers.all("authorization")]
        if any(map(self._is_token, (*bearers, *_cookies(headers, self.cookie)))):
            return None
        return _closing(
            "401: open the address that `allometry serve` printed, with its token. Was the server "
            "started again? Then it printed a new one.",
            401,
        )

    def _is_token(self, text: str) -> bool:
        return compare_digest(text.encode("latin-1", "replace"), self._token)


class _Headers:
    """The headers of a request: their values by name, and their size in bytes."""

    def __init__(self, scope: Scope):
        self._pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]]
        self.size = sum(len(name) + len(value) for name, value in self._pairs)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]

    def only(self, name: str) -> str:
        """The value of a header that occurs exactly once; else empty."""
        values = self.all(name)
        return values[0] if len(values) == 1 else ""


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine; with any port, because of tunnels, or none."""
    parts = _HOST.fullmatch(host.lower())
    return parts is not None and parts[1] in LOOPBACK and 0 < int(parts[2] or 80) < 2**16


def _cookies(headers: _Headers, name: str) -> list[str]:
    """The values of a cookie; malformed cookie headers are ignored."""
    values = []
    for text in headers.all("cookie"):
        try:
            morsel = SimpleCookie(text).get(name)
        except CookieError:
            continue
        if morsel is not None:
            values.append(morsel.value)
    return values


def _closing(text: str, status: int) -> Response:
    """A refusal with a message; it closes the connection, because an unread body may follow."""
    return PlainTextResponse(f"{text}\n", status, {"connection": "close"})
