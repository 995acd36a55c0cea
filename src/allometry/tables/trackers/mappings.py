"""Mappings as YAML, in the part of the language that trackers write their files in.

Mappings and lists by indentation, plain and quoted scalars, texts of several lines (``|``, ``>``),
and ``[...]`` or ``{...}`` that are JSON. Tags, anchors and whatever else YAML has are refused: none
of them is a value. Source: yaml.org/spec/1.2.2, chapters 6 to 8, and 10.3 for plain scalars.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

from allometry.errors import DataError
from allometry.files.foreign import read_bytes
from allometry.files.strict_json import read_json
from allometry.tables.cells import number_in

__all__ = ["read_mapping"]

LARGEST = 10_000_000  # bytes
MOST_DEEP = 50  # levels
QUOTED = r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'"""
PLAIN = r"""[^ \t"'\[\]{},#&*!|>%@`?-][^#]*?|-[^ \t#][^#]*?"""
KEY = re.compile(rf"({QUOTED}|{PLAIN})[ \t]*:(?:[ \t]+|$)")
WORDS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".nan": math.nan, ".NaN": math.nan, ".NAN": math.nan,
    ".inf": math.inf, ".Inf": math.inf, ".INF": math.inf,
    "-.inf": -math.inf, "-.Inf": -math.inf, "-.INF": -math.inf,
}  # fmt: skip
CLOSED = {'"': re.compile(r'"(?:[^"\\]|\\.)*"\s*(?:#.*)?', re.DOTALL),
          "'": re.compile(r"'(?:[^']|'')*'\s*(?:#.*)?", re.DOTALL)}  # fmt: skip

