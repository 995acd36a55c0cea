"""Whatever a person or a file says, the command line answers in words and steers no terminal."""

import os
import random
import sys
from collections import Counter
from pathlib import Path

import click
import pytest

from allometry import cli
from tests.cli.answers import fault

STUDY = '''
"""A study of no cost."""
from allometry import Study
from allometry.spec import Experiment
from allometry.training.function import Function


class Tiny(Experiment):
    i: int


def train(spec):
    return {"loss": 1 / (spec.i + 1)}


STUDY = Study(
    name="tiny", title="t", question="q", prediction="p", source="s", measures={},
    procedure=Function(train), analyse=lambda table: [],
    runs=lambda size, seeds: [Tiny(i=i, seed=s) for s in seeds for i in range(4)],
    seeds={"quick": (0,), "notebook": (0,)},
)
'''
LAW = """
from allometry.laws import power

LAW = power
"""
FIT = "m.csv --law power --map x=n --map y=loss"
QUICK = "--starts 1 --resamples 0"
# A good line of every command, into which hostile words are put.
LINES = (
    "list",
    "new FILE.py",
    "run ./tiny.py --store own.db",
    "run ./tiny.py --explain --store own.db",
    "status --store s.db",
    "verify --store s.db",
    "backup COPY.db --store s.db",
    "table tiny --store s.db",
    "exclude tiny --store e.db --reason why",
    "include tiny --store e.db",
    "forget tiny --store e.db --yes --where i==77",
    "merge s.db -o NEW.db",
    "report ./tiny.py --store s.db -o pages/tiny.html",
    f"fit {FIT} {QUICK}",
    f"fit {FIT} {QUICK} --figure f.svg -o f.json",
    f"fit {FIT} --by g {QUICK}",
    "compare m.csv --laws power,power_floor --map x=n --map y=loss --starts 1",
    f"influence {FIT} {QUICK}",
    f"multiverse {FIT} {QUICK}",
    "import m.csv --value loss=min",
    "export tiny pages/events --to tensorboard --store s.db",
    "data list",
    "data get nothing",
)
TEXTS = (
    "", " ", "-", "--", "=", "a=", "=b", "a==b", "nan", "inf", "1e999", "-1", "0", "9" * 400,
    "1_000", "{}", "%s", "[[[[", "[" * 5000, '{"a":' * 5000, "'; DROP TABLE runs; --",
    "\x1b]0;PWNED\x07\x1b[2J", "[bold red]x[/bold red]", "[/x]", "a\nallometry: all is well",
    "\u202egnp.exe", "caf\udce9", "\ud800", "n\0", "a\rb", "\x9b31m", "z\u200bw", "損失",
    "a" * 300, "a/" * 3000 + "b", "~nobody-here/x", "~", "loop", "loop/x", "folder", "../x",
    "m.csv/x", "s.db", "m.csv", "tiny.py", "binary.csv", "binary.py", "deep.py", "odd\x1b[2J.csv",
    "empty.py", "folder.py", "raises.py", "x=(((((", "x=" + "(" * 3000, "x=n**9**9**9", "x=n\\foo",
    "x=$\\foo$", "n<=", "n<=[/x]", "x:9", "x:-1", "largest:99", "power,power", "m.py", "Z" * 5000,
    "train.steps=[[[", "code=x", "i=9", "n==1e400", "x=1e400", "x=", "y=loss", "g", "n", "loss",
)  # fmt: skip
GOOD = ("m.csv", "m.py", "tiny.py", "s.db", "e.db", "binary.csv", "binary.py")
INPUTS = ("fifo", "fifo.py", "fifo.csv", "/dev/zero", "/dev/null", "/dev/full")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with good and odd files, where commands run."""
    folder = tmp_path_factory.mktemp("hostile") / "here"
    folder.mkdir()
    before = Path.cwd()
    os.chdir(folder)
    rows = [(100 * 2**i, 3 * (100 * 2**i) ** -0.3 * (1 + 0.01 * (i % 3))) for i in range(8)]
    lines = [f"{n},{y},{g}" for n, y in rows for g in ("[/x]", "\x1b[2J")]
    write = {
        "tiny.py": STUDY,
        "m.py": LAW,
        "m.csv": "\n".join(["n,loss,g", *lines]) + "\n",
        "odd\x1b[2J.csv": "n\x1b]0;PWNED\x07,loss\n1,2,3\n",
        "empty.py": "",
        "raises.py": "raise ValueError('\x1b[2J[/x]')",
        "deep.py": "LAW = STUDY = " + "(" * 5000,
    }
    for name, text in write.items():
        (folder / name).write_text(text)
    for name in ("binary.csv", "binary.py"):
        (folder / name).write_bytes(bytes(range(256)) * 4)
    (folder / "loop").symlink_to("loop")
    for name in ("folder", "folder.py"):
        (folder / name).mkdir()
    for name in ("fifo", "fifo.py", "fifo.csv"):
        os.mkfifo(folder / name)
    for store in ("s.db", "e.db"):
        with pytest.raises(SystemExit) as ended:
            cli.main(["run", "./tiny.py", "--store", store, "--json"])
        assert not ended.value.code
    yield folder
    os.chdir(before)


def parameters(line):
    words = line.split()
    command = cli.commands
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    return [p for p in command.params if not getattr(p, "is_flag", False)]


def with_word(line, parameter, text):
    """The good line with a hostile word in the place of a parameter."""
    words = line.split()
    if isinstance(parameter, click.Argument):
        first = 2 if words[0] == "data" else 1
        return [*words[:first], text, *words[first + 1 :]]
    option = parameter.opts[-1]
    if option in words and not parameter.multiple:
        at = words.index(option)
        return [*words[: at + 1], text, *words[at + 2 :]]
    return [*words, option, text]


def attacks():
    """Every good line with each hostile word in the place of each parameter."""
    for line in LINES:
        for parameter in parameters(line):
            is_input = parameter.name in ("table", "law", "names") or (
                parameter.name == "study" and not line.startswith(("forget", "exclude", "include"))
            )
            for text in (*TEXTS, *(INPUTS if is_input else ())):
                yield with_word(line, parameter, text)


def faults_of(lines):
    faults = Counter()
    good = {name: Path(name).read_bytes() for name in GOOD}
    for arguments in lines:
        for name, content in good.items():
            path = Path(name)
            if not path.is_file() or path.read_bytes() != content:  # written over by a command
                path.unlink(missing_ok=True)
                path.write_bytes(content)
        _, wrong = fault(arguments)
        if wrong:
            faults[f"{[a[:60] for a in arguments]}: {wrong[-1500:]}"] += 1
    return faults


def test_a_sample_of_hostile_words_is_answered(place):
    chosen = random.Random(1).sample(list(attacks()), 150)
    faults = faults_of(chosen)
    assert not faults, "\n\n".join(faults)


@pytest.mark.slow
def test_every_hostile_word_in_every_place_is_answered(place, capfd):
    lines = list(attacks())
    faults = faults_of(lines)
    with capfd.disabled():
        sys.stderr.write(f"{len(lines)} hostile command lines, {len(faults)} faults\n")
    assert not faults, "\n\n".join(faults)


OWN_LAW = '''
"""A law of one's own."""
from allometry.laws import Law, Parameter, Term

