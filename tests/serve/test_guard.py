"""The live page is its owner's: of this machine, of this page, with the token, and nothing else."""

import ast

import pytest

from allometry.errors import UsageError
from allometry.serve.guard import SECURITY, checked_token, new_token
from allometry.serve.server import listen
from tests import ROOT
from tests.serve.served import TOKEN, served
from tests.store.cases import fill, specs

ROUTES = ("/", "/part", "/events", "/status.json", "/table")


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    store = fill(tmp_path_factory.mktemp("store") / "s.db", specs(5))
    (store.parent / "secret.txt").write_text("the secret beside the store")
    with served(store) as page:
        yield page


@pytest.fixture(scope="module")
def routes(live):
    """Every route, with the page of a study and its parts."""
    live.get("/")
    (slug,) = live.application.watch.now.entries
    parts = ("", "/part", "/findings", "/table.json", "/report.json")
    return (*ROUTES, *(f"/study/{slug}{part}" for part in parts))


# ---- who may ask ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "", "192.168.1.1", "8.8.8.8", "::", "example.org", "127.0.0.1.x"]
)
def test_another_address_than_this_machines_is_refused(host):
    with pytest.raises(UsageError, match="an address of this machine"):
        listen(host, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_the_socket_is_bound_to_loopback(host):
    try:
        listener = listen(host, 0)
    except UsageError as error:
        assert host == "::1" and "cannot listen" in str(error), "a machine without IPv6"
        return
    with listener:
        assert listener.getsockname()[0] in ("127.0.0.1", "127.0.0.2", "::1")


def test_a_port_in_use_is_said_in_one_line():
    with listen("127.0.0.1", 0) as first, pytest.raises(UsageError) as refused:
        listen("127.0.0.1", first.getsockname()[1])
    assert "--port 0" in str(refused.value) and "\n" not in str(refused.value)


def test_without_the_token_nothing_is_answered(live, routes):
    for path in (*routes, "/nothing", "/study/x"):
        for token in ("", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.swapcase(), "é"):
            reply = live.get(path, token=token)
            assert reply.status == 401, (path, token)
            assert b"tiny" not in reply.body
        assert live.get(f"{path}?token=wrong", token="").status == 401
        assert live.get(f"{path}?token={TOKEN}&token={TOKEN}", token="").status == 401


def test_the_token_moves_from_the_address_into_a_cookie(live, routes):
    for path in ("/", routes[-1], "/table"):
        reply = live.get(f"{path}?token={TOKEN}", token="")
        assert reply.status == 303 and reply.headers["location"] == path
        cookie = reply.headers["set-cookie"]
        assert cookie.startswith(f"allometry-{live.port}={TOKEN};")
        assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
        assert reply.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/\\evil.example",
        "/%2f%2fevil",
        "/..//evil.example",
        "/a/../..",
        "//",
        "/%0d%0aX:%20y",
    ],
)
def test_the_redirect_leads_nowhere_else(live, path):
    reply = live.get(f"{path}?token={TOKEN}", token="")
    assert reply.status == 303 and reply.headers["location"] == "/"
    assert "x" not in reply.headers


def test_a_program_may_give_the_token_in_a_header(live):
    assert live.get("/status.json", f"Authorization: Bearer {TOKEN}", token="").status == 200
    assert live.get("/status.json", "Authorization: Bearer wrong", token="").status == 401


FOREIGN_HOSTS = (
    "example.org",
    "example.org:{port}",
    "127.0.0.1.example.org",
    "127.0.0.1.example.org:{port}",
    "localhost.",
    "localhost.:{port}",
    "127.0.0.1.",
    "localhost.example.org",
    "[::2]:{port}",
    "[::ffff:8.8.8.8]",
    "0.0.0.0:{port}",
    "2130706433",
    "0x7f000001:{port}",
    "127.1",
    "127.0.0.1:0",
    "127.0.0.1:99999",
    "127.0.0.1:{port}@example.org",
    "user@127.0.0.1",
    "127.0.0.1, example.org",
    "127.0.0.1 example.org",
    "lοcalhost".encode().decode("latin-1"),
    "[::1",
    "::1",
    "",
)


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_another_host_is_refused(live, host):
    reply = live.get("/", f"Host: {host.format(port=live.port)}")
    assert reply.status == 403 and b"tiny" not in reply.body


