"""Text to predict token by token: a corpus, or your own files, as windows of tokens."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr, SerializeAsAny, field_validator, model_validator

from allometry.datasets.data import Data
from allometry.datasets.options import EVERY_SEED, TOKENS, Options, stream
from allometry.datasets.split import Split, read_only
from allometry.datasets.text.controls import Chain, entropy, shuffled
from allometry.datasets.text.corpora import CORPORA
from allometry.datasets.text.documents import content_sha256, corpus, documents_at
from allometry.datasets.text.parts import Parts, parted
from allometry.datasets.text.tokenisers import BytePair, Bytes, Characters, Tokeniser, Tokens
from allometry.errors import DataError, UsageError
from allometry.spec.torch_draws import TorchDraws

__all__ = ["Text", "read_text"]

TOKENISERS = {str(kind.short): kind for kind in (Bytes, Characters, BytePair)}
SYMBOLS = "tokens are symbols, to which neither scale nor noise applies; leave it out"


class _Documents:
    """A user's documents; the specs of them keep them alive."""

    def __init__(self, documents: tuple[bytes, ...]):
        self.documents = documents

    def __deepcopy__(self, memo: object) -> "_Documents":
        return self  # they cannot be changed


# By SHA-256: a spec that is built from its document finds its text here.
_HELD: "WeakValueDictionary[str, _Documents]" = WeakValueDictionary()


