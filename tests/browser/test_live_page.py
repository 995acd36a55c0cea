"""The live page in a real Chromium: it follows a run, finds its server again, and stays inert."""

import json
import os
import re
import subprocess
import sys
import time

import pytest

from allometry.serve.live import slug
from allometry.store import Store
from tests.browser.chromium import executable
from tests.browser.devtools import chromium
from tests.serve.served import TOKEN, served
from tests.store.cases import PROVENANCE, fill, result, specs

pytestmark = pytest.mark.skipif(
    executable() is None, reason="no Chromium here: install one to see the live page in a browser"
)
KEY = ("tiny", "quick", "")

SLOWLY = '''
"""Runs that take a second each."""
import time
import allometry as al
from allometry.training.function import Function

class Net(al.Experiment):
    width: int = 1

def train(spec):
    for step in range(1, 40):
        time.sleep(0.03)
        yield step, {"loss": 1 / (step * spec.width)}

STUDY = al.Study(
    name="slowly", title="A study that takes its time", question="?", prediction="!", source="me",
    runs=lambda size, seeds: [Net(width=w, seed=s) for s in seeds for w in (1, 2, 4)],
    procedure=Function(train), measures={}, analyse=lambda table: [], sizes=("quick",),
)
'''


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def clean(browser):
    browser.events.clear()
    yield browser
    assert browser.complaints() == []


@pytest.fixture(autouse=True)
def tabs_closed(request):
    """A tab that a failed test leaves open would ask its server for ever."""
    yield
    if "browser" in request.fixturenames:
        request.getfixturevalue("browser").close_tabs()


def opened(browser, page, path="/", **look):
    """A tab that has the cookie, at a path."""
    tab = browser.open(f"{page.base}/?token={TOKEN}", **look)
    assert "token" not in tab.ask("location.href + document.referrer")
    if path != "/":
        tab.call("Page.navigate", url=page.base + path)
        tab.until(f"location.pathname === '{path}' && document.readyState === 'complete'")
    tab.until("document.getElementById('link').dataset.state === 'live'")
    return tab


def test_follows_a_run_from_nothing_to_done(browser, tmp_path):
    (tmp_path / "slowly.py").write_text(SLOWLY)
    process = subprocess.Popen(
        [sys.executable, "-m", "allometry", "run", "slowly.py", "--store", "s.db", "--serve"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "ALLOMETRY_TOKEN": TOKEN},
    )  # fmt: skip
    address = next(line for line in process.stderr if "live page" in line).split()[-1]
    tab = browser.open(address)
    tab.ask("""{
      window.shares = []; window.curves = 0;
      new MutationObserver(() => {
        const bar = document.querySelector('.bar');
        const width = (name) => Number(bar.querySelector(name).getAttribute('width'));
        shares.push(width('.done') + width('.underway'));
      }).observe(document.querySelector('[data-part]'), {childList: true});
    }""")
    (found,) = tab.until("[...document.querySelectorAll('.progress a')].map((a) => a.pathname)")
    study = browser.open(address.split("/?")[0] + found)
    study.until("document.querySelector('[data-part]').innerText.includes('under way, in orange')")
    assert study.ask("document.querySelectorAll('svg.chart path[stroke=\"#D55E00\"]').length") == 1
    text = "document.querySelector('[data-part]').innerText"
    study.until(f"{text}.includes('complete')", 30)
    tab.until(f"{text}.includes('complete')", 30)
    counts = tab.ask("[...document.querySelectorAll('.counts dd')].map((d) => d.innerText)")
    assert counts[:4] == ["3", "3", "0", "0"]
    shares = tab.ask("shares")
    assert shares == sorted(shares) and len({*shares}) > 1 and shares[-1] == 3
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0 and "3 runs trained" in err and "Traceback" not in err
    tab.until("document.getElementById('link').dataset.state === 'lost'")
    assert "has ended" in tab.ask("document.getElementById('link').innerText")
    assert not list(tmp_path.glob("s.db.live*"))
    tab.close()
    study.close()


