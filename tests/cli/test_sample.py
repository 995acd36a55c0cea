"""`allometry sample` on a text of one's own: the same text each time, which steers no terminal."""

import os
import pty
import subprocess
import sys

import pytest

import allometry as al
from allometry.cli.output import print_text
from tests.cli.test_cli import in_a_process
from tests.datasets.text.conftest import story
from tests.screens import read_screen

STUDY = """
from pathlib import Path
import allometry as al

TEXT = al.datasets.read_text(
    Path(__file__).with_name("book.txt"), tokeniser="characters", context=16, test_tokens=64
)
MODEL = al.models.LanguageModel(
    vocabulary=TEXT.n_vocabulary, context=16, d_model=16, n_layers=1, d_mlp=16
)
TRAIN = al.TrainSpec(
    optimizer=al.optimizers.Adam(learning_rate=1e-2), batch_size=8, steps=40, loss="cross_entropy"
)


def runs(size, seeds):
    return [al.RunSpec(model=MODEL, data=TEXT, train=TRAIN, seed=seed) for seed in seeds]


STUDY = al.Study("letters", runs=runs, sizes=("quick",), measures={"losses": al.measures.losses})
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("letters")
    text = story(4000).replace("whale", "\x1b[31mwhale")
    (folder / "book.txt").write_text(text, encoding="utf-8")
    (folder / "letters.py").write_text(STUDY)
    words = ("run", folder / "letters.py", "--keep", "weights", "--store", folder / "s.db")
    said = in_a_process(*words)
    assert said.code == 0, said.err
    return folder


@pytest.fixture
def words(folder):
    (run_id,) = al.table("letters", store=folder / "s.db")["run_id"]
    return ["sample", run_id[:8], "--study", str(folder / "letters.py"), "--store",
            str(folder / "s.db"), "--prompt", "the sea", "--tokens", "60"]  # fmt: skip


def test_text_is_drawn_by_the_command(words, folder, allometry):
    first, again = allometry(*words), allometry(*words)
    assert first.code == 0 and first.out == again.out and not first.err
    assert first.out.startswith("the sea") and len(first.out) == 7 + 60 + 1
    assert allometry(*words, "--seed", "1").out != first.out
    greedy = [allometry(*words, "--temperature", "0", "--seed", seed).out for seed in (0, 1)]
    assert greedy[0] == greedy[1] != first.out
    document = allometry(*words, "--json").document
    assert document["prompt"] + document["text"] + "\n" == first.out
    assert document["schema"] == "allometry/sample/1" and len(document["run_id"]) == 64
    with_library = al.sample(document["run_id"], store=folder / "s.db", prompt="the sea", tokens=60)
    assert with_library == document["text"]


def test_a_trained_network_writes_words_of_its_text(words, allometry):
    known = set(story(4000).split())
    drawn = allometry(*words, "--tokens", "300", "--temperature", "0.3").out.split()
    assert sum(word in known for word in drawn) > len(drawn) / 2


def test_refusals_are_sentences(words, folder, allometry):
    for change, code, said in (
        (("--prompt", "Ω"), 2, "characters in the text of the data expected, got 'Ω'"),
        (("--store", folder / "none.db"), 2, "none.db"),
        (("--tokens", "0"), 2, "--tokens"),
    ):
        refused = allometry(*words, *change)
        assert refused.code == code and said in refused.err and not refused.out
    alone = in_a_process("sample", words[1], "--store", folder / "s.db")
    assert alone.code == 65 and "`allometry sample RUN --study FILE` loads that file" in alone.err


def test_escape_sequences_of_a_text_are_written_out_on_a_terminal(words):
    """At a high temperature all characters are drawn, the escape character too."""
    words = [*words, "--temperature", "100", "--tokens", "300"]
    piped = in_a_process(*words).out
    assert "\x1b" in piped
    screen, terminal = pty.openpty()
    program = [sys.executable, "-m", "allometry", *words]
    process = subprocess.Popen(program, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = read_screen(screen)
    assert process.wait() == 0
    assert shown.decode().replace("\r\n", "\n") == piped.replace("\x1b", r"\x1b")


def test_text_in_a_pipe_is_in_utf_8_as_it_is(capfd):
    print_text("straße \x1b[31m\n")
    assert capfd.readouterr().out == "straße \x1b[31m\n"
