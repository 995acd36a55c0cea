"""The page of a dropped table in a real browser: drop, read the plan, change what made it."""

import json
import re
import threading
import time

import pytest

from allometry.errors import UsageError
from allometry.serve.table_page import answer
from tests.browser.chromium import executable
from tests.browser.table_server import seen
from tests.plan.tables import isoflop_table
from tests.report.test_page import HOSTILE
from tests.serve.table_page.test_answer import hostile_table

pytestmark = pytest.mark.skipif(
    executable() is None, reason="no Chromium here: install one to see the page in a browser"
)

RUNS = isoflop_table()
TABLES = {"runs.csv": RUNS.to_csv(), "bad.csv": "a,b\n1\n", "x.txt": "1"}


def quickly(name, body, words):
    """The answer with few resamples, unless the page chose their number."""
    return answer(name, body, {"resamples": "40", **words})


def test_a_person_drops_a_table_and_changes_what_the_plan_is_made_from():
    out, console, asked = seen(
        """
        const out = { hidden: byId("main").hidden };
        await drop("runs.csv");
        out.first = text("#answer .sentence");
        out.status = text("#status");
        out.mapped = byId("field-map_N").value;
        out.known = parseFloat(byId("track-known").style.width);
        const slider = byId("slider");
        out.at = text("#at-compute");
        slider.value = slider.max;
        slider.dispatchEvent(new view.Event("input"));
        out.moved = [text("#at-where"), text("#at-n"), text("#answer .sentence") === out.first];
        slider.dispatchEvent(new view.Event("change"));
        await settled();
        out.last = [text("#answer .sentence"), text("#at-n"), byId("field-compute").value];
        await choose("law", "kaplan");
        out.law = text("#plan-command");
        await choose("where", "tokens<=5e10");
        out.filtered = text("#status");
        byId("brush-y1").value = "2.6";
        await click("#brush-keep");
        out.kept = byId("field-where").value;
        await click("#brush-clear");
        byId("leave-3").focus();
        await click("#leave-3");
        out.left = [byId("field-where").value, text("#rows tr.out")];
        out.focus = page.activeElement.id;
        out.fit = text("#fit-command");
        await drop("bad.csv");
        out.refused = [text("#error"), text("#file-name"), text("#status")];
        await choose("where", "nothing");
        out.problem = [text("#error"), text("#fit-command") === out.fit];
        await choose("where", "");
        out.mended = [byId("error").hidden, text("#status")];
        return out;
        """,
        TABLES,
        reply=quickly,
    )
    assert "failed" not in out, out
    assert not console and not out["refused_by_policy"]
    assert set(asked) <= {"GET /around", "GET /table", "POST /table", "GET /favicon.ico"}
    plan = answer("runs.csv", TABLES["runs.csv"].encode(), {"resamples": "40"})
    first, last = (step["text"] for step in (
        next(s for s in plan["slider"] if s["planned"]), plan["slider"][-1]))  # fmt: skip
    assert out["hidden"] and out["mapped"] == "params" and 40 < out["known"] < 80
    assert out["first"] == f"Train {first['n']} parameters on {first['d']} tokens."
    assert "35 of 35 rows are fitted: converged" in out["status"]
    assert out["at"] == first["compute"]
    assert out["moved"] == [last["where"], last["n"], True] and "extrapolated" in last["where"]
    assert out["last"][0] == f"Train {last['n']} parameters on {last['d']} tokens."
    assert out["last"][1] == last["n"] and float(out["last"][2]) == plan["slider"][-1]["compute"]
    assert "--law kaplan --compute" in out["law"] and out["last"][2] in out["law"]
    fitted = (RUNS["tokens"] <= 5e10).sum()
    assert f"{fitted} of 35 rows" in out["filtered"]
    assert out["kept"].startswith("tokens<=5e10\nloss<=2.")
    assert out["left"][0].count("\n") == 0 and out["left"][0].startswith("loss!=")
    assert "left out: outside loss!=" in out["left"][1] and out["focus"] == "answer"
    assert out["refused"][0].startswith("bad.csv, line 2: 2 cells were expected")
    assert (
        out["refused"][1] == "runs.csv" and "The answer below is still that of" in out["refused"][2]
    )
    assert "condition" in out["problem"][0] and out["problem"][1]
    assert out["mended"][0] and "35 of 35" in out["mended"][1]