def test_two_hosts_or_none_are_refused(live):
    cookie = f"Cookie: allometry-{live.port}={TOKEN}"
    own = f"Host: 127.0.0.1:{live.port}"
    assert live.raw(
        f"GET / HTTP/1.1\r\n{own}\r\nHost: evil\r\n{cookie}\r\n\r\n".encode()
    ).status in (400, 403)
    assert live.raw(f"GET / HTTP/1.1\r\n{cookie}\r\n\r\n".encode()).status == 400
    assert live.raw(f"GET / HTTP/1.0\r\n{cookie}\r\n\r\n".encode()).status == 403
    absolute = (
        f"GET http://evil.example/ HTTP/1.1\r\n{own}\r\n{cookie}\r\nConnection: close\r\n\r\n"
    )
    assert live.raw(absolute.encode()).status in (400, 404)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:{port}",
        "127.0.0.1",
        "localhost:{port}",
        "LOCALHOST",
        "[::1]:{port}",
        "[::1]",
        "localhost:9999",
    ],
)
def test_this_host_is_answered_with_and_without_a_port(live, host):
    """Also with another port: the near end of a tunnel."""
    assert live.get("/", f"Host: {host.format(port=live.port)}").status == 200


@pytest.mark.parametrize(
    "header",
    [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://127.0.0.1:1",
        "Origin: https://127.0.0.1:{port}",
        "Origin: http://localhost:{port}",
        "Origin: http://127.0.0.1:{port}.evil.example",
        "Origin: ",
        "Origin: file://",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Sec-Fetch-Site: x",
    ],
)
def test_another_origin_is_refused(live, routes, header):
    for path in routes:
        assert live.get(path, header.format(port=live.port)).status == 403, path
    assert live.post("/table?name=a.csv", b"a,b", header.format(port=live.port)).status == 403


def test_its_own_page_and_the_address_bar_are_answered(live):
    assert live.get("/", f"Origin: {live.base}", "Sec-Fetch-Site: same-origin").status == 200
    assert live.get("/", "Sec-Fetch-Site: none").status == 200


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "X"]
)
def test_other_methods_are_refused(live, routes, method):
    for path in routes:
        reply = live.get(path, method=method)
        assert reply.status == 405, path
        assert set(reply.headers["allow"].split(", ")) <= {"GET", "HEAD", "POST"}


def test_post_is_taken_by_the_one_route(live, routes):
    for path in (*routes, "/table/", "/tables", "/TABLE"):
        status = live.post(path, b"a,b\n1,2\n").status
        assert status == (200 if path == "/table" else 405), path


def test_head_is_answered_without_a_body(live, routes):
    for path in routes:
        reply = live.get(path, method="HEAD")
        assert reply.status in (200, 404, 503) and reply.body == b"", path
        assert reply.headers["x-content-type-options"] == "nosniff"


def test_a_websocket_is_refused(live):
    for path in ("/", "/events", "/ws"):
        reply = live.get(
            path,
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        assert reply.status == 403


def test_tokens_cannot_be_guessed():
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000 and all(len(token) * 6 >= 128 for token in tokens)
    assert all(checked_token(token) == token for token in tokens)
    for weak in ("", "password", "a" * 21, "a" * 21 + " ", "a" * 22 + "\n", "é" * 30, "a" * 201):
        with pytest.raises(UsageError, match="128 bits"):
            checked_token(weak)


def test_the_token_is_compared_in_constant_time():
    """By `compare_digest` alone: nothing in the guard compares it with ==, != or in."""
    tree = ast.parse((ROOT / "src" / "allometry" / "serve" / "guard.py").read_text())
    compared = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    assert not [text for text in compared if "token" in text.lower()]
    calls = [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Call)]
    assert any(call.startswith("compare_digest(") and "_token" in call for call in calls)


# ---- headers ----------------------------------------------------------------------------------


def test_every_answer_has_the_security_headers(live, routes):
    replies = [live.get(path) for path in routes if path != "/events"]
    replies += [live.get("/events", method="HEAD"), live.get("/nothing"), live.get("/", token="")]
    replies += [
        live.get("/", "Host: evil"),
        live.get("/", method="PUT"),
        live.post("/table", b"bad"),
    ]
    replies += [live.raw(b"no HTTP\r\n\r\n"), live.raw(b"\x16\x03\x01\x02\x00\x01")]
    for reply in replies:
        for name, value in SECURITY.items():
            if name != "content-security-policy":
                assert reply.headers.get(name) == value, (name, reply)
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "*" not in policy and "http" not in policy
        assert not [name for name in reply.headers if name.startswith("access-control")]
        assert "server" not in reply.headers


def test_pages_have_one_policy_in_header_and_page(live, routes):
    for path in ("/", routes[5]):
        reply = live.get(path)
        said = reply.headers["content-security-policy"].removesuffix("; frame-ancestors 'none'")
        assert f'content="{said}"'.replace("'", "&#39;") in reply.text
        assert "script-src 'sha256-" in said and "connect-src 'self'" in said
