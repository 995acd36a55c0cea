"""Byte-pair encoding by the library `tokenizers`, trained once and kept on disk."""

import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.datasets.text.kept import kept
from allometry.datasets.text.parts import Parts
from allometry.errors import DataError, UnavailableError, UsageError

__all__ = ["byte_pair_tokens"]

# Version of what this module makes from a text; a change to the result needs a new version.
FORM = "byte pairs 1"

Numbers = NDArray[np.uint16]


def byte_pair_tokens(
    parts: Parts, sha256: str, vocabulary: int, expected: str | None
) -> tuple[Numbers, Numbers, Numbers, tuple[bytes, ...], Callable[[str], list[int]], str]:
    """The tokens of each part, the vocabulary, a function that encodes text, and the SHA-256.

    Args:
        sha256: SHA-256 of the parts.
        vocabulary: number of tokens wanted.
        expected: SHA-256 of the tokeniser, or None.

    Raises:
        UnavailableError: the library is not installed.
        UsageError: the training part has too few pairs for the vocabulary.
        DataError: the trained tokeniser is not the one expected.
    """
    library = _library()
    key = f"{FORM}, tokenizers {library.__version__}, {sha256}, {vocabulary}"
    document = kept(key, ".json", lambda: _trained(library, parts.train, vocabulary).encode())
    digest = _digest(document)
    if expected not in (None, digest):
        raise DataError(
            f"BytePair: the tokeniser of SHA-256 {expected} expected, got {digest}, trained by "
            f"tokenizers {library.__version__}; the text or the version of the library is another "
            "one, so these runs would not be the same"
        )
    tokeniser = library.Tokenizer.from_str(document.decode())
    pieces = _vocabulary(document)
    if len(pieces) < vocabulary:
        raise UsageError(
            f"BytePair: {vocabulary} tokens expected, but the training text has pairs for "
            f"{len(pieces)} alone; ask for fewer, or give more text"
        )
    content = kept(f"{key}, tokens of {digest}", ".npz", lambda: _encoded(tokeniser, parts))
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        train, valid, test = (arrays[part] for part in Parts._fields)

    def encode(text: str) -> list[int]:
        return list(tokeniser.encode(text).ids)

    return train, valid, test, pieces, encode, digest


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise UnavailableError(
            "BytePair needs the library tokenizers: pip install 'allometry[text]'"
        ) from None
    return tokenizers


def _trained(library: Any, blocks: tuple[bytes, ...], vocabulary: int) -> str:
    tokeniser = library.Tokenizer(library.models.BPE())
    tokeniser.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokeniser.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokeniser.train_from_iterator((block.decode() for block in blocks), trainer)
    return str(tokeniser.to_str(pretty=True))


def _encoded(tokeniser: Any, parts: Parts) -> bytes:
    """The tokens of each part as a NumPy file; no token spans two blocks."""
    arrays = {
        name: np.concatenate(
            [np.array(tokeniser.encode(block.decode()).ids, np.uint16) for block in blocks]
        )
        for name, blocks in parts._asdict().items()
    }
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def _vocabulary(document: bytes) -> tuple[bytes, ...]:
    """The bytes of each token, in the order of token numbers.

    The file writes each byte as a printable character.
    """
    byte_of, names = _byte_of_character(), _names(json.loads(document)["model"])
    return tuple(bytes([byte_of[character] for character in name]) for name in names)


def _names(model: dict[str, Any]) -> list[str]:
    """The tokens in the order of their numbers, as the file writes them."""
    numbers: dict[str, int] = model["vocab"]
    return sorted(numbers, key=lambda name: numbers[name])


def _digest(document: bytes) -> str:
    """SHA-256 of tokens and merges alone.

    Versions of the library write the rest of the file differently.
    """
    model = json.loads(document)["model"]
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    return hashlib.sha256(json.dumps([_names(model), merges]).encode()).hexdigest()


def _byte_of_character() -> dict[str, int]:
    """GPT-2's table from characters to bytes.

    Printable bytes are written as themselves, the others as the characters from 256 on.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(256 + i): byte for i, byte in enumerate(others)}
