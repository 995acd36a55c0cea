"""JSON from outside: what can be kept exactly and written again as it was, or refused in words.

Refused are what Python's own reader lets pass or fails on with errors of its own: values nested
deeply, whole numbers that no 64 bits hold, floats beyond the largest, NaN, a key given twice, and
halves of characters (lone surrogates), which cannot be written. The time is linear in the text.
"""

import json
import math
import re
from itertools import zip_longest
from typing import Any, NoReturn

from allometry.errors import DataError

__all__ = ["LARGEST", "MOST_DEEP", "SMALLEST", "check_depth", "read_json"]

MOST_DEEP = 100  # objects and lists in one another; a document of ours has less than ten
SMALLEST, LARGEST = -(2**63), 2**64 - 1  # what NumPy keeps exactly, as int64 or uint64
DIGITS = len(str(LARGEST))
MOST_DIGITS = 400  # of a whole number; the largest float has 309
# A string without its end goes to the end of the text: no character is looked at twice.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\]}]', re.DOTALL)
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


def read_json(text: str | bytes, *, any_number: bool = False) -> Any:
    """The value of a JSON document.

    Args:
        text: as bytes, UTF-8.
        any_number: take NaN and infinities, and whole numbers of up to `MOST_DIGITS` digits, as
            programs write them into their tables.

    Raises:
        DataError: saying what is wrong; the caller says where.
    """
    document = _decoded(text)
    check_depth(document)
    try:
        value = (_DECODER_OF_ANY_NUMBER if any_number else _DECODER).decode(document)
    except json.JSONDecodeError as error:
        raise DataError(
            f"not JSON: {error.msg} at line {error.lineno}, character {error.colno}"
        ) from None
    if _ESCAPED_HALF.search(document):
        _check_characters(json.dumps(value, ensure_ascii=False))
    return value


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        _check_characters(text)
        return text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"UTF-8 expected, byte {error.start + 1} is none") from None


def _check_characters(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = ord(text[error.start])
        raise DataError(f"half a character, \\u{half:x}, without the other half") from None


def check_depth(document: str) -> None:
    """Refuse a document with values nested deeply, of which Python's own reader fails.

    Raises:
        DataError: more than `MOST_DEEP` objects and lists in one another.
    """
    if document.count("[") + document.count("{") <= MOST_DEEP:
        return
    depth = 0
    for token in _TOKEN.finditer(document):
        depth += _STEPS.get(token[0], 0)
        if depth > MOST_DEEP:
            raise DataError(f"objects and lists nested more than {MOST_DEEP} deep")


def _whole_number(digits: str) -> int:
    # Counted first: Python needs long for many digits, and refuses more than some thousands.
    if len(digits.lstrip("-")) > DIGITS:
        _refuse_number()
    value = int(digits)
    if not SMALLEST <= value <= LARGEST:
        _refuse_number()
    return value


def _any_whole_number(digits: str) -> int:
    if len(digits.lstrip("-")) > MOST_DIGITS:
        raise DataError(f"a whole number of {len(digits)} digits, more than {MOST_DIGITS}")
    return int(digits)


def _refuse_number() -> NoReturn:
    raise DataError("a whole number outside -2**63 to 2**64-1, which cannot be kept exactly")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise DataError(f"a number beyond the largest float, {digits[:40]}")
    return value


def _no_number(name: str) -> NoReturn:
    raise DataError(f"{name}, which is no number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        # The last of equal keys gave its value its place at the first: one key is out of place.
        twice = next(key for (key, _), kept in zip_longest(pairs, value) if key != kept)
        raise DataError(f"key {twice[:60]!a} twice in an object")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_whole_number,
    parse_float=_float,
    parse_constant=_no_number,
)
_DECODER_OF_ANY_NUMBER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_any_whole_number)