ESCAPES = {
    " ": "0020", "e": "001b", "0": "0000", "a": "0007", "v": "000b", "_": "00a0", "N": "0085",
    "L": "2028", "P": "2029",
}  # fmt: skip
OTHER_BREAKS = re.compile("[\x85\u2028\u2029]")  # ends of lines to YAML, which are not read


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a file.

    Raises:
        DataError: naming the line that is none, or not of the part of YAML that is read.
    """
    try:
        text = read_bytes(path, LARGEST).decode("utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{path}: text in UTF-8 was expected") from None
    if strange := OTHER_BREAKS.search(text):
        raise DataError(
            f"{path}: lines that end with a line feed were expected, got U+{ord(strange[0]):04X}"
        )
    value = _Document(path, text).value(0, 0)
    if not isinstance(value, dict):
        raise DataError(f"{path}: a mapping of names to values was expected")
    return value


class _Document:
    """The lines of a file, and which of them is read next."""

    def __init__(self, path: Path, text: str):
        self._path = path
        self._lines = [line.rstrip(" \t\r") for line in text.split("\n")]
        self._at = 0

    def value(self, indent: int, depth: int) -> Any:
        """The mapping or list whose lines stand at this indentation or further right."""
        if depth > MOST_DEEP:
            raise self._refusal(f"at most {MOST_DEEP} levels are read")
        here = self._indent()
        if here is None or here < indent:
            return None
        if self._is_item(here):
            return self._list(here, depth)
        return self._mapping(here, depth)

    def _mapping(self, indent: int, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while self._indent() == indent and not self._is_item(indent):
            match = KEY.match(self._lines[self._at], indent)
            if match is None:
                raise self._refusal("NAME: VALUE was expected")
            name = self._key(match[1])
            if name in values:
                raise self._refusal(f"{name[:60]!r} stands twice in one mapping")
            rest = self._lines[self._at][match.end() :]
            values[name] = self._after(rest, indent, depth, in_mapping=True)
        here = self._indent()
        if here is not None and here > indent:
            raise self._refusal("a line further left was expected")
        return values

    def _list(self, indent: int, depth: int) -> list[Any]:
        values = []
        while self._indent() == indent and self._is_item(indent):
            line = self._lines[self._at]
            rest = line[indent + 1 :]
            inner = len(line) - len(rest.lstrip(" "))
            if rest and (KEY.match(line, inner) or self._is_item(inner)):
                self._lines[self._at] = " " * inner + rest.lstrip(" ")  # as a line of its own
                values.append(self.value(inner, depth + 1))
            else:
                values.append(self._after(rest.lstrip(" "), indent, depth, in_mapping=False))
        return values

    def _after(self, rest: str, indent: int, depth: int, *, in_mapping: bool) -> Any:
        """What follows a name or a dash on its line, or on the next ones."""
        rest = rest.strip(" ")
        if rest[:1] in ("|", ">"):
            return self._block(rest, indent)
        if rest[:1] in CLOSED:
            return self._quoted(rest)
        rest = re.split(r"(?:^|[ \t])#", rest, maxsplit=1)[0].strip(" ")
        if rest[:1] in ("[", "{"):
            return self._json(rest)
        if rest[:1] and rest[:1] in "!&*%@`,]}":
            raise self._refusal(f"a plain value was expected, got {rest[:60]!r}")
        self._at += 1
        here = self._indent()
        if rest:
            parts = [rest]
            while here is not None and here > indent:  # a plain text goes on
                parts.append(self._lines[self._at].strip(" "))
                self._at += 1
                here = self._indent()
            return _scalar(" ".join(parts))
        # A list may stand below its name without being indented.
        listed = in_mapping and here == indent and self._is_item(indent)
        return self.value(indent if listed else indent + 1, depth + 1)

    def _block(self, head: str, indent: int) -> str:
        """A text of several lines."""
        if not re.fullmatch(r"[|>][+-]?", head):
            raise self._refusal(f"| or > was expected before a text of lines, got {head[:20]!r}")
        self._at += 1
        lines: list[str] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line and len(line) - len(line.lstrip(" ")) <= indent:
                break
            lines.append(line)
            self._at += 1
        margin = min((len(line) - len(line.lstrip(" ")) for line in lines if line), default=0)
        text = ("\n" if head[0] == "|" else " ").join(line[margin:] for line in lines)
        return text.rstrip("\n ") + ("" if head[1:] == "-" else "\n")

    def _quoted(self, text: str) -> str:
        """A text in quotation marks, which may go on in the next lines."""
        mark, began = text[0], self._at
        while not (whole := CLOSED[mark].fullmatch(text)):
            self._at += 1
            if self._at == len(self._lines):
                self._at = began
                raise self._refusal(f"a text that ends with {mark} was expected")
            more = self._lines[self._at].strip(" ")
            escaped = mark == '"' and text.endswith("\\")
            joint = "" if not more or text.endswith("\n") else " "
            text = text[:-1] + more if escaped else text + (joint + more or "\n")
        self._at += 1
        return self._unquoted(whole[0].rpartition(mark)[0] + mark)

    def _key(self, text: str) -> str:
        return self._unquoted(text) if text[0] in CLOSED else text.strip(" ")

    def _unquoted(self, text: str) -> str:
        if text[0] == "'":
            return text[1:-1].replace("''", "'")
        # Escapes of YAML that JSON has not: \x41, \U0001f600, and those of ESCAPES.
        inner = re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", text[1:-1].replace("\n", "\\n"))
        inner = re.sub(r"\\U([0-9a-fA-F]{8})", _beyond, inner)
        for escape, code in ESCAPES.items():
            inner = re.sub(rf"(?<!\\)((?:\\\\)*)\\{escape}", rf"\1\\u{code}", inner)
        try:
            return str(read_json(f'"{inner}"'.replace("\t", "\\t")))
        except DataError as error:
            raise self._refusal(f"a text in quotation marks was expected: {error}") from None

    def _json(self, text: str) -> Any:
        try:
            value = read_json(text, any_number=True)
        except DataError:
            raise self._refusal(
                f"a list or an object of JSON was expected, got {text[:60]!r}"
            ) from None
        self._at += 1
        return value

    def _indent(self) -> int | None:
        """The indentation of the next line with something in it; None at the end."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            content = line.lstrip(" ")
            if content.startswith("\t"):
                raise self._refusal("spaces before a value were expected, got a tab")
            if content and not content.startswith("#") and line not in ("---", "..."):
                return len(line) - len(content)
            self._at += 1
        return None

    def _is_item(self, indent: int) -> bool:
        return bool(re.match(r"-(?:[ \t]|$)", self._lines[self._at][indent:]))

    def _refusal(self, text: str) -> DataError:
        return DataError(f"{self._path}, line {min(self._at + 1, len(self._lines))}: {text}")


def _beyond(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return json.dumps(chr(code))[1:-1] if code <= 0x10FFFF else match[0]


def _scalar(text: str) -> Any:
    if text in WORDS:
        return WORDS[text]
    if text[0] in "+-.0123456789":
        number = number_in(text)
        return text if number is None else number
    return text
