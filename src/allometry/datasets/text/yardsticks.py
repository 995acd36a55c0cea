"""How well a text can be compressed without a neural network, in bits per byte."""

import lzma
import zlib
from typing import Any

from allometry.datasets.text.ngrams import ByteModel
from allometry.datasets.text.text import Text

__all__ = ["yardsticks"]

ZLIB_WINDOW = 1 << 15  # bytes that zlib looks back


def yardsticks(data: Text, order: int = 5, *, given_training: bool = True) -> dict[str, float]:
    """Bits per byte of the whole test part, by programs and a model of short sequences.

    Args:
        data: the data set with the text; its tokeniser and source do not matter.
        order: length of the counted sequences in bytes.
        given_training: whether to compress the test part after the training part as well, which
            takes xz a second per megabyte.

    Returns:
        ``gzip``, ``xz``: the test part alone, without headers.
        ``gzip_given_training``, ``xz_given_training``: what the test part adds after the training
        part: a fairer comparison with a trained model. gzip looks back only 32 kB; xz sees all.
        ``bytes_of_N`` with N = `order`: a `ByteModel` of the training part.
    """
    parts = data.parts()
    train, test = b"".join(parts.train), b"".join(parts.test)
    sizes = {
        "gzip": len(_deflated(test)),
        "xz": len(_xz(test)),
    }
    if given_training:
        sizes["gzip_given_training"] = len(_deflated(test, train[-ZLIB_WINDOW:]))
        sizes["xz_given_training"] = len(_xz(train + test)) - len(_xz(train))
    bits = {name: 8 * size / len(test) for name, size in sizes.items()}
    return bits | {f"bytes_of_{order}": ByteModel.of(train, order).bits_per_byte(test)}


def _deflated(text: bytes, before: bytes = b"") -> bytes:
    """Raw deflate, the method of gzip; matches may also lie in `before`."""
    dictionary: dict[str, Any] = {"zdict": before} if before else {}
    compressor = zlib.compressobj(
        9, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, **dictionary
    )
    return compressor.compress(text) + compressor.flush()


def _xz(text: bytes) -> bytes:
    """Raw LZMA2, the method of xz, with a dictionary that holds the whole text."""
    size = max(1 << 20, 1 << (len(text) - 1).bit_length())
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": size}]
    return lzma.compress(text, format=lzma.FORMAT_RAW, filters=filters)
