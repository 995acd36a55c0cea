"""Findings and figures of the runs stored so far, drawn in other processes and cached.

Each drawing runs in a separate process with low priority: training and the server continue
meanwhile, and its memory is released at its end.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from allometry.serve.live import Entry
from allometry.serve.pages import Part

__all__ = ["Findings"]

LEAST: Final = 20.0  # least seconds between two drawings of a study
SHARE: Final = 8.0  # least pause between two drawings, in durations of a drawing
MOST: Final = 900.0  # most seconds of a drawing
KEPT: Final = 8  # studies whose last drawing is kept
LARGEST: Final = 4_000_000  # most bytes of a drawing


class _Drawing(NamedTuple):
    """A finished drawing.

    Attributes:
        part: the part of the page. document: the findings as in `allometry report --json`.
        of: the counts of runs it was drawn from. seconds: its duration.
        at: when it was finished, by `time.monotonic`.
    """

    part: Part
    document: list[dict[str, Any]] | None
    of: tuple[object, ...]
    seconds: float
    at: float


class Findings:
    """Draws the findings and figures that the report of each study would have now.

    Args:
        store: the SQLite file.
        studies: name to argument of `allometry.studies.study`; other studies are not drawn.

    Attributes:
        count: number of finished drawings.
    """

    def __init__(self, store: Path, studies: Mapping[str, str]):
        self.count = 0
        self._store = store
        self._studies = studies
        self._drawings: dict[str, _Drawing] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Lock()

    def part(self, entry: Entry, drawn: Callable[[], None]) -> Part:
        """The last drawing, or a message in its place; a new one is started if it is due.

        Args:
            drawn: called when the new drawing is finished.
        """
        status = entry.status
        if status.study not in self._studies:
            return _words(
                "Findings and figures are shown for the studies that come with allometry, and for "
                "your own studies that you name: allometry serve ./mine.py"
            )
        if not status.done:
            return _words("Findings and figures follow once a run is done.")
        last = self._drawings.get(entry.slug)
        if self._is_due(entry, last):
            task = asyncio.create_task(self._draw(entry, drawn))
            self._under_way[entry.slug] = task
            task.add_done_callback(lambda _: self._under_way.pop(entry.slug, None))
        if last is None:
            return _words("Findings and figures are being drawn.")
        return last.part

    def document(self, entry: Entry) -> list[dict[str, Any]] | None:
        """The findings of the last drawing; None before the first one."""
        last = self._drawings.get(entry.slug)
        return last.document if last else None

    async def close(self) -> None:
        """End the drawings in progress."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _is_due(self, entry: Entry, last: _Drawing | None) -> bool:
        if entry.slug in self._under_way:
            return False
        if last is None:
            return True
        if last.of == _counts(entry):
            return False
        # Once all runs are stored, only the least pause applies; before, drawing takes a share.
        wait = LEAST if not entry.status.pending else max(LEAST, SHARE * last.seconds)
        return time.monotonic() - last.at > (0 if entry.state is None else wait)

    async def _draw(self, entry: Entry, drawn: Callable[[], None]) -> None:
        async with self._one_at_a_time:
            began, counts = time.monotonic(), _counts(entry)
            order = [self._studies[entry.status.study], str(self._store), *entry.key]
            answer = await _drawn_elsewhere(order)
            now = time.monotonic()
            part = Part.of(answer["html"]) if "html" in answer else _words(answer["error"])
            self._drawings.pop(entry.slug, None)
            self._drawings[entry.slug] = _Drawing(
                part, answer.get("findings"), counts, now - began, now
            )
            for old in list(self._drawings)[:-KEPT]:
                del self._drawings[old]
            self.count += 1
        drawn()


def _counts(entry: Entry) -> tuple[object, ...]:
    status = entry.status
    return status.declared, status.done, status.diverged, status.reasons, status.last_finished


def _words(text: str) -> Part:
    return Part.of(Markup('<p class="partial">{}</p>').format(text))


async def _drawn_elsewhere(order: Sequence[str]) -> dict[str, Any]:
    """Draw in another process; if that fails, the result has a message under ``error``."""
    process = await asyncio.create_subprocess_exec(
        # -P: libraries must not import files of the current folder as modules.
        sys.executable, "-P", "-m", "allometry.serve.drawing", *order,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        out, _ = await asyncio.wait_for(process.communicate(), MOST)
    except TimeoutError:
        return {"error": f"drawing took more than {MOST / 60:.0f} minutes and was ended"}
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode or len(out) > LARGEST:
        reason = f"ended with code {process.returncode}" if process.returncode else "is too large"
        return {"error": f"the drawing {reason}; `allometry report` shows the reason"}
    answer = json.loads(out)
    assert isinstance(answer, dict), answer
    return answer