LAW = Law(
    name="mine", formula="y = A x^-alpha", source="ours", sizes=("x",), response="y",
    parameters=(
        Parameter("A", "y at x = 1", positive=True, bounds=(1e-9, 1e9), start=(0.5, 2.0)),
        Parameter("alpha", "slope", bounds=(-50.0, 50.0), start=(-1.0, 2.0)),
    ),
    terms=(Term("A", (("x", "alpha"),)),), valid="x > 0, y > 0", default_starts=2,
)
'''
TABLE = "n,loss,g\n" + "".join(f"{100 * 2**i},{3 / (i + 1)},a\n" for i in range(8))
MAPPED = ["--map", "x=n", "--map", "y=loss", "--starts", "1", "--resamples", "0"]
FILES = {
    "own.py": (STUDY, ["run", "own.py", "--explain", "--store", "own.db"]),
    "law.py": (OWN_LAW, ["fit", "m.csv", "--law", "law.py", *MAPPED]),
    "t.csv": (TABLE, ["fit", "t.csv", "--law", "power", *MAPPED]),
}
BROKEN = (
    b"", b"\0", b"\xff", b"(", b")", b"[" * 300, b"\n", b"\t", b"=", b"None", b"'", b'"', b"1e999",
    b"nan", b"-", b"\x1b[2J", b"\xe2\x80\xae", b"[/x]", b"$", b"lambda: 0", b"{}", b"raise", b"\\",
    b"9" * 50, b"\xed\xa0\x80", b"x", b"name", b"i", b",", b":", b".", b"'''", b"#", b"import os",
)  # fmt: skip


def broken(text, count, seed):
    """Files as a slip of the hand, a bad disk or somebody else makes them."""
    choose = random.Random(seed)
    for _ in range(count):
        made = bytearray(text.encode())
        for _ in range(choose.randint(1, 4)):
            at = choose.randrange(len(made) + 1)
            made[at : at + choose.choice((0, 0, 1, 3, 20))] = choose.choice(BROKEN)
        yield bytes(made)


def faults_of_files(count):
    faults = Counter()
    for seed, (name, (text, arguments)) in enumerate(FILES.items()):
        for content in broken(text, count, seed):
            Path(name).write_bytes(content)
            _, wrong = fault(arguments)
            if wrong:
                faults[f"{content[:3000]!r}: {wrong[-1500:]}"] += 1
    return faults


def test_a_few_broken_files_are_answered(place):
    faults = faults_of_files(15)
    assert not faults, "\n\n".join(faults)


@pytest.mark.slow
def test_thousands_of_broken_files_are_answered(place, capfd):
    count = 1200
    faults = faults_of_files(count)
    with capfd.disabled():
        sys.stderr.write(f"{count * len(FILES)} broken files, {len(faults)} faults\n")
    assert not faults, "\n\n".join(faults)
