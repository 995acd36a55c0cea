"""JSON from outside is read as it stands, or refused in words, in time linear in its length."""

import json
import random
import time

import pytest

from allometry.errors import DataError
from allometry.files.strict_json import LARGEST, MOST_DEEP, SMALLEST, read_json


@pytest.mark.parametrize(
    "value",
    [
        {}, [], "", None, True, 0, -1, 0.1, 5e-324, 1.7976931348623157e308, SMALLEST, LARGEST,
        {"a": [1, {"b": "é☃\N{GRINNING FACE}\x7f"}], "": None}, '[{"\\\\ud800',
    ],
)  # fmt: skip
def test_what_json_can_say_comes_back_exactly(value):
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        for read in (read_json(text), read_json(text.encode())):
            assert read == value and type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON: Expecting value at line 1, character 1"),
        ("{} {}", "not JSON: Extra data"),
        ('{"a":', "not JSON"),
        ('"\n"', "not JSON: Invalid control character"),
        ("\ufeff{}", "not JSON"),
        ("NaN", "NaN"),
        ('{"x": -Infinity}', "-Infinity"),
        ("1e999", "beyond the largest float"),
        (str(LARGEST + 1), "cannot be kept exactly"),
        (str(SMALLEST - 1), "cannot be kept exactly"),
        ("[" + "9" * 5000 + "]", "cannot be kept exactly"),
        ('{"a": 1, "b": 2, "a": 3, "c": 4}', "key 'a' twice"),
        ('[{"a": 1, "a": 1, "b": 2}]', "key 'a' twice"),
        ('{"a": 1, "b": 2, "b": 3}', "key 'b' twice"),
        (r'"\ud83d"', r"half a character, \\ud83d"),
        (r'{"\uDE00": 1}', r"half a character, \\ude00"),
        ("\ud800", "half a character"),
        (b"\xff", "UTF-8 expected, byte 1 is invalid"),
        (b'{"a": "\xed\xa0\x80"}', "UTF-8 expected"),
        ("[" * 200_000, f"nested more than {MOST_DEEP} deep"),
        ('{"a":' * 200_000, f"nested more than {MOST_DEEP} deep"),
        ('["' + "]" * 500 + '",' + "[" * 500, f"nested more than {MOST_DEEP} deep"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_words(text, said):
    with pytest.raises(DataError, match=said):
        read_json(text)


def test_depth_is_that_of_values_not_of_characters_in_strings():
    deep = "[" * MOST_DEEP + "]" * MOST_DEEP
    assert read_json(deep)
    with pytest.raises(DataError, match="deep"):
        read_json(f"[{deep}]")
    brackets = ["[{" * 200, '"[\\', "\\", '\\"{' * 300] * 50
    assert read_json(json.dumps(brackets)) == brackets
    assert read_json(json.dumps([{}] * 5000)) == [{}] * 5000


def test_a_document_altered_anywhere_is_read_as_python_reads_it_or_refused():
    """Flips, cuts and doublings: never an error of another kind, and never another value."""
    draw = random.Random(5)
    whole = json.dumps({"run": [{"a": -1.5e3, "é": [True, None]}] * 3, "😀": "\\u"}).encode()
    refused = 0
    for _ in range(3000):
        altered = bytearray(whole)
        at = draw.randrange(len(whole))
        match draw.randrange(3):
            case 0:
                altered[at] = draw.choice(b'[]{}",:0123456789eE+-.\\u NaI\xff\x00')
            case 1:
                del altered[at : at + draw.randrange(1, 9)]
            case 2:
                altered[at:at] = altered[draw.randrange(at + 1) : at]
        try:
            value = read_json(bytes(altered))
        except DataError:
            refused += 1
        else:
            assert value == json.loads(bytes(altered))
    assert 1000 < refused < 3000


@pytest.mark.parametrize(
    "unit", ['"', '\\"', '"\\', "[", "{}", '[],"', '{"a":[', "9", "-", '"a":1,', "\\ud800", "é"]
)
def test_the_time_is_linear_in_the_length(unit):
    """Eight times the text takes far less than the 64 times of a quadratic reader."""

    def seconds(length):
        began = time.process_time()
        for opening in ("", '{"', "[" * 101 + '"'):
            with pytest.raises(DataError):
                read_json((opening + unit * length)[:length])
        return time.process_time() - began

    assert seconds(800_000) < max(24 * seconds(100_000), 0.25)
