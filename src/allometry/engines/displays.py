"""Displays of progress: a bar on a terminal, a line in a notebook cell, plain lines elsewhere.

Each stage of a study is counted separately.
"""

import sys
import time
from collections.abc import Sequence
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

from allometry.engines.progress import Progress, Silent
from allometry.errors import UsageError, quoted
from allometry.training.result import RunResult

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Bar", "Cell", "display"]

QUIET_SECONDS = 10.0  # between plain lines, without a terminal
CELL_SECONDS = 0.25  # between updates of a notebook cell, each of which is a message to a browser
STOPPING = "stopping after the pack in flight; once more stops at once"


def display(progress: Progress | bool | None) -> Progress:
    """The object that shows the progress of a run.

    Args:
        progress: None for a line in a notebook cell, a bar if stderr is a terminal, nothing
            elsewhere; True for plain lines on stderr elsewhere; False for nothing; or a
            `Progress`, which is returned unchanged.

    Raises:
        UsageError: `progress` is none of these.
    """
    if progress is False:
        return Silent()
    if progress is None or progress is True:
        if _in_a_notebook():
            return Cell()
        if progress or (sys.stderr is not None and sys.stderr.isatty()):
            return Bar()
        return Silent()
    if not all(hasattr(progress, name) for name in ("begin", "advance", "finished", "end")):
        raise UsageError(
            "progress=True, False, None or an object with the methods of "
            f"allometry.engines.progress.Progress expected, got {quoted(progress)}"
        )
    return progress


def _in_a_notebook() -> bool:
    """Whether this process is a notebook's kernel. IPython is never imported to find out."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None


class _Counted:
    """Counts the progress of a stage and describes it in words."""

    def __init__(self) -> None:
        self._is_later = False  # whether an earlier stage was trained
        self._count(runs=0, steps=0)

    def _count(self, runs: int, steps: int) -> None:
        """Restart the counts from 0, for these totals of runs and model-steps."""
        self._runs, self._steps = runs, steps
        self._done = self._diverged = self._steps_done = 0
        self._began = self._last_shown = time.monotonic()
        self._since, self._steps_before = self._began, 0  # the rate is measured from here

    def begin(self, runs: int, stored: int, packs: int, steps: int) -> None:
        """Start a stage: runs to train, runs stored before, packs, and model-steps in total.

        Called again for each later stage of a study.
        """
        self._count(runs, steps)
        if not runs:
            return
        runs_text = f"{runs} {'run' if runs == 1 else 'runs'}"
        work = f"{packs} {'pack' if packs == 1 else 'packs'} ({steps:,} model-steps)"
        if self._is_later:
            self._say(f"{runs_text} planned from the results of {stored}: {work}")
        else:
            self._say(f"{runs_text} to train in {work}; {stored} stored")
        self._is_later = True
        self._start()

    def advance(self, model_steps: int) -> None:
        now, first = time.monotonic(), not self._steps_done
        self._steps_done += model_steps
        rate = (self._steps_done - self._steps_before) / max(now - self._since, 1e-9)
        if first:  # the time before was mostly spent on loading and compiling
            self._since, self._steps_before = now, self._steps_done
        self._update(model_steps, rate, now, first)

    def finished(self, results: Sequence[RunResult]) -> None:
        self._done += len(results)
        self._diverged += sum(r.status == "diverged" for r in results)

    def draining(self) -> None:
        self._say(STOPPING)

    def end(self) -> None:
        if self._runs:
            seconds = time.monotonic() - self._began
            self._stop()
            self._say(f"{self._done} of {self._runs} runs trained in {seconds:.1f} s")

    def _state(self, rate: float) -> str:
        diverged = f", {self._diverged} diverged" if self._diverged else ""
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        return f"{self._done}/{self._runs} runs, {speed} model-steps/s{diverged}"

    def _left(self, rate: float) -> str:
        return f", about {(self._steps - self._steps_done) / rate:.0f} s left"

    def _state_and_left(self, rate: float, first: bool) -> str:
        """The state with the time left, except at first: the first rate includes compiling."""
        return self._state(rate) + ("" if first or not rate else self._left(rate))

    def _is_time(self, now: float, seconds: float) -> bool:
        """Whether `seconds` have passed since the last update; if so, restart the clock."""
        if now - self._last_shown <= seconds:
            return False
        self._last_shown = now
        return True

    def _say(self, text: str) -> None:
        """Show a line permanently."""
        raise NotImplementedError

    def _start(self) -> None:
        """Called before training."""

    def _update(self, model_steps: int, rate: float, now: float, first: bool) -> None:
        """Called after further model-steps, with their rate per second."""
        raise NotImplementedError

    def _stop(self) -> None:
        """Called after training."""


class Bar(_Counted):
    """Shows progress on stderr: a bar on a terminal, plain lines elsewhere.

    Args:
        console: console to write to; None for one on stderr.
    """

    def __init__(self, console: "Console | None" = None) -> None:
        from rich import console as consoles  # imported here: silent runs do not need it
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        super().__init__()
        self._console = console or consoles.Console(stderr=True, markup=False, emoji=False)
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._live,
        )

    def _start(self) -> None:
        if self._live:
            for task in self._bar.task_ids:
                self._bar.remove_task(task)
            self._bar.start()
            self._task = self._bar.add_task("training", total=self._steps, rate="")

    def _update(self, model_steps: int, rate: float, now: float, first: bool) -> None:
        if self._live:
            self._bar.update(self._task, advance=model_steps, rate=self._state(rate))
        elif self._is_time(now, QUIET_SECONDS):
            self._say(self._state_and_left(rate, first))

    def _stop(self) -> None:
        self._bar.stop()

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


class Cell(_Counted):
    """Shows progress in a notebook cell: one line, updated in place, in HTML with a bar."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: Any = None  # IPython's display handle, after the first line
        self._said = ""  # the last line passed to `_say`

    def _update(self, model_steps: int, rate: float, now: float, first: bool) -> None:
        if self._is_time(now, CELL_SECONDS):
            stopping = f"; {self._said}" if self._said == STOPPING else ""
            self._show(self._state_and_left(rate, first) + stopping)

    def _say(self, text: str) -> None:
        self._said = text
        self._show(text)

    def _show(self, text: str) -> None:
        line = _Line(text, self._steps_done, self._steps)
        if self._shown is None:
            show: Any = import_module("IPython.display").display  # a kernel always has IPython
            self._shown = show(line, display_id=True, metadata=METADATA)
        else:
            self._shown.update(line, metadata=METADATA)

    def end(self) -> None:
        super().end()
        if self._runs:
            self._shown = None  # a later stage gets a new line


METADATA = {"allometry": "progress"}  # marks outputs of a notebook that differ from run to run


class _Line:
    """A line of progress, as text and as HTML."""

    def __init__(self, text: str, done: int, steps: int) -> None:
        self._text, self._done, self._steps = text, done, steps

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        share = f'max="{self._steps}" value="{min(self._done, self._steps)}"'
        return (
            f'<div><progress {share} style="width: 12em; vertical-align: middle"></progress> '
            f"{escape(self._text)}</div>"
        )
