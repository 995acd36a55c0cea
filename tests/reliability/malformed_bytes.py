"""Files spoilt on their way: cut, in another encoding, with bytes put in, cut out, or flipped."""

import random
from typing import NamedTuple

from tests.cli.test_hostile import BROKEN

__all__ = ["Malformed", "spoilt"]

ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp500")
COOKIES = (b"# coding: latin-1\n", b"# coding: utf-16\n")
HEADS = (b"\xef\xbb\xbf", b"\xff\xfe", *COOKIES, b"\x1f\x8b", b"PK")


class Malformed(NamedTuple):
    """A file of a user that is not as it should be, and a command line that reads it.

    Attributes:
        kind: of what is wrong with it. command: `{}` stands for the file.
    """

    kind: str
    name: str
    content: bytes
    command: str


def spoilt(draw: random.Random, content: bytes) -> bytes:
    """The content as a slip of the hand, another program or a bad disk leaves it."""
    match draw.randrange(10):
        case 0:
            return content[: draw.randrange(len(content) + 1)]
        case 1:
            return content.decode("latin-1").encode(draw.choice(ENCODINGS), "replace")
        case 2:
            return draw.choice(HEADS) + content
        case 3:
            return draw.randbytes(draw.randrange(3000))
        case 4:
            return content + content[draw.randrange(len(content) + 1) :]
    made = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(made) + 1)
        made[at : at + draw.choice((0, 0, 1, 3, 20))] = draw.choice(BROKEN)
    return bytes(made)
