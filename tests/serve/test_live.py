"""The page shows what the store holds, also while a run writes it, and never touches it."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

from allometry.run import run
from allometry.serve.live import Watch, slug
from allometry.store import Store
from allometry.training.live import Live, State
from tests.serve.served import TOKEN, served
from tests.store.cases import PROVENANCE, Imagined, fill, result, specs, study

KEY = ("tiny", "quick", "")


def command(*words):
    done = subprocess.run(
        [sys.executable, "-m", "allometry", *map(str, words)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def under_way(store, **changes):
    """The lock and the state of a run that is half way."""
    live = Live.beside(store)
    lock = live.begin()
    state = State(*KEY, 10, 4, 1000, 3, 500, 50.0, False, time.time())
    live.write_state(state._replace(**changes))
    return lock


def texts(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_documents_are_those_of_the_command_line(tmp_path):
    store = fill(tmp_path / "s.db", specs(8))
    with Store(store, write=True) as opened:
        opened.declare("tiny", "paper", "", specs(12))
    with served(store) as page:
        live = page.get("/status.json")
        assert live.headers["content-type"] == "application/json"
        assert json.loads(live.body) == command("status", "--store", store, "--json")
        table = json.loads(page.get(f"/study/{slug(KEY)}/table.json").body)
    assert table == command("table", "tiny", "--size", "quick", "--store", store, "--json")


def test_a_store_is_read_and_left_as_it_is(tmp_path):
    store = fill(tmp_path / "s.db", specs(8))

    def state():
        files = sorted(path for path in tmp_path.iterdir() if not path.name.endswith("-shm"))
        return [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files if p.stat().st_size]

    before = state()
    with served(store) as page:
        for path in ("/", "/status.json", f"/study/{slug(KEY)}", f"/study/{slug(KEY)}/table.json"):
            assert page.get(path).status == 200
        with Store(store, write=True) as writer:  # which the page does not keep out
            writer.exclude([specs(1)[0].run_id], "to see that it can be written")
        assert "1" in texts(page.get("/part").text).split("excluded")[1]
    assert before and [name for name, *_ in before] == ["s.db", "s.db.lock"]
    assert [name for name, *_ in state()] == ["s.db", "s.db.lock"], "nothing is left beside it"


def test_every_state_that_a_run_passes_through_is_whole(tmp_path):
    """Read without a pause while a run commits: what is shown adds up at each moment."""
    store, seen, ended = tmp_path / "s.db", [], threading.Event()

    def write():
        run(
            study(n=30, seeds=2, size=2),
            store=store,
            engine=Imagined(lambda pack: time.sleep(0.01)),
        )
        ended.set()

    writer = threading.Thread(target=write)
    with served(store) as page:
        assert "There is no store s.db yet" in page.get("/").text
        writer.start()
        while not ended.is_set():
            reply = page.get("/status.json")
            if reply.status == 200:
                seen += json.loads(reply.body)["studies"]
        writer.join()
        last = json.loads(page.get("/status.json").body)["studies"]
    assert len({entry["done"] for entry in seen}) > 5
    for entry in seen:
        assert entry["declared"] == 60 == entry["done"] + entry["diverged"] + entry["pending"]
    assert [e["done"] for e in seen] == sorted(e["done"] for e in seen)
    assert last[0]["pending"] == 0


def test_rate_and_time_left_are_those_of_the_run_under_way(tmp_path):
    store = fill(tmp_path / "s.db", specs(8))
    with Store(store, write=True) as opened:
        opened.declare("tiny", "quick", "", specs(16))
    lock = under_way(store)
    try:
        with served(store, titles={"tiny": "A tiny study"}) as page:
            first, part = page.get("/").text, page.get(f"/study/{slug(KEY)}/part").text
            assert "A tiny study" in first and "training" in first
            assert "50.0 model-steps/s" in texts(first)
            left = re.search(r"time left ([\d.]+) s", texts(first))
            assert 5 < float(left[1]) <= 10, "500 updates are left, at 50 a second"
            assert "This stage: 3 of 10 runs in 4 packs; 500 of 1000 model-steps." in texts(part)
            assert 'class="underway" x="8" width="2.0000"' in part, (
                "half of 10 runs, of which 3 are stored"
            )
            os.close(lock)  # killed
            assert "waiting: no run is under way" in page.get("/").text
            assert "model-steps/s" not in page.get("/").text
    finally:
        Live.beside(store).clear()


def test_the_bar_counts_no_run_twice(tmp_path):
    """Where the store has runs of which the run has not said yet that they are stored."""
    store = fill(tmp_path / "s.db", specs(8))
    with Store(store, write=True) as opened:
        opened.declare("tiny", "quick", "", specs(10))
    lock = under_way(store, runs=10, done=5, steps_done=850)
    (entry,) = Watch(store).refresh().entries.values()
    os.close(lock)
    assert entry.runs_under_way == pytest.approx(0.5), "8.5 of 10 are made, of which 8 are stored"


def test_curves_of_packs_under_way_are_drawn_beside_the_stored_ones(tmp_path):
    store = fill(tmp_path / "s.db", specs(5))
    lock = under_way(store)
    names = [json.dumps(["a", "b"])]
    lines = [
        json.dumps([k, step, {"valid_loss": 2.0 / (1 + step + k)}])
        for step in range(9)
        for k in (0, 1)
    ]
    (Live.beside(store).folder / f"{0:064x}.jsonl").write_text("\n".join(names + lines) + "\n")
    with served(store) as page:
        html = page.get(f"/study/{slug(KEY)}/part").text
    os.close(lock)
    assert "2 under way, in orange" in texts(html)
    assert html.count('stroke="#D55E00"') == 2


def test_a_part_is_sent_again_only_when_it_changed(tmp_path):
    store = fill(tmp_path / "s.db", specs(5))
    with served(store) as page:
        for path in ("/part", f"/study/{slug(KEY)}/part"):
            tag = page.get(path).headers["etag"]
            same = page.get(path, f"If-None-Match: {tag}")
            assert same.status == 304 and not same.body
        with Store(store, write=True) as opened:
            opened.declare("other", "quick", "", specs(3, activation="gelu"))
            opened.commit([result(s) for s in specs(3, activation="gelu")], PROVENANCE)
        assert (
            page.get("/part", f"If-None-Match: {page.get('/part').headers['etag']}").status == 304
        )
        assert "other" in page.get("/part").text


def test_a_damaged_store_is_said_and_the_server_goes_on(tmp_path):
    store = tmp_path / "s.db"
    store.write_bytes(b"no store at all" * 100)
    with served(store) as page:
        assert page.get("/").status == 200 and "allometry" in page.get("/").text
        assert "not a database" in page.get("/").text or "damaged" in page.get("/").text
        assert page.get("/status.json").status == 503
        store.unlink()
        fill(store, specs(3))
        assert json.loads(page.get("/status.json").body)["studies"][0]["done"] == 3


# ---- what a hostile store may hold ------------------------------------------------------------

NAMES = (
    *("<script>alert(1)</script>", "../../etc", "a/b?c#d", '"><img src=x onerror=alert(1)>', ""),
    *(" ", "\x1b[31m", "\u202egnp", "%2e%2e", "x" * 5000, "con", "{{ 7*7 }}", "line\nbreak", "é"),
)


def test_names_of_a_hostile_store_are_text(tmp_path):
    with Store(tmp_path / "s.db", write=True) as store:
        for name in NAMES:
            store.declare(name, name, name, specs(2))
    with served(tmp_path / "s.db") as page:
        first = page.get("/").text
        slugs = re.findall(r'href="/study/([^"]*)"', first)
        assert len(set(slugs)) == len(NAMES)
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{8,200}", found) for found in slugs)
        for path in (*(f"/study/{found}" for found in slugs), "/part"):
            reply = page.get(path)
            assert reply.status == 200
            assert "<script>alert" not in reply.text and "<img" not in reply.text
            assert "\x1b" not in reply.text and "\u202e" not in reply.text
        assert "{{ 7*7 }}" in first and len(first) < 300_000


def test_slugs_are_the_same_for_the_same_and_differ_for_others():
    keys = [(a, b, c) for a in NAMES for b in NAMES[:3] for c in NAMES[:3]]
    slugs = {slug(key) for key in keys}
    assert len(slugs) == len(keys)
    assert slug(KEY) == "tiny-quick-75ea2e55"


def test_many_studies_fit_a_page(tmp_path):
    with Store(tmp_path / "s.db", write=True) as store:
        for k in range(260):
            store.declare(f"study{k:03}", "quick", "", specs(1))
    with served(tmp_path / "s.db") as page:
        reply = page.get("/")
        assert len(reply.body) < 300_000
        assert "60 more studies are in the store" in reply.text
        assert len(json.loads(page.get("/status.json").body)["studies"]) == 260


# ---- events -----------------------------------------------------------------------------------


class Stream:
    """The events that a page gets."""

    def __init__(self, page):
        self._socket = socket.create_connection(("127.0.0.1", page.port), 20)
        cookie = f"Cookie: allometry-{page.port}={TOKEN}"
        self._socket.sendall(
            f"GET /events HTTP/1.1\r\nHost: localhost\r\n{cookie}\r\n\r\n".encode()
        )
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])

    def versions(self):
        for line in self._file:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])

    def close(self):
        self._file.close()
        self._socket.close()


def test_a_page_is_told_when_something_changed_and_only_then(tmp_path):
    store = fill(tmp_path / "s.db", specs(5))
    with served(store) as page:
        stream = Stream(page)
        versions = stream.versions()
        first = next(versions)["version"]
        began = time.monotonic()
        with Store(store, write=True) as opened:
            opened.exclude([specs(1)[0].run_id], "why")
        assert next(versions)["version"] != first
        assert time.monotonic() - began < 4
        stream.close()
    assert page.application.events.clients == 0


def test_64_pages_may_be_open_and_a_place_is_free_again(tmp_path):
    store = fill(tmp_path / "s.db", specs(5))
    with served(store) as page:
        streams = [Stream(page) for _ in range(64)]
        assert {stream.status for stream in streams} == {200}
        refused = page.get("/events")
        assert refused.status == 503 and refused.headers["retry-after"]
        assert page.get("/").status == 200
        streams[0].close()
        end = time.monotonic() + 20
        while page.application.events.full and time.monotonic() < end:
            time.sleep(0.05)
        again = Stream(page)
        assert again.status == 200
        for stream in (*streams[1:], again):
            assert next(stream.versions())
            stream.close()


def test_streams_end_with_the_server(tmp_path):
    with served(fill(tmp_path / "s.db", specs(2))) as page:
        stream = Stream(page)
        versions = stream.versions()
        next(versions)
    assert list(versions) == [{}]
    stream.close()


def test_nobody_who_watches_costs_a_reading(tmp_path, monkeypatch):
    readings = []
    monkeypatch.setattr(
        Watch, "refresh", lambda self: readings.append(1) or self.now._replace(version="1")
    )
    with served(fill(tmp_path / "s.db", specs(2))):
        time.sleep(1.5)
    assert len(readings) == 1
