"""The pages run: Python with its output, commands, links, and the tree of the README."""

import ast
import doctest
import os
import re
import shlex
import shutil

import click
import pytest
from click.testing import CliRunner

import allometry
from allometry import cli
from allometry.run import run
from tests import ROOT

SOURCE = ROOT / "src" / "allometry"
EXAMPLES = ROOT / "docs" / "examples"
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def named(page):
    return str(page.relative_to(ROOT))


def blocks(page, *kinds):
    """The fenced blocks of a page that are of one of these kinds."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    return [body for kind, body in fenced if kind in kinds]


class Near(doctest.OutputChecker):
    """Output as printed, or the same words with numbers within ten percent: training on another
    machine moves the last digits, and a page shows real ones."""

    def check_output(self, want, got, optionflags):
        if super().check_output(want, got, optionflags):
            return True
        shape = [" ".join(NUMBER.sub("#", text).split()) for text in (want, got)]
        pairs = zip(*(map(float, NUMBER.findall(text)) for text in (want, got)), strict=False)
        return shape[0] == shape[1] and all(abs(a - b) <= 0.1 * abs(a) + 0.01 for a, b in pairs)


@pytest.fixture(scope="module")
def quick(tmp_path_factory, fashion_mnist):
    """A folder as a reader has it after the quick run of the first study."""
    folder = tmp_path_factory.mktemp("docs")
    run("mlp_parameter_scaling", store=folder / "allometry.db")
    for file in (EXAMPLES / "my_study.py", *EXAMPLES.glob("*.csv")):
        shutil.copy(file, folder)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_has_no_mark_of_a_merge_in_it(page):
    marks = re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", page.read_text(encoding="utf-8"), re.M)
    assert not marks


# ---- code -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=named)
def test_the_python_of_a_page_runs(page, quick, tmp_path, monkeypatch):
    """In the order it stands there; the README's first run is a real one."""
    there = tmp_path / "reader"
    ignored = shutil.ignore_patterns("*.db*") if page.name == "README.md" else None
    shutil.copytree(quick, there, ignore=ignored)
    monkeypatch.chdir(there)
    names, said = {"__name__": "page"}, []
    runner = doctest.DocTestRunner(Near(), optionflags=FLAGS)
    for i, code in enumerate(blocks(page, "python")):
        if ">>>" in code:
            part = doctest.DocTestParser().get_doctest(code, names, f"block {i}", named(page), 0)
            runner.run(part, out=said.append, clear_globs=False)
            names = part.globs
        else:
            exec(compile(code, f"{named(page)}, block {i}", "exec"), names)
    assert not runner.failures, "".join(said)


def test_the_checker_of_output_rejects_other_words_and_other_numbers():
    check = Near().check_output
    assert check("alpha 0.298 (0.18, 0.38)\n", "alpha 0.301 (0.19, 0.37)\n", FLAGS)
    assert not check("alpha 0.298\n", "alpha 0.5\n", FLAGS)
    assert not check("alpha 0.298\n", "beta 0.298\n", FLAGS)
    assert not check("1 2\n", "1\n", FLAGS)


def sessions(page):
    """The commands after `$` in a page's console blocks, each with the output shown below it."""
    for body in blocks(page, "console"):
        for session in re.split(r"^\$ ", body, flags=re.M)[1:]:
            command, _, shown = session.replace("\\\n", " ").partition("\n")
            yield command, shown


def is_shown(want, got):
    """Whether the lines wanted are those printed, numbers near; `...` stands for any lines."""
    same = Near().check_output
    wanted, printed = (
        [re.sub("─+", "─", line) for line in text.splitlines() if line.strip()]
        for text in (want, got)
    )
    place, any_lines = 0, False
    for line in wanted:
        if line.strip() == "...":
            any_lines = True
            continue
        while any_lines and place < len(printed) and not same(line, printed[place], FLAGS):
            place += 1
        if place == len(printed) or not same(line, printed[place], FLAGS):
            return False
        place, any_lines = place + 1, False
    return any_lines or place == len(printed)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "console")], ids=named)
def test_the_commands_of_a_page_print_what_it_shows(page, tmp_path, monkeypatch):
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    monkeypatch.chdir(tmp_path / "examples")
    for command, shown in sessions(page):
        program, *words = shlex.split(command)
        assert program == "allometry", command
        done = CliRunner().invoke(cli.commands, words)
        assert done.exit_code == 0, f"{command}: {done.output}"
        assert is_shown(shown, done.stdout), f"{command} prints\n{done.stdout}"


def test_the_checker_of_a_session_rejects_other_lines():
    printed = "N 1.00\n\nD 2.00\nloss 3.00\n"
    assert is_shown("N 1.02\nD 2.00\nloss 3.00\n", printed)
    assert is_shown("N 1.00\n...\nloss 3.00\n", printed) and is_shown("...\nD 2.00\n...\n", printed)
    assert not is_shown("N 1.00\nloss 3.00\n", printed)
    assert not is_shown("N 1.00\nD 2.00\n", printed)
    assert not is_shown("...\nE 2.00\n...\n", printed)


