"""Tokenisers: how a text becomes whole numbers, as values.

All of them are lossless: the tokens of a text decode to the same text. So losses with different
tokenisers can be compared in bits per byte of the text.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from allometry.datasets.text.byte_pairs import byte_pair_tokens
from allometry.datasets.text.parts import Parts
from allometry.errors import UsageError, lacking
from allometry.spec.value import Spec

__all__ = ["BytePair", "Bytes", "Characters", "Tokeniser", "Tokens"]


class Tokens(NamedTuple):
    """A text as tokens.

    Attributes:
        train, valid, test: numbers of the tokens of each part, ``(n,)`` unsigned.
        vocabulary: the UTF-8 of each token by its number.
        encode: numbers of the tokens of another text; UsageError where the vocabulary lacks some
            of its characters.
        sha256: of a trained tokeniser's tokens and merges; None where nothing is trained.
    """

    train: NDArray[np.unsignedinteger]
    valid: NDArray[np.unsignedinteger]
    test: NDArray[np.unsignedinteger]
    vocabulary: tuple[bytes, ...]
    encode: Callable[[str], Sequence[int]]
    sha256: str | None = None

    def decode(self, tokens: NDArray[np.integer]) -> bytes:
        """The text of tokens."""
        return b"".join([self.vocabulary[token] for token in tokens.tolist()])


class Tokeniser(Spec):
    """How a text becomes tokens.

    Attributes:
        of_any_text: whether the vocabulary is the same for every text.
    """

    of_any_text: ClassVar[bool] = False

    @property
    def n_tokens(self) -> int | None:
        """Size of the vocabulary; None where it depends on the text."""
        return None

    def tokens(self, parts: Parts, sha256: str) -> Tokens:
        """The tokens of a text.

        Args:
            parts: of the text. A tokeniser is trained on the training part alone.
            sha256: of the parts; slow results are kept on disk under it.
        """
        raise lacking(self, "tokens")


class Bytes(Tokeniser):
    """A token for each byte of UTF-8; the vocabulary has all 256 values of a byte."""

    short: ClassVar[str | None] = "bytes"
    of_any_text: ClassVar[bool] = True

    @property
    def n_tokens(self) -> int:
        return 256

    def tokens(self, parts: Parts, sha256: str) -> Tokens:
        train, valid, test = (np.frombuffer(b"".join(part), np.uint8) for part in parts)
        vocabulary = tuple(bytes([byte]) for byte in range(256))
        return Tokens(train, valid, test, vocabulary, lambda text: list(text.encode()))


class Characters(Tokeniser):
    """A token for each character; the vocabulary has those of all three parts, by code point."""

    short: ClassVar[str | None] = "characters"

    def tokens(self, parts: Parts, sha256: str) -> Tokens:
        texts = [b"".join(part).decode() for part in parts]
        codes = [np.frombuffer(text.encode("utf-32-le"), "<u4") for text in texts]
        alphabet = np.unique(np.concatenate([np.unique(part) for part in codes]))
        dtype = np.min_scalar_type(len(alphabet) - 1)
        train, valid, test = (np.searchsorted(alphabet, part).astype(dtype) for part in codes)
        characters = [chr(code) for code in alphabet.tolist()]
        number = {character: i for i, character in enumerate(characters)}

        def encode(text: str) -> list[int]:
            unknown = dict.fromkeys(c for c in text if c not in number)
            if unknown:
                others = ", ".join(map(repr, unknown))
                raise UsageError(f"characters in the text of the data expected, got {others}")
            return [number[character] for character in text]

        return Tokens(train, valid, test, tuple(c.encode() for c in characters), encode)


class BytePair(Tokeniser):
    """Byte-pair encoding (Sennrich et al. 1508.07909) of bytes, as GPT-2's.

    The vocabulary begins with all 256 bytes, so that every text can be encoded. The most frequent
    pair within words of the training part is merged until the vocabulary is full. It is trained by
    the library `tokenizers`, the extra ``text``. The training is deterministic. Versions 0.15 to
    0.23 of the library give the same tokens for Gutenberg; if another version gives others,
    `sha256` refuses them.

    Attributes:
        vocabulary: number of tokens, the bytes included.
        sha256: expected SHA-256 of the trained tokeniser, `Text.tokeniser_sha256`; None: any. As a
            field it is part of a run's identity.
    """

    short: ClassVar[str | None] = "byte_pair"

    vocabulary: int = Field(default=1024, ge=257, le=65_536)
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")

    @property
    def n_tokens(self) -> int:
        return self.vocabulary

    def tokens(self, parts: Parts, sha256: str) -> Tokens:
        return Tokens(*byte_pair_tokens(parts, sha256, self.vocabulary, self.sha256))
