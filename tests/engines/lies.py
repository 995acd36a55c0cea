"""What a lying worker sends: real deliveries, altered anywhere and sealed again."""

import copy
import hashlib
import json
import random

from allometry.engines.deliveries import HASH, LENGTH

NUMBERS = ["0", "-1", "0.5", "1e999", "-1e-999", "NaN", "-Infinity", "9" * 400, str(2**64),
           str(2**63), str(-(2**63)), str(-(2**63) - 1), "true", "1" * 5000]  # fmt: skip
DEEP = ["[" * 200_000, '{"a":' * 200_000, "[" * 90 + "]" * 90]
TEXTS = ['""', '"x"', r'"\ud800"', r'"\u0000"', r'"\u001b[2J"', '"' + "y" * 5000 + '"', '"done"',
         '"diverged"', '"{}"', '"[]"', '"NaN"', r'"{\"float\":\"nan\"}"']  # fmt: skip
OTHERS = ["null", "[]", "{}", '[{"a": 1}]', '{"float": "nan"}', '{"float": "x"}',
          '{"a": 1, "a": 2}', '{"float": 1e999}', '{"__proto__": null}']  # fmt: skip
VALUES = [*NUMBERS, *TEXTS, *OTHERS, *DEEP]
PLACE = "\ue000the place of a lie\ue000"  # a string that no delivery holds


def parts(data):
    """The header and the arrays of a delivery."""
    size = int.from_bytes(data[HASH : HASH + LENGTH], "little")
    first = HASH + LENGTH
    return json.loads(data[first : first + size]), data[first + size :]


def sealed(text, blobs=b"", length=None):
    """A delivery with a right hash."""
    length = len(text) if length is None else length
    body = length.to_bytes(LENGTH, "little") + text + blobs
    return hashlib.sha256(body).hexdigest().encode() + body


def lie(data, draw: random.Random):
    """One altered delivery."""
    head, blobs = parts(data)
    kinds = (a_value, a_cell, a_name, the_bytes, the_length, the_arrays, an_array_header)
    return draw.choice(kinds)(copy.deepcopy(head), blobs, draw)


def a_value(head, blobs, draw):
    """Another value anywhere in the header, also one that Python's writer would not write."""
    places = [(head, key) for key in head]
    for key in ("provenance",):
        places += [(head[key], name) for name in [*head[key], "new", "code", "engine"]]
    for run in head["runs"]:
        places += [(run, key) for key in [*run, "new"]]
    place, key = draw.choice(places)
    place[key] = PLACE
    return sealed(_with(head, draw.choice(VALUES)), blobs)


def a_cell(head, blobs, draw):
    """Another value of a column, a new one, or a row that is none."""
    run = draw.choice(head["runs"])
    row = json.loads(run["row"])
    row[draw.choice([*row, "new", "seed", "run_id", "status", "", "\ud800", "a\x00b"])] = PLACE
    run["row"] = _with(row, draw.choice(VALUES)).decode()
    if draw.random() < 0.1:
        run["row"] = draw.choice(VALUES)
    return sealed(json.dumps(head).encode(), blobs)


def a_name(head, blobs, draw):
    """Runs left out, twice, renamed, in another order; failures of others."""
    runs = head["runs"]
    match draw.randrange(5):
        case 0:
            runs.pop(draw.randrange(len(runs)))
        case 1:
            runs.append(draw.choice(runs))
        case 2:
            draw.choice(runs)["run_id"] = draw.choice(["", "f" * 64, runs[0]["run_id"]])
        case 3:
            draw.shuffle(runs)
        case 4:
            failed = {"run_id": draw.choice(runs)["run_id"], "reason": "no", "log": ""}
            head["failed"] += [failed] * draw.randrange(1, 3)
    return sealed(json.dumps(head).encode(), blobs)


def the_bytes(head, blobs, draw):
    """Bytes of the header flipped, left out, doubled."""
    text = bytearray(json.dumps(head).encode())
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(text))
        match draw.randrange(3):
            case 0:
                text[at] = draw.choice(b'{}[]",:0123456789eE.-\\u \x00\xff')
            case 1:
                del text[at : at + draw.randrange(1, 30)]
            case 2:
                text[at:at] = text[at : at + draw.randrange(1, 30)]
    return sealed(bytes(text), blobs)


def the_length(head, blobs, draw):
    """A header that is said to be longer or shorter than it is."""
    text = json.dumps(head).encode()
    lengths = [0, 1, len(text) - 1, len(text) + 1, len(text) + len(blobs), 2**31, 2**63, 2**64 - 1]
    return sealed(text, blobs, draw.choice(lengths))


def the_arrays(head, blobs, draw):
    """Bytes of the arrays altered, cut or more, with the lengths as they then are, or not."""
    altered = bytearray(blobs)
    match draw.randrange(3):
        case 0:
            for _ in range(draw.randrange(1, 4)):
                altered[draw.randrange(len(altered))] = draw.randrange(256)
        case 1:
            del altered[draw.randrange(len(altered)) :]
        case 2:
            altered += draw.randbytes(draw.randrange(1, 99))
    head["runs"][-1]["bytes"] += draw.choice([0, 1]) * (len(altered) - len(blobs))
    return sealed(json.dumps(head).encode(), bytes(altered))


def an_array_header(head, blobs, draw):
    """The safetensors header of the first run rewritten: types, shapes, offsets, names."""
    run = head["runs"][0]
    own, rest = blobs[: run["bytes"]], blobs[run["bytes"] :]
    end = 8 + int.from_bytes(own[:8], "little")
    arrays = json.loads(own[8:end])
    name = draw.choice(sorted(arrays))
    field = draw.choice(["dtype", "shape", "data_offsets", "name", "all", "metadata"])
    if field == "dtype":
        arrays[name]["dtype"] = draw.choice(["F64", "BF16", "F8_E4M3", "BOOL", "I8", "C64", "X"])
    elif field == "shape":
        arrays[name]["shape"] = draw.choice([[], [0], [-1], [2**62, 4], [0, 2**63], [1] * 70, 5])
    elif field == "data_offsets":
        arrays[name]["data_offsets"] = draw.choice([[0, 0], [0, 2**62], [8, 0], [0, 8], []])
    elif field == "name":
        arrays[draw.choice(["", "\ud800", "a\x00", "run_id"])] = arrays.pop(name)
    elif field == "metadata":
        arrays["__metadata__"] = draw.choice([{"a": "b"}, {"a": 1}, [], {"a": "b" * 10**6}])
    text = json.dumps(arrays).encode()
    if field == "all":
        text = draw.choice([b"[" * 200_000, b"{}", b"", b'{"a":' * 100_000])
    size = draw.choice([len(text), len(text), len(text), 2**63, 2**40, 0])
    own = size.to_bytes(8, "little") + text + own[end:]
    run["bytes"] = len(own)
    return sealed(json.dumps(head).encode(), own + rest)


def _with(document, value):
    """The document as JSON, with this text in the place of the lie."""
    return json.dumps(document).replace(json.dumps(PLACE), value).encode()
