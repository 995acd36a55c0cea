"""Documents as they are read: encodings, line ends, and files that are no text."""

import os

import pytest

from allometry.datasets import Text, read_text
from allometry.datasets.text import documents
from allometry.datasets.text.documents import corpus, documents_at
from allometry.errors import DataError, UsageError


def test_line_ends_and_marks_of_windows_are_the_same_text(tmp_path):
    for name, content in {
        "unix": b"caf\xc3\xa9\n\ntea\n",
        "windows": b"\xef\xbb\xbfcaf\xc3\xa9\r\n\r\ntea",
        "old mac": b"caf\xc3\xa9\r\rtea\r",
    }.items():
        (tmp_path / name).write_bytes(content)
    read = [documents_at(tmp_path / name, "utf-8") for name in ("unix", "windows", "old mac")]
    assert read == [("café\n\ntea\n".encode(),)] * 3


def test_another_encoding_is_refused_with_its_place_and_read_when_named(tmp_path):
    path = tmp_path / "old.txt"
    path.write_bytes(b"tea\ncaf\xe9\n")
    with pytest.raises(DataError, match=r"old.txt: text in utf-8 expected, got the byte 0xe9 at "
                                        r"position 7, in line 2.*encoding='latin-1'"):  # fmt: skip
        documents_at(path, "utf-8")
    assert documents_at(path, "latin-1") == ("tea\ncafé\n".encode(),)
    with pytest.raises(UsageError, match=r"encoding: one of Python's names.*got 'latin-99'"):
        documents_at(path, "latin-99")


def test_a_folder_is_read_in_the_order_of_paths(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("b/1.md", "c.txt", "a.txt", "image.png", ".hidden.txt"):
        (tmp_path / name).write_text(name)
    assert documents_at(tmp_path, "utf-8") == (b"a.txt\n", b"b/1.md\n", b"c.txt\n")


def test_what_is_no_text_is_named(tmp_path):
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, words in {
        "missing.txt": r"no file .*missing.txt; for one beside the study's file: Path\(__file__\)",
        "empty.txt": "text expected, and .*empty.txt is empty",
        "folder": "files of text, NAME.txt or NAME.md, expected in .*folder, found none",
        "pipe": "a file was expected, but .*pipe is a pipe",
    }.items():
        with pytest.raises(UsageError, match=words):
            read_text(tmp_path / name)


def test_too_much_text_is_refused_before_it_is_made_to_tokens(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "BYTES_OF_TOKEN", 1 << 30)
    (tmp_path / "long.txt").write_text("abcdefgh")
    with pytest.raises(DataError, match=r"long.txt: with its 8 numbers the data set is larger"):
        documents_at(tmp_path / "long.txt", "utf-8")


def test_documents_that_were_joined_are_apart_again(monkeypatch):
    monkeypatch.setattr(documents, "read", lambda *_: {"sympy.txt": b"one\n\x1e\x1etwo\r\n"})
    corpus.cache_clear()
    assert corpus("sympy") == (b"one\n", b"two\n")
    corpus.cache_clear()


def test_an_unknown_corpus_is_refused_with_the_names_there_are():
    for ask in (corpus, lambda name: Text(name=name)):
        with pytest.raises(
            UsageError, match=r"no text 'wikitext'; there are gutenberg, .*read_text"
        ):
            ask("wikitext")