def test_finds_a_server_again_that_was_lost(browser, tmp_path):
    store = fill(tmp_path / "s.db", specs(5))
    with served(store) as page:
        tab = opened(browser, page)
        port = page.port
    tab.until("document.getElementById('link').dataset.state === 'lost'")
    said = tab.ask("document.getElementById('link').innerText")
    assert "trying again" in said and re.search(r"\d\d:\d\d:\d\d", said)
    assert "tiny" in tab.ask("document.body.innerText"), "what was seen last stays"
    with Store(store, write=True) as writer:
        writer.declare("other", "quick", "", specs(2, activation="gelu"))
    with served(store, port=port):
        tab.until("document.getElementById('link').dataset.state === 'live'")
        tab.until("document.body.innerText.includes('other')")
    tab.close()


def check_tabs(browser, tmp_path, count):
    """So many tabs of one browser, which opens six connections to a server, all follow it."""
    store = fill(tmp_path / "s.db", specs(5))
    with served(store) as page:
        began = time.monotonic()
        paths = ("/", f"/study/{slug(KEY)}")
        tabs = [opened(browser, page, paths[k % 2]) for k in range(count)]
        opening = time.monotonic() - began
        assert page.application.events.clients == 1, "one stream for all of them"
        changed = time.monotonic()
        with Store(store, write=True) as writer:
            writer.exclude([specs(1)[0].run_id], "to see it")
        for tab in tabs:
            tab.until("document.querySelector('.counts').innerText.includes('excluded')")
        following = time.monotonic() - changed
        tabs[0].close()  # which may have the stream
        with Store(store, write=True) as writer:
            writer.include([specs(1)[0].run_id])
        for tab in tabs[1:]:
            tab.until("!document.querySelector('.counts').innerText.includes('excluded')")
            tab.close()
    return opening, following


def test_more_tabs_than_a_browser_has_connections_follow(clean, tmp_path):
    check_tabs(clean, tmp_path, 8)


@pytest.mark.slow
def test_fifty_tabs_follow(clean, tmp_path):
    opening, following = check_tabs(clean, tmp_path, 50)
    sys.stdout.write(f"\n50 tabs opened in {opening:.1f} s, all changed after {following:.1f} s\n")


def test_a_page_that_is_left_open_does_not_grow(clean, tmp_path):
    store = fill(tmp_path / "s.db", specs(40))
    with served(store) as page:
        tab = opened(clean, page, f"/study/{slug(KEY)}")
        size = "[document.querySelectorAll('*').length, document.documentElement.outerHTML.length]"
        run_id = specs(1)[0].run_id

        def heap():
            tab.call("HeapProfiler.collectGarbage")
            return tab.call("Runtime.getHeapUsage")["usedSize"]

        def change(times):
            # As the tab that has the stream tells it; each makes this one load its parts.
            tab.ask(f"""(async () => {{
              const channel = new BroadcastChannel("allometry");
              const parts = [...document.querySelectorAll("[data-part]")];
              const pause = () => new Promise((resolve) => setTimeout(resolve, 2));
              for (let k = 0; k < {times}; k++) {{
                for (const part of parts) part.tag = "";
                channel.postMessage({{version: `${{k}} ${{performance.now()}}`}});
                do await pause(); while (parts.some((part) => part.loading));
              }}
              channel.close();
            }})()""")

        change(10)
        before, memory = tab.ask(size), heap()
        change(30)
        assert len([u for u in clean.asked_for() if u.endswith("/part")]) > 30
        after = tab.ask(size)
        assert after == before
        assert heap() < memory + 300_000
        with Store(store, write=True) as writer:
            writer.exclude([run_id], "x")
        tab.until("document.body.innerText.includes('Excluded, 1 run: x')")
        tab.close()


def test_a_hidden_tab_asks_for_nothing_and_catches_up(clean, tmp_path):
    store = fill(tmp_path / "s.db", specs(5))
    with served(store) as page:
        tab = opened(clean, page)
        tab.ask("Object.defineProperty(document, 'hidden', {get: () => window.covered}), 0")
        tab.ask("window.covered = true")
        clean.events.clear()
        with Store(store, write=True) as writer:
            writer.exclude([specs(1)[0].run_id], "x")
        time.sleep(1.5)
        assert not [u for u in clean.asked_for() if u.endswith("/part")]
        tab.ask("window.covered = false, document.dispatchEvent(new Event('visibilitychange'))")
        tab.until("document.querySelector('.counts').innerText.includes('excluded')")
        tab.close()