def test_a_rectangle_is_drawn_with_the_mouse():
    out, console, _ = seen(
        """
        await drop("runs.csv");
        const svg = page.querySelector("#chart svg");
        const box = svg.getBoundingClientRect();
        const send = (kind, x, y) => svg.dispatchEvent(new view.PointerEvent(kind, {
          bubbles: true, pointerId: 1, pointerType: "mouse", clientX: box.left + x * box.width,
          clientY: box.top + y * box.height }));
        svg.setPointerCapture = () => {};
        send("pointerdown", 0.01, 0.01);
        send("pointermove", 0.5, 0.99);
        send("pointerup", 0.5, 0.99);
        const ends = ["x0", "x1", "y0", "y1"].map((end) => Number(byId(`brush-${end}`).value));
        const drawn = page.querySelectorAll("#chart .rectangle").length;
        await click("#brush-leave");
        return { ends, drawn, where: byId("field-where").value, status: text("#status") };
        """,
        TABLES,
        reply=quickly,
    )
    assert not console and out["drawn"] == 1, out
    low, high, bottom, top = out["ends"]
    compute = 6 * RUNS["params"] * RUNS["tokens"]
    left = (compute >= low) & (compute <= high)
    assert low < 1e18 and 1e19 < high < 1e21 and bottom < 2 and top > 3.2
    assert f"{35 - left.sum()} of 35 rows" in out["status"] and out["where"]


def test_a_hostile_table_stays_inert():
    table = hostile_table()
    named = dict(zip("NDL", table.columns, strict=False))
    name = f"<img src=x onerror=alert(1)>{HOSTILE}".replace("/", "") + ".csv"
    mapped = {f"map_{symbol}": column for symbol, column in named.items()}
    out, console, asked = seen(
        f"""
        const called = [];
        for (const what of ["alert", "open", "eval"]) view[what] = () => called.push(what);
        await drop({json.dumps(name).replace("<", chr(92) + "u003c")});
        const foreign = [...page.querySelectorAll("#main *, #drop *")].filter((e) =>
          ["SCRIPT", "IMG", "IFRAME", "OBJECT", "EMBED", "LINK", "BASE"].includes(e.tagName)
          || [...e.attributes].some((a) => a.name.startsWith("on") || /javascript:/i.test(a.value)
             && a.name === "href"));
        return {{ called, foreign: foreign.map((e) => e.outerHTML), sentence: text(".sentence"),
          heads: text("#rows thead"), cells: text("#rows tbody"), command: text("#fit-command"),
          menus: byId("field-map_N").textContent, file: text("#file-name"),
          title: page.title }};
        """,
        {name: table.to_csv()},
        reply=lambda name, body, words: quickly(name, body, {**mapped, **words}),
    )
    assert "failed" not in out, out
    assert not console and not out["refused_by_policy"]
    assert out["called"] == out["foreign"] == []
    assert set(asked) <= {"GET /around", "GET /table", "POST /table", "GET /favicon.ico"}
    assert out["sentence"].startswith("Train ") and out["title"] == "A table: fit and plan"
    for place in ("heads", "menus", "file"):
        assert "onerror=alert(1)>" in out[place]
    assert "<script>alert(1)</script>" in out["cells"]
    assert not re.search(r"[\x1b\u202e]", out["heads"] + out["cells"] + out["command"])


