"""The command line called in this process, and what is wrong with its answer."""

import io
import json
import re
import signal
import traceback
import unicodedata
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

from allometry import cli

CODES = (0, 2, 65, 69, 70, 74, 75)  # of docs/command-line.md, but for signals
# Behind what a study has printed without an end of line, too.
_MESSAGE = re.compile(r"(?:allometry: |^Error: |^failed: ).*", re.MULTILINE)
LONGEST = 1500  # characters of one message


class Answer(NamedTuple):
    """What a command left behind.

    Attributes:
        code: of its end. out, err: what it wrote.
    """

    code: object
    out: str
    err: str

    @property
    def messages(self) -> list[str]:
        """The sentences that tell why it ended as it did, and the runs that failed."""
        return _MESSAGE.findall(self.err)


class Hung(BaseException):
    """A command did not come back."""


def hang_up(*_: object) -> None:
    raise Hung


def answer(arguments: Sequence[str], seconds: int = 60) -> Answer:
    """Call a command; whatever but its exit comes out of it is raised.

    Raises:
        Hung: it took longer than so many seconds.
    """
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    code: object = "none: it returned"
    signal.signal(signal.SIGALRM, hang_up)
    signal.alarm(seconds)
    try:
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
            cli.main(list(arguments))
    except SystemExit as stop:
        code = stop.code
    finally:
        signal.alarm(0)
    out, err = (stream.buffer.getvalue().decode("utf-8") for stream in streams)
    return Answer(code or 0, out, err)


def fault(arguments: Sequence[str], seconds: int = 60) -> tuple[Answer | None, str]:
    """The answer of a command and what is wrong with it: nothing, where it is a good one."""
    try:
        given = answer(arguments, seconds)
    except Hung:
        return None, "hangs"
    except BaseException:
        return None, traceback.format_exc()
    return given, fault_of(given, arguments)


def fault_of(given: Answer, arguments: Sequence[str]) -> str:
    """What is wrong with an answer: a traceback, an exit code, raw characters."""
    failed = any(message.startswith("failed: ") for message in given.messages)
    if "Traceback" in given.out + given.err and not failed:  # that of a run, with its log
        return f"a traceback is printed: {given.err[-500:]}"
    if given.code not in CODES:
        return f"exit code {given.code}"
    is_data = "--json" in arguments or [*arguments][:1] == ["table"]
    raw = {c for c in ("" if is_data else given.out) + given.err if _is_raw(c)}
    return f"raw {raw}" if raw else ""


def _is_raw(character: str) -> bool:
    return unicodedata.category(character)[0] == "C" and character not in "\n\t"


def _is_json(text: str) -> bool:
    try:
        return "schema" in json.loads(text)
    except ValueError:
        return False


def unclear(given: Answer, arguments: Sequence[str]) -> str:
    """What is wrong with the words of an answer: none, several, or too many of them."""
    told = [message for message in given.messages if not message.startswith("failed: ")]
    if given.code == 0:
        if told:
            return f"a message of a command that ended well: {told}"
        return "no JSON document" if "--json" in arguments and not _is_json(given.out) else ""
    if [*arguments][:1] == ["verify"] and given.out and given.code == 65:
        return ""  # what was asked for, line by line
    failed = len(given.messages) - len(told)
    if len(told) != 1 and not (given.code == 70 and failed and not told):
        return f"one message expected, got {told}: {given.err[-500:]!r}"
    longest = max(map(len, given.messages))
    return f"a message of {longest} characters" if longest > LONGEST else ""
