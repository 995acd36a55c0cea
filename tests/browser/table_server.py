"""The page of a dropped table behind a plain HTTP server of this machine, and a page around it.

The page around holds the other in a frame as wide as a screen, and drives it as a person would:
`drop(name, text)`, `until(condition)`, `choose(key, value)`, `click(selector)`.
"""

import contextlib
import http.server
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from urllib.parse import parse_qsl, urlsplit

from allometry.errors import AllometryError
from allometry.serve.table_page import answer, page
from tests.browser.chromium import answering, browse

AROUND = """<!doctype html><meta charset="utf-8"><title>around</title><body style="margin:0">
<iframe id="f" src="/table" style="border:0;width:%(width)dpx;height:%(height)dpx"></iframe>
<pre id="out"></pre>
<script>
const tables = %(tables)s;
let page, view;
const byId = (id) => page.getElementById(id);
const until = async (condition) => {
  for (let i = 0; i < 300; i += 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never: ${condition}`);
};
const settled = () => until(() => !page.querySelector(".result").hasAttribute("aria-busy")
  && !byId("status").textContent.startsWith("Fitting"));
const drop = async (name) => {
  const transfer = new view.DataTransfer();
  transfer.items.add(new view.File([tables[name]], name));
  const before = byId("status").textContent;
  page.body.dispatchEvent(new view.DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
  await until(() => byId("status").textContent !== before || !byId("error").hidden);
  await settled();
};
const pick = (key, value) => {
  const field = byId(`field-${key}`);
  field.value = value;
  field.dispatchEvent(new view.Event("change", { bubbles: true }));
};
const choose = async (key, value) => { pick(key, value); await settled(); };
const click = async (selector) => { page.querySelector(selector).click(); await settled(); };
const text = (selector) => page.querySelector(selector).textContent;
onload = async () => {
  page = document.getElementById("f").contentDocument;
  view = document.getElementById("f").contentWindow;
  const violations = [];
  page.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective));
  let out = {};
  try { out = await (async () => { %(script)s })(); }
  catch (error) { out = { failed: String(error) }; }
  out.refused_by_policy = violations;
  document.getElementById("out").textContent = JSON.stringify(out);
};
</script>"""


@contextmanager
def table_server(pages: dict[str, str], reply=answer) -> Iterator[tuple[str, list[str]]]:
    """The page at /table, answers to what is posted there, and these pages by path.

    Args:
        reply: what answers, `answer` unless a test watches it.

    Yields:
        address, and the requests so far.
    """
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(f"{self.command} {urlsplit(self.path).path}")

        def _send(self, status, kind, body):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the page asked for something else
                self.wfile.write(body)

        def do_GET(self):
            path = urlsplit(self.path).path
            text = page() if path == "/table" else pages.get(path)
            if text is None:
                self._send(404, "text/plain", b"")
            else:
                self._send(200, "text/html; charset=utf-8", text.encode())

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            words = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
            try:
                said, status = reply(words.pop("name"), body, words), 200
            except AllometryError as error:
                said, status = {"error": str(error)}, 422
            self._send(status, "application/json", json.dumps(said, allow_nan=False).encode())

    with answering(Handler) as address:
        yield address, asked


def around(script: str, tables: dict[str, str], width: int = 1280, height: int = 900) -> str:
    """The page around, with a script that returns what it saw."""
    inside = json.dumps(tables).replace("<", "\\u003c")
    return AROUND % {"script": script, "tables": inside, "width": width, "height": height}


def seen(script, tables, *, width=1280, dark=False, reply=answer):
    """What the script returned, the console, and the requests."""
    with table_server({"/around": around(script, tables, width)}, reply) as (address, asked):
        dom, console = browse(
            f"{address}/around", "--window-size=1300,1000", "--dump-dom", dark=dark
        )
    out = re.search(r'<pre id="out">(.*?)</pre>', dom, re.S)
    return json.loads(unescape(out[1])), console, asked