CONTROLS = """
const named = (e) => (e.labels && [...e.labels].some((l) => l.textContent.trim()))
  || e.getAttribute("aria-label") || (e.tagName === "BUTTON" && e.textContent.trim());
const shown = (e) => e.checkVisibility({ visibilityProperty: true });
const controls = [...page.querySelectorAll("input, select, textarea, button")].filter(shown);
"""


@pytest.mark.parametrize(("width", "dark"), [
    (390, True),
    pytest.param(390, False, marks=pytest.mark.slow),
    pytest.param(1280, True, marks=pytest.mark.slow),
    pytest.param(1280, False, marks=pytest.mark.slow),
])  # fmt: skip
def test_fits_its_screen_and_every_control_has_a_name(width, dark):
    out, console, _ = seen(
        f"""
        await drop("runs.csv");
        const folded = !byId("choices-details").open;
        byId("choices-details").open = true;
        {CONTROLS}
        const small = controls.filter((e) => e.getBoundingClientRect().width > {width});
        return {{ folded, unnamed: controls.filter((e) => !named(e)).map((e) => e.outerHTML),
          unreachable: controls.filter((e) => e.tabIndex < 0).length, count: controls.length,
          wide: small.length, scroll: page.documentElement.scrollWidth,
          live: byId("status").getAttribute("aria-live"), value: byId("slider")
            .getAttribute("aria-valuetext"), ink: view.getComputedStyle(page.body).color,
          answer: page.querySelector(".answer .sentence").getBoundingClientRect().bottom }};
        """,
        TABLES,
        width=width,
        dark=dark,
        reply=quickly,
    )
    assert "failed" not in out and not console, out
    assert out["unnamed"] == [] and out["unreachable"] == 0 and out["count"] > 40
    assert out["scroll"] <= width and out["wide"] == 0
    assert out["folded"] == (width == 390) and out["live"] == "polite"
    assert "FLOP" in out["value"]
    brightness = sum(map(int, re.findall(r"\d+", out["ink"])[:3]))
    assert (brightness > 384) == dark


def test_a_stale_answer_never_replaces_a_newer_one():
    laws, newer_is_shown, older_is_made = [], threading.Event(), threading.Event()

    def reply(name, body, words):
        if name == "the newer is shown":  # answered once the older answer is on its way
            newer_is_shown.set()
            assert older_is_made.wait(20)
            time.sleep(0.5)
            raise UsageError("now look again")
        laws.append(words.get("law"))
        if laws[-1] != "kaplan":
            return quickly(name, body, words)
        assert newer_is_shown.wait(20)
        made = quickly(name, body, words)
        older_is_made.set()
        return made

    # No timer between the two: the browser's clock stands still while it waits for an answer.
    out, _, _ = seen(
        """
        await drop("runs.csv");
        const old = text("#fit-command");
        pick("law", "kaplan");
        const usable = !byId("field-law").disabled && !byId("slider").disabled;
        const during = [text("#fit-command"), text("#status")];
        await view.fetch("/table");
        const newer = new Promise((resolve) => new view.MutationObserver(() => {
          if (byId("fit-command")?.textContent.includes("--law skaling")) resolve();
        }).observe(byId("answer"), { childList: true }));
        pick("law", "skaling");
        await newer;
        const command = text("#fit-command");
        const wait = new URLSearchParams({ name: "the newer is shown" });
        await view.fetch(`/table?${wait}`, { method: "POST", body: "-" });
        return { usable, old, during, command, later: text("#fit-command"),
          law: byId("field-law").value, error: text("#error") };
        """,
        TABLES,
        reply=reply,
    )
    assert "failed" not in out, out
    assert laws == [None, "kaplan", "skaling"]
    assert out["usable"] and "--law chinchilla" in out["old"]
    assert out["during"] == [out["old"], "Fitting runs.csv …"]
    assert "--law skaling" in out["command"] and out["later"] == out["command"]
    assert out["law"] == "skaling" and not out["error"]
