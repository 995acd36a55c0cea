"""The wire format of protocol buffers, as far as event files use it.

Source: protobuf.dev/programming-guides/encoding. A message is a sequence of fields, each a number
and a value: a varint, 8 or 4 bytes, or bytes with their length before them.
"""

import struct
from collections.abc import Iterator

__all__ = [
    "Field",
    "Malformed",
    "double",
    "fields",
    "length_delimited",
    "packed",
    "signed",
    "varint",
]

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
LONGEST_VARINT = 10  # bytes: seven bits each, of 64

Field = tuple[int, int | bytes]


class Malformed(ValueError):
    """Raised for bytes that are not a message."""


def fields(message: bytes) -> Iterator[Field]:
    """Number and value of each field: an int for a varint, else its bytes.

    Raises:
        Malformed: the bytes are not a message.
    """
    at, end = 0, len(message)
    while at < end:
        key, at = _varint_at(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint_at(message, at)
            yield number, value
            continue
        if kind == BYTES:
            size, at = _varint_at(message, at)
        elif kind in (EIGHT, FOUR):
            size = 8 if kind == EIGHT else 4
        else:
            raise Malformed(f"field {number} of the unknown kind {kind}")
        if number == 0 or size > end - at:
            raise Malformed(f"field {number} goes beyond the end of its message")
        yield number, message[at : at + size]
        at += size


def _varint_at(message: bytes, at: int) -> tuple[int, int]:
    if at < len(message) and message[at] < 128:  # nearly all are, and most of the time goes here
        return message[at], at + 1
    value = 0
    for i in range(LONGEST_VARINT):
        if at + i >= len(message):
            raise Malformed("a message ends inside a number")
        byte = message[at + i]
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value & (1 << 64) - 1, at + i + 1
    raise Malformed("a number of more than ten bytes")


def signed(value: int) -> int:
    """A varint as the int64 that it stands for."""
    return value - (1 << 64) if value >> 63 else value


def packed(values: bytes, form: str) -> list[float]:
    """Consecutive little-endian numbers in the format of this letter of `struct`."""
    size = struct.calcsize(form)
    if len(values) % size:
        raise Malformed(f"{len(values)} bytes are no whole count of numbers of {size}")
    return list(struct.unpack(f"<{len(values) // size}{form}", values))


def varint(number: int, value: int) -> bytes:
    """A field with a whole number, of int64 or enumerations."""
    return _key(number, VARINT) + _varint(value & (1 << 64) - 1)


def double(number: int, value: float) -> bytes:
    """A field with a double."""
    return _key(number, EIGHT) + struct.pack("<d", value)


def length_delimited(number: int, value: bytes | str) -> bytes:
    """A field with a text, bytes or a message."""
    content = value.encode() if isinstance(value, str) else value
    return _key(number, BYTES) + _varint(len(content)) + content


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
