"""The notebooks of examples/: each is its .py file, which runs and gives what is committed."""

import ast
import contextlib
import io
import json
import linecache
import re
import shutil

import pytest

from tests import ROOT
from tests.test_docs import FLAGS, Near

EXAMPLES = ROOT / "examples"
SOURCES = sorted(EXAMPLES.glob("*.py"))
NEED = {"pytorch_study": "torch"}  # what is not installed for the fast tests


def named(source):
    return source.stem


def cells(source):
    """Kind and text of each cell of a .py file in the percent format."""
    parts = re.split(r"^# %%(.*)\n", source.read_text(encoding="utf-8"), flags=re.M)[1:]
    for kind, text in zip(parts[::2], parts[1::2], strict=True):
        if "markdown" in kind:
            yield "markdown", re.sub(r"^# ?", "", text.strip(), flags=re.M)
        else:
            yield "code", re.sub(r"^# %", "%", text.strip(), flags=re.M)


def notebook(source):
    return json.loads(source.with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]


def shown(cell):
    """What a code cell of a notebook shows: text, and whether a picture stands in its place."""
    texts, picture = [], False
    for output in cell["outputs"]:
        data = output.get("data", {})
        picture = picture or "image/png" in data
        if output.get("name") != "stderr" and "image/png" not in data:
            texts.append("".join(data.get("text/plain", output.get("text", ""))))
    return "".join(text.rstrip() + "\n" for text in texts), picture


def run(code, names, place):
    """What a cell prints, and its last expression, as a notebook shows it."""
    linecache.cache[place] = (len(code), None, code.splitlines(keepends=True), place)
    tree = ast.parse(re.sub(r"^%.*$", "", code, flags=re.M))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, place, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), place, "eval"), names)
    text = printed.getvalue()
    return text if value is None else f"{text}{value!r}\n", value


def check(source, folder, monkeypatch):
    for path in ("examples", "docs/examples"):
        shutil.copytree(ROOT / path, folder / path)
    monkeypatch.chdir(folder / "examples")
    names = {"__name__": "notebook"}
    for number, cell in enumerate(notebook(source)):
        if cell["cell_type"] != "code":
            continue
        got, value = run("".join(cell["source"]), names, f"{source.name}, cell {number}")
        want, picture = shown(cell)
        if picture:
            assert type(value).__name__ in ("Figure", "Axes"), f"cell {number}: no picture"
        else:
            assert Near().check_output(want, got, FLAGS), f"cell {number} gives\n{got}\nnot\n{want}"


def test_there_are_notebooks():
    assert len(SOURCES) >= 5
    assert {s.stem for s in SOURCES} == {p.stem for p in EXAMPLES.glob("*.ipynb")}


@pytest.mark.parametrize("source", SOURCES, ids=named)
def test_a_notebook_is_its_file(source):
    made = [(c["cell_type"], "".join(c["source"]).strip()) for c in notebook(source)]
    assert made == list(cells(source)), "write the notebook again: make notebooks"


@pytest.mark.parametrize("source", SOURCES, ids=named)
def test_a_notebook_begins_with_what_its_reader_can_do(source):
    kind, text = next(iter(cells(source)))
    assert kind == "markdown"
    assert re.match(r"# .+\n\nAfter this page you can ", text)


@pytest.mark.parametrize("source", [s for s in SOURCES if s.stem not in NEED], ids=named)
def test_a_notebook_gives_what_is_committed(source, tmp_path, monkeypatch):
    check(source, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", NEED)
def test_a_notebook_with_another_library_gives_what_is_committed(name, tmp_path, monkeypatch):
    pytest.importorskip(NEED[name])
    check(EXAMPLES / f"{name}.py", tmp_path, monkeypatch)