class Text(Data):
    """Windows of a text, each of which is to be predicted token by token.

    An example is `context` tokens ``(context,)``, whole numbers kept as floats, and its targets
    are the token after each of them, ``(context,)`` int32. Windows do not overlap: the first
    token of one is the last target of the one before. `read_text` makes a text of your own files.

    The text is split before it is tokenised, in the same way for all tokenisers and seeds.
    Documents are cut at the ends of paragraphs into blocks of about 16 kB (smaller ones where a
    text is short). Of every ``round(1 / held_out)`` blocks, one is for the test and one for
    validation. So all parts have the same distribution, and a test loss is that of new pages of
    known documents.

    Attributes:
        name: of a corpus (`allometry data list`), or of your own text, for the column `data`.
        sha256: of your own text; None for a corpus.
        tokeniser: ``bytes``, ``characters`` and ``byte_pair`` stand for the shipped ones.
        context: tokens per example.
        train_tokens: tokens of the training part that are used, rounded down to whole windows.
            These are evenly spaced over the part and the same for all seeds; the option `subset`
            draws windows by the seed instead. None: all, and then `n_data` reads the text.
        valid_tokens, test_tokens: most tokens evaluated, in windows evenly spaced over the part.
            With ``valid_tokens=0`` the validation part is held out but not used.
        source: ``text``; or a control made of its tokens. ``shuffled``: the tokens of each part in
            random order. ``bigram``: every window is drawn from the stationary Markov chain with
            the transitions of the training part. Both are the same for all seeds.
        held_out: share of the text in the test part; the validation part has the same share.
    """

    named: ClassVar[tuple[str, ...]] = ("tokeniser",)

    name: str
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    tokeniser: SerializeAsAny[Tokeniser] = Bytes()
    context: int = Field(default=128, ge=2)
    train_tokens: int | None = Field(default=None, ge=2)
    valid_tokens: int = Field(default=0, ge=0)
    test_tokens: int = Field(default=131_072, ge=2)
    source: Literal["text", "shuffled", "bigram"] = "text"
    held_out: float = Field(default=0.05, ge=0.001, le=0.25)

    _held: _Documents | None = PrivateAttr(default=None)

    @field_validator("tokeniser", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value not in TOKENISERS:
            names = ", ".join(TOKENISERS)
            raise ValueError(f"a tokeniser, or one of the names {names}, expected, got {value!r}")
        return TOKENISERS[value]()

    @model_validator(mode="after")
    def _fits_text(self) -> "Text":
        names = [data_set.name for data_set in CORPORA]
        if self.sha256 is None and self.name not in names:
            raise UsageError(
                f"there is no text {self.name!r}; there are {', '.join(names)}, and "
                "al.datasets.read_text(path) for a file or a folder of your own"
            )
        for option in ("label_noise", "target_noise", "standardise", "standardise_targets"):
            if getattr(self, option):
                raise ValueError(f"{option}: {SYMBOLS}")
        if self.validation:
            raise ValueError(
                "validation: a text has a validation part of its own; valid_tokens=65536 uses it"
            )
        for limit in ("train_tokens", "valid_tokens", "test_tokens"):
            tokens = getattr(self, limit)
            if tokens and tokens < self.context:
                raise ValueError(
                    f"{limit}: one window of {self.context} tokens or more expected, got {tokens}"
                )
        return self

    def model_post_init(self, context: Any) -> None:
        self._held = _HELD.get(self.sha256) if self.sha256 else None

    @property
    def n_data(self) -> int:
        if self.train_tokens is None:
            return (len(self._tokens().train) - 1) // self.context
        return self.train_tokens // self.context

    @property
    def kinds(self) -> tuple[object, ...]:
        return self.context, bool(self.valid_tokens)

    @property
    def n_vocabulary(self) -> int:
        """Tokens of the vocabulary, which a model's table and outputs must have.

        Of bytes and byte pairs it is known without the text.
        """
        known = self.tokeniser.n_tokens
        return len(self._tokens().vocabulary) if known is None else known

    @property
    def tokeniser_sha256(self) -> str | None:
        """Of the tokens and merges of a trained tokeniser; None where nothing is trained."""
        return self._tokens().sha256

    @property
    def source_entropy(self) -> float | None:
        """Lower bound of the mean loss on a control, in nats per token; None for text.

        For ``shuffled`` it is the plug-in entropy of the training tokens, for ``bigram`` the
        conditional entropy of the chain.
        """
        tokens = self._tokens()
        if self.source == "text":
            return None
        if self.source == "shuffled":
            return entropy(np.bincount(tokens.train))
        return Chain.of(tokens.train, len(tokens.vocabulary)).conditional_entropy

    def parts(self) -> Parts:
        """The blocks of each part, as UTF-8."""
        return _parts(*self._text())

    def encode(self, text: str) -> list[int]:
        """The tokens of another text; for bytes the text of the data is not needed.

        Raises:
            UsageError: the vocabulary lacks some of its characters, or it is not valid Unicode.
        """
        if text != text.encode("utf-8", "replace").decode():
            raise UsageError(f"text in Unicode expected, got {text[:40]!a}")
        return list(self._vocabulary().encode(text))

    def decode(self, tokens: NDArray[np.integer]) -> bytes:
        """The UTF-8 of tokens; a character may be cut at either end."""
        return self._vocabulary().decode(tokens)

    def bytes_of(self, targets: NDArray[np.integer]) -> int:
        """Bytes of UTF-8 of these tokens."""
        sizes = np.array([len(token) for token in self._tokens().vocabulary])
        return int(sizes[targets].sum())

    def load(self, draws: TorchDraws) -> Split:
        off = {name: option.default for name, option in Options.model_fields.items()}
        return _split(self.model_copy(update=off))

    def _text(self) -> tuple[_Documents | str, float]:
        """What identifies the split text: documents or a name, and the share held out."""
        if self.sha256 is None:
            return self.name, self.held_out
        documents = self._held or _HELD.get(self.sha256)
        if documents is None:
            raise DataError(
                f"data {self.name!r}: this process has no text of SHA-256 {self.sha256[:12]}; "
                "call read_text at the top level of the study's file, with the same content on "
                "every machine (`allometry sample RUN --study FILE` loads that file)"
            )
        return documents, self.held_out

    def _vocabulary(self) -> Tokens:
        """Tokens of the text; of an empty one where the vocabulary does not depend on the text."""
        if self.tokeniser.of_any_text:
            return self.tokeniser.tokens(Parts((), (), ()), "")
        return self._tokens()

    def _tokens(self) -> Tokens:
        return _tokens(*self._text(), self.tokeniser)


def read_text(
    path: str | Path, *, name: str | None = None, encoding: str = "utf-8", **fields: Any
) -> Text:
    """Your own text: a file, or a folder of files, each of which is a document.

    Line ends become line feeds, and one is added to a document that does not end in one. The spec
    has the SHA-256 of the documents, so a file that is moved is the same data.

    Args:
        path: of a file, or of a folder with ``.txt`` and ``.md`` files in it and its subfolders,
            which are taken in the order of their paths.
        name: for the column `data`; by default the file's, without its suffix.
        encoding: of the files, by one of Python's names.
        fields: other fields of `Text`, such as ``context=64``.

    Raises:
        UsageError: there is no such file or folder, or no text in it.
        DataError: naming a file that cannot be read or has another encoding.
    """
    content = documents_at(path, encoding)
    sha256 = content_sha256(content)
    documents = _HELD.setdefault(sha256, _Documents(content))  # the spec made below keeps it alive
    text = Text(name=name or Path(path).stem or "text", sha256=sha256, **fields)
    assert text._held is documents
    return text


# ---- computed once in a process ---------------------------------------------------------------


@lru_cache(maxsize=2)
def _parts(text: _Documents | str, held_out: float) -> Parts:
    return parted(corpus(text) if isinstance(text, str) else text.documents, held_out)


@lru_cache(maxsize=4)
def _tokens(text: _Documents | str, held_out: float, tokeniser: Tokeniser) -> Tokens:
    parts = _parts(text, held_out)
    of_parts = "".join(map(content_sha256, parts))
    return tokeniser.tokens(parts, hashlib.sha256(of_parts.encode()).hexdigest())


@lru_cache(maxsize=2)
def _split(text: Text) -> Split:
    """The examples: all runs see this one copy."""
    windows = _windows(text)
    limits = (text.train_tokens, text.valid_tokens, text.test_tokens)
    arrays: dict[str, Any] = {}
    for part, limit in zip(Parts._fields, limits, strict=True):
        if limit == 0:
            continue
        rows = windows[part]
        n = len(rows) if limit is None else limit // text.context
        if part == "train" and n > len(rows):
            raise UsageError(
                f"train_tokens={limit}, but the training part of {text.name} has "
                f"{len(rows) * text.context:,} tokens in windows of {text.context}; ask for fewer"
            )
        rows = rows[_evenly_spaced(len(rows), n)]
        arrays[f"{part}_x"] = read_only(rows[:, :-1].astype(np.float32))
        arrays[f"{part}_y"] = read_only(rows[:, 1:].astype(np.int32))
    return Split(**arrays)


def _windows(text: Text) -> dict[str, NDArray[np.integer]]:
    """All windows of each part ``(n, context + 1)``, of the source asked for."""
    tokens = text._tokens()
    draws = stream(EVERY_SEED, TOKENS)
    chain = Chain.of(tokens.train, len(tokens.vocabulary)) if text.source == "bigram" else None
    out: dict[str, NDArray[np.integer]] = {}
    for part in Parts._fields:
        of_part = getattr(tokens, part)
        n = (len(of_part) - 1) // text.context
        if n < 1:
            raise UsageError(
                f"{text.name}: a window of {text.context + 1} tokens expected in each part, got "
                f"{len(of_part)} tokens in the {part} part; give more text or a smaller context"
            )
        if chain is not None:
            out[part] = chain.sample(n, text.context + 1, draws)
            continue
        if text.source == "shuffled":
            of_part = shuffled(of_part, draws)
        view = np.lib.stride_tricks.sliding_window_view(of_part, text.context + 1)
        out[part] = view[:: text.context]
    return out


def _evenly_spaced(n: int, most: int) -> NDArray[np.int64]:
    """At most `most` of n places, evenly spaced, in rising order."""
    k = min(n, most)
    return (2 * np.arange(k) + 1) * n // (2 * k)