TAKES = "<script>document.title = 'taken'</script>"
HOSTILE = (
    *(TAKES, f"</svg>{TAKES}", "<img src=x onerror=\"document.title = 'taken'\">", "\u202egnp.exe"),
    *("javascript:alert(1)", "http://evil.example/", "<style>body{display:none}</style>"),
    "<base href='http://evil.example/'>",
)
LOADED = "document.readyState === 'complete' && document.getElementById('link').dataset.state"
LOAD_AGAIN = """Promise.all([...document.querySelectorAll('[data-part]')].map(async (part) => {
  part.innerHTML = await (await fetch(part.dataset.part)).text();
}))"""
DANGERS = "main script, main img, main style, base, main [onerror], main [style], main iframe"


def test_a_hostile_store_stays_inert(clean, tmp_path):
    with Store(tmp_path / "s.db", write=True) as store:
        for place, name in enumerate(HOSTILE):
            few = specs(4, seeds=(place,))
            store.declare(name, name, name, few)
            results = []
            for one in map(result, few):
                row = {**one.row, name: "x", f"{name}_loss": 0.5}
                along = {**one.trajectories, f"{name}_loss": one.trajectories["epoch"] + 1.0}
                results.append(type(one)(one.spec, one.status, row, one.seconds, along))
            store.commit(results, {**PROVENANCE, "device": name})
            store.exclude([few[0].run_id], name)
    with served(tmp_path / "s.db", titles={HOSTILE[0]: HOSTILE[1]}) as page:
        tab = opened(clean, page)
        paths = tab.ask("[...document.querySelectorAll('.progress a')].map((a) => a.href)")
        assert len(paths) == len(HOSTILE)
        assert all(path.startswith(f"{page.base}/study/") for path in paths)
        title = tab.ask("document.title")
        for path in (page.base + "/", *paths):
            tab.call("Page.navigate", url=path)
            tab.until(f"{LOADED} === 'live'")
            tab.ask(LOAD_AGAIN)
            assert tab.ask("document.title") != "taken"
            assert tab.ask(f"document.querySelectorAll({json.dumps(DANGERS)}).length") == 0
        assert title == "Studies in this store, as they are now"
        asked = {url for url in clean.asked_for() if not url.startswith(("data:", page.base))}
        assert asked == set(), "nothing is asked for outside"
        tab.close()


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_fits_its_screen(clean, tmp_path, width, dark):
    store = fill(tmp_path / "s.db", specs(12))
    with served(store) as page:
        for path in ("/", f"/study/{slug(KEY)}"):
            tab = opened(clean, page, path, width=width, dark=dark)
            assert tab.ask("document.documentElement.scrollWidth") <= width
            ground = tab.ask("getComputedStyle(document.documentElement).backgroundColor")
            assert ground == ("rgb(21, 23, 26)" if dark else "rgb(255, 255, 255)")
            top = tab.ask("document.querySelector('.bar').getBoundingClientRect().bottom")
            assert top < 420, "progress is on the first screen"
            tab.close()


def first_screen(browser, store):
    """Seconds of this process, and seconds, until a browser has the first page; and its bytes.

    The server was just started. The first are those of a machine that does nothing else.
    """
    with served(store) as page:
        size = len(page.get("/", "Accept: text/html").body)
    began, busy = time.monotonic(), time.process_time()
    with served(store) as page:
        tab = browser.open(f"{page.base}/?token={TOKEN}")
        tab.until("document.querySelector('.counts') !== null")
        seconds = (time.process_time() - busy, time.monotonic() - began)
        tab.close()
    return *seconds, size


def test_the_first_screen_of_a_large_store_is_there_at_once(clean, tmp_path):
    busy, _, size = first_screen(clean, fill(tmp_path / "s.db", specs(3000)))
    assert size < 300_000 and busy < 1


@pytest.mark.slow
def test_the_first_screen_of_a_hundred_thousand_runs(clean, tmp_path):
    store, many = tmp_path / "s.db", specs(100_000)
    with Store(store, write=True) as writer:
        writer.declare(*KEY, many)
        for start in range(0, len(many), 5000):
            writer.commit([result(s) for s in many[start : start + 5000]], PROVENANCE)
    measured = [first_screen(clean, store) for _ in range(3)]
    sys.stdout.write(f"\n100,000 runs: first screen (s of CPU, s, bytes) {measured}\n")
    assert max(busy for busy, *_ in measured) < 1
    assert all(size < 300_000 for *_, size in measured)
    with served(store) as page:
        page.get("/")
        began = time.process_time()
        study = page.get(f"/study/{slug(KEY)}")
        assert len(study.body) < 300_000 and time.process_time() - began < 1
