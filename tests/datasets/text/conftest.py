"""A small text that is written by the tests, and a cache of their own."""

from pathlib import Path

import numpy as np
import pytest

from allometry.datasets import Text, read_text

WORDS = ("the", "sea", "and", "ship", "whale", "café", "straße", "of", "a", "to", "in", "☂", "it")


def story(words: int, seed: int = 0) -> str:
    """Words drawn by their rank, as in Zipf's law, in lines and paragraphs."""
    random = np.random.default_rng(seed)
    shares = 1 / np.arange(1, len(WORDS) + 1)
    drawn = random.choice(WORDS, size=words, p=shares / shares.sum())
    lines = [" ".join(drawn[i : i + 9]) + ".\n" for i in range(0, words, 9)]
    return "".join("".join(lines[i : i + 6]) + "\n" for i in range(0, len(lines), 6))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ALLOMETRY_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three documents, one of them short."""
    folder = tmp_path_factory.mktemp("books")
    for i, words in enumerate((20_000, 12_000, 40)):
        (folder / f"book{i}.txt").write_text(story(words, i), encoding="utf-8")
    return folder


@pytest.fixture
def data(books: Path) -> Text:
    return read_text(books, context=16, valid_tokens=512, test_tokens=1024)
