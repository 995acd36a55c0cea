"""A Chromium that goes on: pages are opened, asked and looked at, over its debugging pipe."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.browser.chromium import FLAGS, executable

# A browser reads its commands from descriptor 3 and answers on 4.
AS_THREE_AND_FOUR = """
import fcntl, os, sys
low, high = (fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3])  # neither 3 nor 4
os.dup2(low, 3)
os.dup2(high, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Refused(Exception):
    """A command that cannot be done: in a page that is being left, say."""


class Browser:
    """The pipe to a Chromium; commands of the DevTools protocol.

    Attributes:
        events: that came, all of them.
    """

    def __init__(self, asking: int, answers: int):
        self._asking = os.fdopen(asking, "wb", buffering=0)
        self._answers = os.fdopen(answers, "rb")
        self._number = 0
        self._rest = b""
        self.events: list[dict[str, Any]] = []
        self._tabs: list[Tab] = []

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        if session:
            asked["sessionId"] = session
        self._asking.write(json.dumps(asked).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._number:
                if "error" in message:
                    raise Refused(method, message["error"])
                return message["result"]
            self.events.append(message)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._answers.fileno(), 1 << 16)
            assert piece, "Chromium ended"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, url: str, width: int = 1280, height: int = 900, dark: bool = False) -> "Tab":
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session, target)
        self._tabs.append(tab)
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.call(f"{domain}.enable")
        # Every tab is as if it were in front, as on several screens.
        tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
        tab.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
            mobile=False,
        )  # fmt: skip
        value = "dark" if dark else "light"
        tab.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": value}],
        )
        tab.call("Page.navigate", url=url)
        tab.until("document.readyState === 'complete'")
        return tab

    def close(self) -> None:
        self._asking.close()
        self._answers.close()

    def close_tabs(self) -> None:
        for tab in list(self._tabs):
            tab.close()

    def complaints(self) -> list[str]:
        """What pages wrote on their console, or was refused them; not that a server is gone."""
        texts = []
        for event in self.events:
            if event["method"] == "Log.entryAdded":
                texts.append(event["params"]["entry"]["text"])
            elif event["method"] in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
                texts.append(json.dumps(event["params"]))
        return [text for text in texts if "net::ERR_CONNECTION_REFUSED" not in text]

    def asked_for(self) -> list[str]:
        """Every address that was asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]


class Tab:
    """One page."""

    def __init__(self, browser: Browser, session: str, target: str):
        self.browser, self._session, self._target = browser, session, target

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self._session, **parameters)

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, expression: str, seconds: float = 20.0) -> Any:
        """The value of an expression once it is true."""
        end = time.monotonic() + seconds
        while True:
            with suppress(Refused):
                if value := self.ask(expression):
                    return value
            assert time.monotonic() < end, (expression, self.ask("document.body.innerText")[:2000])
            time.sleep(0.05)

    def screenshot(self, path: Any, whole: bool = False) -> None:
        import base64

        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self._target)
        self.browser._tabs.remove(self)


@contextmanager
def chromium() -> Iterator[Browser]:
    flags = [flag for flag in FLAGS if not flag.startswith(("--virtual-time", "--enable-logging"))]
    to_read, asking = os.pipe()
    answers, to_write = os.pipe()

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [sys.executable, "-c", AS_THREE_AND_FOUR, str(to_read), str(to_write),
             str(executable()), *flags, f"--user-data-dir={profile}", "--remote-debugging-pipe"],
            pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        browser = Browser(asking, answers)
        try:
            yield browser
            browser.call("Browser.close")
        finally:
            process.kill() if process.poll() is None and not _ends(process) else None
            process.wait()
            browser.close()


def _ends(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        return False
    return True