def test_every_alarm_stands_on_the_page_and_the_reverse():
    """The codes that `plan` can raise are the headings of docs/alarms.md."""
    tree = ast.parse((SOURCE / "plan" / "alarms.py").read_text(encoding="utf-8"))
    raised = [
        ast.literal_eval(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Alarm"
    ]
    page = (ROOT / "docs" / "alarms.md").read_text(encoding="utf-8")
    told = re.findall(r"^### `(\w+)`$", page, re.M)
    assert len(raised) > 10 and sorted(told) == sorted(set(raised))


def test_the_example_study_is_the_one_the_page_shows():
    """The runs of the page and of the file are the same runs."""
    page, file = {}, {}
    code = blocks(ROOT / "docs" / "write-a-study.md", "python")[0]
    exec(compile(code, "page", "exec"), page)
    source = (EXAMPLES / "my_study.py").read_text(encoding="utf-8")
    exec(compile(source, "file", "exec"), file)
    assert [s.run_id for s in page["runs"]("quick", [0, 1])] == [
        s.run_id for s in file["runs"]("quick", [0, 1])
    ]
    assert len([line for line in source.splitlines() if line.strip()]) <= 60


def test_every_public_name_has_a_line_of_its_own():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `al\.(\w+)` \| .+\. \|$", page, re.M)
    listed += re.findall(r"^`al\.(__version__)` is", page, re.M)
    assert sorted(listed) == sorted(allometry.__all__)


# ---- commands -------------------------------------------------------------------------------


def command_lines(page):
    """`allometry ...` and `make ...` lines of shell blocks, indented blocks and inline code."""
    text = page.read_text(encoding="utf-8")
    lines = [line for body in blocks(page, "sh") for line in body.splitlines()]
    lines += re.findall(r"^    (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    lines += re.findall(r"`([^`\n]+)`", text)
    return [
        line.removeprefix("$ ").removeprefix(".venv/bin/")
        for line in lines
        if re.match(r"(\$ )?(\.venv/bin/)?(allometry|make) [a-z]", line)
    ]


def test_there_are_commands_to_check():
    assert sum(len(command_lines(page)) for page in PAGES) > 30
    assert "allometry list" in command_lines(ROOT / "README.md")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_on_a_page_is_one(page):
    for line in command_lines(page):
        program, *words = shlex.split(line, comments=True)
        if program == "make":
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert re.search(rf"^{words[0]}:", makefile, re.M), line
            continue
        command = cli.commands
        while isinstance(command, click.Group):
            assert words[0] in command.commands, f"{line}: no such command"
            command = command.commands[words.pop(0)]
        if words or page.name != "command-line.md":
            parse(command, words, line)


def parse(command, words, line):
    """Let click read the words without running anything; inline code may leave arguments out."""
    try:
        command.make_context(line, list(words))
    except click.MissingParameter as missing:
        assert not any(word.startswith("-") for word in words), (
            f"{line}: {missing.format_message()}"
        )
    except click.ClickException as error:
        pytest.fail(f"{line}: {error.format_message()}")


# ---- links and names ------------------------------------------------------------------------


def anchors(page):
    """GitHub's anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if path.startswith("https://"):
            continue
        assert not re.match(r"\w+:|/", path), f"{link}: a relative path or https:// expected"
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{named(page)}: {link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{named(page)}: no heading {anchor} in {path}"


def test_every_page_is_reached_from_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        if page.name != "index.md":
            assert str(page.relative_to(ROOT / "docs")) in index, (
                f"{page.name} is not in docs/index.md"
            )


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_machine_is_named(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(work|home|root|tmp|mnt|Users)/", text)
    assert not re.search(r"\blocalhost\b|\b\d{1,3}(\.\d{1,3}){3}\b", text)
    assert not re.search(rf"\b{re.escape(os.uname().nodename)}\b", text)


def test_pictures_are_small():
    for picture in (ROOT / "docs" / "figures").rglob("*.*g"):
        assert picture.stat().st_size <= 150_000, picture.name


# ---- README ---------------------------------------------------------------------------------


def tree():
    """Paths named in the README's tree, relative to the project."""
    (body,) = blocks(ROOT / "README.md", "text")
    folder, paths = "", []
    for line in body.splitlines():
        name = line.split()[0]
        if line.startswith(" "):
            paths.append(folder + name)
        else:
            folder = name
            paths.append(name)
    return paths


def test_the_tree_shows_what_is_there():
    assert len(tree()) <= 21
    for path in tree():
        assert (ROOT / path).exists(), f"README: {path} does not exist"
    named = {p.removeprefix("src/allometry/").rstrip("/") for p in tree()}
    folders = {p.name for p in SOURCE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert folders <= named, f"README's tree lacks {', '.join(sorted(folders - named))}"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
