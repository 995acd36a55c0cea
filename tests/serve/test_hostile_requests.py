"""No request takes more than its share, reaches a file, or brings a traceback."""

import json
import socket
import sys
import time
from urllib.parse import quote

import numpy as np
import pytest

import allometry.serve.server as server_module
from allometry.serve.guard import LARGEST_BODY
from tests import ROOT
from tests.serve.served import TOKEN, StandIn, served
from tests.store.cases import fill, specs


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    store = fill(tmp_path_factory.mktemp("store") / "s.db", specs(5))
    (store.parent / "secret.txt").write_text("the secret beside the store")
    with served(store) as page:
        yield page


def test_a_body_is_refused_where_there_is_none(live):
    for header in (
        "Content-Length: 1",
        "Content-Length: -1",
        "Content-Length: 99999999999",
        "Transfer-Encoding: chunked",
    ):
        reply = live.get("/", header)
        assert reply.status in (400, 413), header
    assert live.get("/", "Content-Length: 0").status == 200


def test_a_table_of_5_mb_is_taken_and_one_byte_more_is_not(live):
    assert live.post("/table?name=a.csv", b"x" * LARGEST_BODY).status == 200
    assert live.post("/table?name=a.csv", b"x" * (LARGEST_BODY + 1)).status == 413
    cookie = f"Cookie: allometry-{live.port}={TOKEN}"
    lines = (
        "POST /table HTTP/1.1",
        "Host: 127.0.0.1",
        "Origin: http://127.0.0.1",
        cookie,
        "Transfer-Encoding: chunked",
        "Connection: close",
        "",
        "",
    )
    head = "\r\n".join(lines)
    piece = b"%x\r\n%s\r\n" % (1 << 16, b"x" * (1 << 16))
    assert live.raw(head.encode() + piece * 10 + b"0\r\n\r\n").status == 200
    assert live.raw(head.encode() + piece * 100 + b"0\r\n\r\n").status == 413


def test_headers_of_16_kb_are_the_most(live):
    assert live.get("/", f"X-Long: {'x' * 15_000}").status == 200
    for size in (16_400, 40_000, 1_000_000):
        assert live.get("/", f"X-Long: {'x' * size}").status in (0, 400, 431)
    assert live.get("/" + "a" * 20_000).status in (400, 431)
    assert live.get("/", *(f"X-{n}: {n}" for n in range(3000))).status in (400, 431)


def test_who_asks_slowly_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(server_module, "SECONDS_TO_ASK", 0.3)
    store = fill(tmp_path / "s.db", specs(1))
    with served(store) as page:
        began = time.monotonic()
        slow = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(20)]
        slow[0].sendall(
            b"POST /table HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n"
            + f"Cookie: allometry-{page.port}={TOKEN}\r\nContent-Length: 100\r\n\r\n".encode()
        )
        closed = set()
        while len(closed) < len(slow) and time.monotonic() - began < 5:
            for place, connection in enumerate(slow):
                try:
                    connection.setblocking(False)
                    if place and place not in closed:
                        connection.send(b"G")
                    if connection.recv(100) == b"":
                        closed.add(place)
                except BlockingIOError:
                    continue
                except OSError:
                    closed.add(place)
            assert page.get("/part").status == 200, "others are answered meanwhile"
            time.sleep(0.1)
        for connection in slow:
            connection.close()
        assert len(closed) == len(slow)


