"""Fifty thousand malformed files and words: each is answered in one sentence, and at once.

In this process, by `allometry.cli.main`. What is asserted of each case: an exit code that
docs/command-line.md has, no traceback, one message of a readable length that names the line where
a study's own code fails, an answer within `SECONDS`, and no file of the user changed.
"""

import os
import random
import re
import resource
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.cli.answers import Answer, answer, fault, fault_of, unclear
from tests.reliability import malformed_documents, malformed_specs, malformed_tables
from tests.reliability import malformed_studies as studies
from tests.reliability.campaign import campaign
from tests.reliability.test_damaged_files import memory

__all__ = ["memory"]

TABLES, DOCUMENTS, SPECS, STUDIES, ENDED = 20_000, 7_000, 8_000, 14_900, 100
SECONDS = 30  # that one command may take on a busy machine
MEMORY = 2 << 30  # bytes by which the most that the process had may grow
CACHE = "cache"
FITTED = "fit runs.csv --law chinchilla --map N=n --map D=d --map L=loss --starts 2"
PLACE = re.compile(r"own\.py, line \d+")


def _scales(total: int, share: int) -> list[object]:
    return [share, pytest.param(total, marks=pytest.mark.slow)]


@pytest.fixture
def here(memory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where commands run, with good files of every kind."""
    monkeypatch.setenv("ALLOMETRY_CACHE", str(memory / CACHE))
    monkeypatch.chdir(memory)
    sizes = [10 ** (5 + i / 2) for i in range(12)]
    rows = [(n, 20 * n * (1 + i % 3)) for i, n in enumerate(sizes)]
    lines = [f"{n},{d},{1.7 + 400 / n**0.34 + 410 / d**0.28}" for n, d in rows]
    Path("runs.csv").write_text("\n".join(["n,d,loss", *lines]))
    Path("own.py").write_text(studies.GOOD)
    yield memory


def _done(words: str) -> None:
    given = answer(words.split(), 2 * SECONDS)
    assert given.code == 0, given.err


def _most_memory() -> int:
    """Bytes that this process, which may have run other tests, had at most until now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


class _Place:
    """The folder of a campaign: what is in it before each case, and what a case may leave.

    Attributes:
        files: the user's, with their content; a case begins with these.
    """

    def __init__(self) -> None:
        self.folder, self.memory = Path.cwd(), _most_memory()
        self.files = {path.name: path.read_bytes() for path in self._all() if path.is_file()}

    def _all(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if path.name != CACHE]

    def lay(self, **changed: bytes) -> None:
        """The user's files, some with other content, and no others."""
        wanted = {**self.files, **changed}
        for path in self._all():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name not in wanted:
                path.unlink()
        for name, content in wanted.items():
            path = self.folder / name
            if not path.is_file() or path.read_bytes() != content:
                path.write_bytes(content)

    def check(self, words: Sequence[str], kept: Sequence[str], **changed: bytes) -> Answer:
        """Run a command on these files and assert what must hold; its answer.

        Args:
            kept: files that it must leave as they are.
        """
        self.lay(**changed)
        before = {name: (self.folder / name).read_bytes() for name in kept}
        given, wrong = fault(words, SECONDS)
        said = f"{words}\n{changed}"[:5000]
        assert given is not None and not wrong, f"{wrong}\n{said}"
        assert not unclear(given, words), f"{unclear(given, words)}\n{given.err[-2000:]}\n{said}"
        after = {name: (self.folder / name).read_bytes() for name in kept}
        assert before == after, f"a file of the user was changed\n{said}"
        assert _most_memory() - self.memory < MEMORY, said
        return given


def _counts(kind: str, given: Answer, **more: int) -> Counter[str]:
    return Counter({f"exit_code_{given.code}": 1, "tracebacks": 0, "hangs": 0, **more})


@pytest.mark.parametrize("total", _scales(TABLES, 150))
def test_malformed_tables_are_answered(here, total):
    _done(f"{FITTED} --resamples 20 -o fit.json")
    place = _Place()

    def case(draw: random.Random) -> Counter[str]:
        made = malformed_tables.table(draw)
        words = made.command.format(made.name).split()
        given = place.check(words, [made.name, *place.files], **{made.name: made.content})
        return _counts(made.kind, given)

    counts = campaign("malformed_tables", total, case, kept=total > 150)
    assert counts["exit_code_0"] and counts["exit_code_2"] and counts["exit_code_65"]


@pytest.mark.parametrize("total", _scales(DOCUMENTS, 30))
def test_malformed_fit_documents_are_answered(here, total):
    _done(f"{FITTED} --resamples 20 -o fit.json")
    _done(f"{FITTED} --resamples 5 --fixed E=1.7 -o other.json")
    _done("plan fit.json --compute 1e24 -o plan.json")
    place = _Place()
    good = [place.files[name] for name in ("fit.json", "fit.json", "other.json", "plan.json")]

    def case(draw: random.Random) -> Counter[str]:
        made = malformed_documents.document(draw, good)
        words = made.command.format(made.name).split()
        given = place.check(words, [made.name, *place.files], **{made.name: made.content})
        return _counts(made.kind, given)

    counts = campaign("malformed_documents", total, case, kept=total > 30)
    assert counts["exit_code_65"] > total / 4


@pytest.mark.parametrize("total", _scales(SPECS, 40))
def test_malformed_specs_are_answered(here, total):
    """In the store under right hashes, and as words of `--set`."""
    Path("letters.py").write_text(malformed_specs.LETTERS)
    _done("run ./own.py --store allometry.db")
    malformed_specs.store_letters(Path("letters.py"), Path("allometry.db"))
    place = _Place()
    store = place.folder / "allometry.db"

    def case(draw: random.Random) -> Counter[str]:
        place.lay()
        kept = ["own.py", "letters.py", "runs.csv"]
        if draw.random() < 0.5:
            given = place.check(malformed_specs.command(draw), kept)
            return _counts("set", given, words_of_set=1)
        command = malformed_documents.spoil_store(draw, store)
        content = store.read_bytes()
        given = place.check(command.format(store.name).split(), kept, **{store.name: content})
        return _counts("stored", given, stored_documents=1)

    counts = campaign("malformed_specs", total, case, kept=total > 40)
    assert counts["exit_code_2"] and counts["exit_code_65"]


@pytest.mark.filterwarnings("ignore")  # of the compiler, about what the files say
@pytest.mark.parametrize("total", _scales(STUDIES, 100))
def test_malformed_studies_are_answered(here, total):
    _done("run ./own.py --store good.db")
    place = _Place()

    def case(draw: random.Random) -> Counter[str]:
        made = studies.study(draw)
        words = made.command.format(f"./{made.name}").split()
        streams = sys.stdout, sys.stderr, sys.stdin
        given = place.check(words, [made.name, "runs.csv"], **{made.name: made.content})
        assert (sys.stdout, sys.stderr, sys.stdin) == streams
        named = any(PLACE.search(message) or "failed: " in message for message in given.messages)
        assert given.code != 70 or named, f"no line: {given.err[-2000:]}\n{made}"
        return _counts(made.kind, given, **{made.kind: 1})

    counts = campaign("malformed_studies", total, case, kept=total > 100)
    assert counts["exit_code_2"] > total / 4 and counts["exit_code_70"] > total / 10


@pytest.mark.parametrize("total", _scales(ENDED, 2))
def test_malformed_studies_are_answered_by_the_command(here, total):
    """The same in processes of their own, as a person starts them."""
    place = _Place()

    def case(draw: random.Random) -> Counter[str]:
        made = studies.study(draw)
        place.lay(**{"own.py": made.content})
        words = [sys.executable, "-m", "allometry", *made.command.format("./own.py").split()]
        done = subprocess.run(
            words,
            capture_output=True,
            timeout=4 * SECONDS,
            check=False,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        given = Answer(done.returncode, done.stdout.decode(), done.stderr.decode())
        wrong = fault_of(given, words[3:]) or unclear(given, words[3:])
        assert not wrong, f"{wrong}\n{given}\n{made}"
        assert Path(made.name).read_bytes() == made.content
        return _counts(made.kind, given)

    campaign("malformed_studies_in_processes", total, case, kept=total > 2)
