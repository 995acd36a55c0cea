"""Every law of a file is `laws.NAME`, whoever imports what first; an alias is the same law."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from allometry import cli, laws
from allometry.errors import UsageError
from allometry.laws import Law, Term
from tests.test_every_law import LAWS

FILES = sorted({law.name.rstrip("123") if law.name[:4] == "bnsl" else name
                for name, law in LAWS.items()})  # fmt: skip


@pytest.mark.parametrize("name", LAWS)
def test_a_law_in_a_file_is_exported_under_its_name(name):
    assert getattr(laws, name) is LAWS[name] is laws.named(name)
    assert name in laws.__all__


def test_available_has_every_law_and_every_alias():
    aliases = {name: law.name for name, law in laws.available().items() if law.name != name}
    assert aliases == {"m1": "power", "m2": "power_floor"}
    assert set(laws.available()) == LAWS.keys() | aliases.keys()


def test_an_alias_is_the_same_law_under_another_name():
    assert laws.m2 is laws.named("m2") is laws.power_floor
    with pytest.raises(UsageError, match=r"no law 'm9'; there are .*m1, m2, m3"):
        laws.named("m9")


@pytest.mark.parametrize(
    "lines",
    [
        "import allometry.laws\nfor name in files: import_module('allometry.laws.' + name)",
        "for name in files: import_module('allometry.laws.' + name)",
        "for name in reversed(files): import_module('allometry.laws.' + name)",
        "import allometry.laws.chinchilla as module\nfrom allometry.laws.power import LAW",
        "from allometry.fitting.fit import fit\nimport allometry.laws.quanta",
    ],
)
def test_the_name_is_the_law_after_every_order_of_imports(lines):
    code = (
        f"from importlib import import_module\nimport json\nfiles = {FILES!r}\n{lines}\n"
        "from allometry import laws\n"
        f"kinds = [type(getattr(laws, name)).__name__ for name in {sorted(LAWS)!r}]\n"
        "print(json.dumps(sorted(set(kinds))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["Law"]


def test_the_package_loads_no_scipy_for_laws():
    code = "import sys, allometry.laws\nprint('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_command_says_of_what_law_an_alias_is_another_name(capsys):
    with pytest.raises(SystemExit):
        cli.main(["list"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["m2", "another", "name", "of", "power_floor"] in lines
    assert ["power_floor", *laws.power_floor.formula.split()] in lines


def test_a_law_says_what_it_is_in_one_line():
    assert repr(laws.power) == "<Law power: y = A x^-alpha>"
    assert isinstance(laws.chinchilla, Law) and laws.chinchilla.symbols == ("N", "D", "L")
    assert laws.lr_batch.symbols == ("N", "D", "lr", "batch")


@pytest.mark.parametrize("term", [Term("B", (("x", "alpha"),)), Term("A", (("x", "beta"),)),
                                  Term("A", (("n", "alpha"),)), Term(None)])  # fmt: skip
def test_a_term_has_the_names_of_its_law(term):
    with pytest.raises(UsageError, match="law power: a term has the"):
        replace(laws.power, terms=(term,))