def test_two_tables_at_once_are_worked_on(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with served(tmp_path / "none.db", table_page=StandIn(seconds=0.5)) as page:
        with ThreadPoolExecutor(6) as threads:
            replies = list(threads.map(lambda n: page.post(f"/table?name={n}", b"a"), range(6)))
        assert sorted(r.status for r in replies) == [200, 200, 503, 503, 503, 503]
        assert all(r.headers["retry-after"] for r in replies if r.status == 503)
        assert page.post("/table", b"a").status == 200


def test_a_table_that_is_none_is_refused_in_words(live):
    reply = live.post("/table?name=x.csv&law=chinchilla", b"bad")
    assert reply.status == 422
    assert json.loads(reply.body) == {"error": "a table expected, got something bad"}
    assert live.application.table_page.given[-1] == ("x.csv", 3, {"law": "chinchilla"})


def test_a_post_that_does_not_say_where_it_is_from_is_refused(live):
    assert live.post("/table", b"a", "Origin:").status == 403


# ---- no path, no leak -------------------------------------------------------------------------

UPS = (
    "..",
    "%2e%2e",
    "%2E%2e",
    ".%2e",
    "%252e%252e",
    "%c0%ae%c0%ae",
    "%e0%80%ae%e0%80%ae",
    "..%00",
    "....//..",
    "．．",
)
BARS = ("/", "%2f", "%2F", "%252f", "\\", "%5c", "%255c", "//", "%c0%af", "/./")
TARGETS = ("secret.txt", "etc/passwd", "s.db")


def spellings():
    for up in UPS:
        for bar in BARS:
            for target in TARGETS:
                yield f"/{bar.join([up] * 6)}{bar}{target}"
    for start in ("/study/", "/part/", "/study/x/", "/static/"):
        for up in UPS[:5]:
            for bar in BARS[:5]:
                yield f"{start}{up}{bar}{up}{bar}{up}{bar}etc{bar}passwd"
    absolute = (
        "/etc/passwd",
        "//etc/passwd",
        "/%00/etc/passwd",
        "/file:///etc/passwd",
        "/C:/x",
        "/\\\\host\\x",
        "/study/%2fetc%2fpasswd",
        "/#/etc/passwd",
        "/?f=/etc/passwd",
        "/study/..",
        "/study/%2e%2e/",
        "/study/",
        "/study//",
        "/.git/config",
        "/s.db",
        "/~root",
        "/$HOME",
        "/study/con",
        "/%s%s%n",
    )
    yield from absolute


def test_no_spelling_of_a_path_reaches_a_file(live):
    paths = list(spellings())
    assert len(set(paths)) >= 300
    leaks = (b"root:", b"the secret", b"SQLite format", b"Traceback", b"/tmp", str(ROOT).encode())
    for path in paths:
        reply = live.get(quote(path, safe="/%?=&#\\:~$.").encode("ascii", "ignore").decode())
        is_first_page = path.startswith(("/?", "/#"))
        assert reply.status in ((200, 400, 404) if is_first_page else (400, 404)), path
        assert not [leak for leak in leaks if leak in reply.body], path


def malformed(n):
    """Requests that are none, or nearly: drawn with a seed, so that a failure can be seen again."""
    draw = np.random.default_rng(0)
    cookie = f"Cookie: allometry-PORT={TOKEN}"
    whole = (
        f"GET /part HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookie}\r\nConnection: close\r\n\r\n".encode()
    )
    pieces = (
        b"GET",
        b"POST",
        b" ",
        b"/",
        b"\r\n",
        b"\n",
        b"\0",
        b"Host: ",
        b"127.0.0.1",
        b":",
        b"%",
        b"%zz",
        b"?token=",
        b"Content-Length: ",
        b"-1",
        b"Transfer-Encoding: chunked\r\n",
        b"\xff\xfe",
        b"/study/",
        b"Cookie: ",
        b"=;,",
        b"Range: bytes=0-",
        b"If-None-Match: ",
        b"HTTP/1.1",
        b"HTTP/9",
        b"Expect: 100-continue\r\n",
        b"{}",
        b'"',
    )
    for k in range(n):
        kind = k % 4
        if kind == 0:
            yield draw.bytes(int(draw.integers(1, 400)))
        elif kind == 1:
            damaged = bytearray(whole)
            for _ in range(int(draw.integers(1, 6))):
                damaged[int(draw.integers(len(damaged)))] = int(draw.integers(256))
            yield bytes(damaged)
        elif kind == 2:
            yield b"".join(pieces[i] for i in draw.integers(len(pieces), size=30)) + b"\r\n\r\n"
        else:
            path = quote(draw.bytes(30), safe="/?&=%#")
            value = draw.bytes(20).replace(b"\r", b"").replace(b"\n", b"")
            yield (
                f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookie}\r\n"
                "Connection: close\r\nX: ".encode()
                + value
                + b"\r\n\r\n"
            )


def check_malformed(live, n):
    statuses = []
    for request in malformed(n):
        data = request.replace(b"PORT", str(live.port).encode())
        with socket.create_connection(("127.0.0.1", live.port), 5) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            try:
                while piece := connection.recv(1 << 16):
                    answer += piece
            except ConnectionResetError:
                pass
        assert b"Traceback" not in answer and b"HTTP/1.1 5" not in answer, request
        statuses.append(answer[9:12])
    assert live.get("/status.json").status == 200
    return statuses


def test_malformed_requests_are_answered_in_words(live, caplog):
    statuses = check_malformed(live, 200)
    assert (
        {b"400"}
        < set(statuses)
        <= {b"", b"200", b"303", b"400", b"401", b"403", b"404", b"405", b"413", b"431"}
    )
    assert TOKEN not in caplog.text and "Traceback" not in caplog.text


@pytest.mark.slow
def test_ten_thousand_malformed_requests(live, capsys):
    began = time.monotonic()
    statuses = check_malformed(live, 10_000)
    with capsys.disabled():
        counts = {s.decode() or "closed": statuses.count(s) for s in sorted(set(statuses))}
        seconds = time.monotonic() - began
        sys.stdout.write(f"\n10,000 malformed requests in {seconds:.1f} s: {counts}\n")


def test_a_defect_is_one_line_of_the_log_without_the_address(tmp_path, caplog, monkeypatch):
    import allometry.serve.app as app

    monkeypatch.setattr(app, "overview", lambda now, titles: 1 / 0)
    with served(fill(tmp_path / "s.db", specs(1))) as page:
        reply = page.get("/part?x=secret")
    assert reply.status == 500 and b"ZeroDivisionError" not in reply.body
    (record,) = [r for r in caplog.records if r.name.startswith("allometry")]
    assert "ZeroDivisionError" in record.getMessage() and "secret" not in caplog.text
    assert "Traceback" not in caplog.text
