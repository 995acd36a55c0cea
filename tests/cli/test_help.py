"""Help: commands in the order of use, a working example of each, and every choice explained."""

import re
import shlex
import shutil

import click
import pytest

from allometry import cli
from allometry.store import Store
from tests import ROOT
from tests.cli.test_cli import EVERY
from tests.store.cases import PROVENANCE, result, specs

EXAMPLE = re.compile(r"^  Example: (allometry .+)\n\Z", re.M)
STUDIES = ("mlp_parameter_scaling", "path_dynamics")  # of the examples


def example_of(words, allometry):
    """The words of the example that ends the help of a command, without the name of the program."""
    said = allometry(*words, "--help").out
    found = EXAMPLE.search(said)
    assert found, f"{' '.join(words)}: the help does not end with an example in one line"
    return shlex.split(found[1])[1:]


def test_commands_are_listed_in_the_order_of_use_and_nothing_is_cut(allometry, monkeypatch):
    for columns in (60, 80, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        for words in ((), ("data",)):
            said = allometry(*words, "--help").out
            assert "..." not in said.replace("[ARGS]...", "")
            assert max(map(len, said.splitlines())) <= columns
    listed = re.findall(r"^  ([a-z]+) +[A-Z]", allometry("--help").out, re.M)
    assert listed[0] == "list" and sorted(listed) == sorted(cli.commands.commands)
    for first, then in (("new", "run"), ("run", "report"), ("exclude", "include"), ("fit", "plan")):
        assert listed.index(first) < listed.index(then)


@pytest.mark.parametrize("words", [(), *EVERY], ids=lambda words: " ".join(words) or "allometry")
def test_every_help_ends_with_an_example_that_the_command_can_parse(words, allometry):
    typed = example_of(words, allometry)
    command, context = cli.commands, None
    while isinstance(command, click.Group):
        context = command.make_context("allometry", [], parent=context, resilient_parsing=True)
        name, command, typed = command.resolve_command(context, typed)
    if words and not isinstance(EVERY[words], click.Group):
        assert command is EVERY[words]
    command.make_context(name, typed, parent=context)  # raises where it does not parse


@pytest.mark.parametrize(
    "words",
    ["list", "new", "data list", "status", "verify", "backup", "table", "merge", "exclude",
     "include", "export", "fit", "compare", "plan", "next"],
)  # fmt: skip
def test_the_example_runs(words, place, allometry):
    typed = example_of(words.split(), allometry)
    if words in ("plan", "next"):
        symbols = ("--map", "N=params", "--map", "D=tokens", "--map", "L=loss")
        runs = ROOT / "docs" / "examples" / "farseer.csv"
        fit = ("fit", runs, "--law", "chinchilla", *symbols, "--resamples", 20, "-o", "fit.json")
        assert allometry(*fit).code == 0
    said = allometry(*typed)
    assert said.code == 0, said.err


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder in which the examples run: a store with runs of the studies, and a table."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALLOMETRY_STORE", raising=False)
    runs = specs(3, seeds=(1, 2))
    with Store("allometry.db", write=True) as store:
        for study in STUDIES:
            store.declare(study, "quick", "", runs)
        store.commit([result(spec) for spec in runs], PROVENANCE)
    for copy in ("first.db", "second.db"):
        shutil.copyfile("allometry.db", copy)
    rows = [
        f"{n},{0.1 + 2 * n**-0.5 * (1 + 0.01 * (n % 7 - 3))}" for n in (9, 20, 43, 95, 210, 470)
    ]
    (tmp_path / "runs.csv").write_text("\n".join(["n,loss", *rows]) + "\n")
    return tmp_path


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_choice_is_explained(words):
    for option in EVERY[words].params:
        if not isinstance(option.type, click.Choice):
            continue
        for choice in option.type.choices:
            word = rf"(?<![\w-]){re.escape(choice)}(?![\w-])"
            assert re.search(word, option.help or ""), f"{words}: {option.opts[-1]} {choice}"
