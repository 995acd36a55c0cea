"""Strict reading of JSON from outside: only documents that can be stored and rewritten exactly.

Refused is content that Python's own reader accepts, or rejects with unclear errors: deeply nested
values, integers beyond 64 bits, numbers beyond the largest float, NaN, duplicate keys, and lone
surrogates, which UTF-8 cannot encode. Reading takes time linear in the text.
"""

import json
import math
import re
from itertools import zip_longest
from typing import Any, NoReturn

from allometry.errors import DataError

__all__ = ["LARGEST", "MOST_DEEP", "SMALLEST", "check_depth", "read_json"]

MOST_DEEP = 100  # largest nesting depth; Allometry's documents have less than ten
SMALLEST, LARGEST = -(2**63), 2**64 - 1  # integers that NumPy holds exactly, as int64 or uint64
DIGITS = len(str(LARGEST))
MOST_DIGITS = 400  # of an integer; the largest float has 309
# A string without its closing quote matches to the end of the text, so the search stays linear.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\]}]', re.DOTALL)
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


def read_json(text: str | bytes, *, any_number: bool = False) -> Any:
    """The value of a JSON document.

    Args:
        text: the document; bytes are decoded as UTF-8.
        any_number: accept NaN, infinities, and integers of up to `MOST_DIGITS` digits, as other
            programs write them into tables.

    Raises:
        DataError: describes the error; the caller adds the file.
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
        raise DataError(f"UTF-8 expected, byte {error.start + 1} is invalid") from None


def _check_characters(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = ord(text[error.start])
        raise DataError(f"half a character, \\u{half:x}, without the other half") from None


def check_depth(document: str) -> None:
    """Refuse a deeply nested document, on which Python's own reader fails.

    Raises:
        DataError: objects and lists are nested more than `MOST_DEEP` deep.
    """
    if document.count("[") + document.count("{") <= MOST_DEEP:
        return
    depth = 0
    for token in _TOKEN.finditer(document):
        depth += _STEPS.get(token[0], 0)
        if depth > MOST_DEEP:
            raise DataError(f"objects and lists nested more than {MOST_DEEP} deep")


def _whole_number(digits: str) -> int:
    # Digits are counted first: Python is slow on many digits, and refuses more than some thousands.
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
    raise DataError(f"{name}, which is not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        # A repeated key stays at its first position in the dict, so the orders differ at its copy.
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
