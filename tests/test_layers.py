"""Imports point one way, importing touches nothing, and the habits of the house hold.

Everything is read from the source as a syntax tree; nothing is looked for as text
that a string or a comment might contain for good reason.
"""

import ast
import json
import re
import subprocess
import sys
import tokenize
from fnmatch import fnmatch
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "allometry"

# From low to high: a module imports from its own layer or from a lower one.
LAYERS = (
    ("errors", "durable"),
    ("table", "read_table"),
    # Fitting: a table and nothing of training.
    ("laws",),
    ("intervals",),
    ("fitting",),
    ("fit", "compare", "influence", "multiverse", "published"),
    ("plan", "from_files"),
    ("analyses",),
    # Saying what to train, and training it.
    ("spec", "draws", "sizes"),
    ("datasets", "models", "optimizers"),
    ("result",),
    ("procedure", "checkpoints"),
    (
        "packing",
        "pack_forms",
        "pack_cost",
        "pack_calibration",
        "pack_plan",
        "precision",
        "measures",
    ),
    ("train", "pack_job", "course", "diverged", "descent", "evaluate"),
    ("functions", "ntk", "sparse_parity", "addition"),
    ("study",),
    # Keeping it.
    ("provenance", "store"),
    ("programs", "engines", "run", "results"),
    # Showing it.
    ("figures",),
    ("report", "report_words", "pages", "serve"),
    ("studies",),
    ("terminal", "cli", "__main__"),
)
FITTING = LAYERS[:7]
TRAINING = {"jax", "jaxlib", "optax", "allometry.train", "allometry.models", "allometry.measures"}

# Upward, inside a function, so that what is above is loaded only when it is asked for.
WHEN_ASKED = {
    ("run", "studies"): "a study may be given by its name",
    ("engines.orders", "studies"): "a worker loads the study it is told of",
}


def modules():
    """Dotted name below the package (empty for its own __init__) to source file."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
BELOW_THE_NAMES = [name for name in MODULES if name]  # all but the file of public names


def layer(module):
    """Position of a module's layer; a subpackage stands as one, by its first name."""
    top = module.partition(".")[0]
    exact = [i for i, names in enumerate(LAYERS) if top in names]
    matching = [i for i, names in enumerate(LAYERS) if any(fnmatch(top, n) for n in names)]
    assert exact or matching, f"module {top} is in no layer: say in LAYERS where it belongs"
    return (exact or matching)[0]


def imported(module):
    """Modules of the package that this one imports anywhere, as (module, inside a function)."""

    def visit(node, lazy):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "allometry":
                    yield alias.name.removeprefix("allometry.").removeprefix("allometry"), lazy
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            if node.module.split(".")[0] == "allometry":
                base = node.module.removeprefix("allometry").removeprefix(".")
                for alias in node.names:
                    inner = f"{base}.{alias.name}".removeprefix(".")
                    yield (inner if inner in MODULES else base), lazy
        lazy = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, lazy)

    return set(visit(TREES[module], False))


def test_the_parser_sees_imports():
    assert ("errors", False) in imported("table")
    assert ("studies", True) in imported("run")
    assert ("figures.style", False) in imported("report")
    assert ("laws", False) in imported("fit")


@pytest.mark.parametrize("module", BELOW_THE_NAMES)
def test_imports_point_down(module):
    up = [
        other
        for other, lazy in imported(module)
        if layer(other) > layer(module) and not (lazy and (module, other) in WHEN_ASKED)
    ]
    assert not up, f"{module} imports {', '.join(up)}, of a higher layer"


def test_the_exceptions_are_still_needed():
    for pair in WHEN_ASKED:
        assert (pair[1], True) in imported(pair[0]), f"{pair}: no longer imported"


def test_no_ring_of_imports():
    ways = {m: {other for other, lazy in imported(m) if not lazy} for m in BELOW_THE_NAMES}
    finished = set()

    def walk(module, path):
        assert module not in path, " -> ".join((*path, module))
        if module not in finished:
            for other in ways.get(module, ()):
                walk(other, (*path, module))
            finished.add(module)

    for module in ways:
        walk(module, ())


def test_fitting_imports_nothing_of_training_by_any_way():
    ways = {m: {other for other, _ in imported(m)} for m in BELOW_THE_NAMES}
    for start in (m for m in BELOW_THE_NAMES if layer(m) < len(FITTING)):
        reached, waiting = set(), [start]
        while waiting:
            module = waiting.pop()
            if module not in reached:
                reached.add(module)
                waiting += ways.get(module, ())
        high = {m for m in reached if layer(m) >= len(FITTING) and not m.startswith("figures")}
        assert not high, f"{start} reaches {', '.join(sorted(high))}"


# ---- what importing does -------------------------------------------------------------------

WATCH = """
import json, os, sys
opened, reached = [], []
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        opened.append(os.fsdecode(arguments[0]))
    elif event.startswith("socket.") and event != "socket.__new__" or event == "subprocess.Popen":
        reached.append(event)
sys.addaudithook(hook)
"""


def in_a_fresh_interpreter(code):
    """What the code prints as JSON, run where nothing has been imported yet."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_importing_the_package_touches_nothing():
    found = in_a_fresh_interpreter(
        WATCH + "import allometry\n"
        "print(json.dumps([opened, reached, sorted(sys.modules), sys.prefix, sys.base_prefix]))"
    )
    opened, reached, loaded, *prefixes = found
    ours = tuple(str(Path(p).resolve()) for p in (*prefixes, PACKAGE))
    outside = [path for path in opened if not str(Path(path).resolve()).startswith(ours)]
    assert not outside, f"opened {outside}"
    assert not reached
    heavy = {"jax", "numpy", "scipy", "matplotlib", "pydantic", "rich", "click"} & set(loaded)
    assert not heavy, f"import allometry brings {heavy}"


def test_importing_every_module_uses_no_network_and_no_random_state():
    # What other packages do when they are imported is not ours: they come first.
    names = [f"allometry.{m}" for m in BELOW_THE_NAMES if m != "__main__"]
    reached, same = in_a_fresh_interpreter(
        WATCH + "import importlib, random\n"
        "import numpy as np, jax, optax, rich.progress, scipy\n"
        # Looks for the machine's fonts the first time, with another program.
        "import matplotlib.font_manager, matplotlib.figure\n"
        "before = (np.random.get_state()[1].tolist(), random.getstate())\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "after = (np.random.get_state()[1].tolist(), random.getstate())\n"
        "print(json.dumps([reached, before == after]))"
    )
    assert not reached
    assert same, "importing the package moves a global random stream"


def test_fitting_loads_no_training_code():
    names = ["fit", "read_table", *(m for m in ("compare", "from_files", "plan") if m in MODULES)]
    loaded = in_a_fresh_interpreter(
        f"import importlib, json, sys\n"
        f"for name in {names!r}: importlib.import_module('allometry.' + name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    assert "numpy" in loaded
    assert not TRAINING & set(loaded)


def test_public_names_stay_what_they_are():
    """`al.run` is a function also after the module `allometry.run` has been imported."""
    wrong = in_a_fresh_interpreter(
        "import importlib, json, types\n"
        "import allometry as al\n"
        "for name in al.__all__: getattr(al, name)\n"
        "for name in ('run', 'fit', 'study', 'table'):\n"
        "    importlib.import_module('allometry.' + name)\n"
        "print(json.dumps([n for n in al.__all__ if isinstance(getattr(al, n), types.ModuleType)]))"
    )
    assert not wrong, f"al.{wrong[0]} became a module"


# ---- habits --------------------------------------------------------------------------------

BANNED_FILES = {"utils", "util", "helpers", "common", "core", "base", "misc"}
BANNED_CLASSES = ("Manager", "Handler", "Factory")
BANNED_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "yaml"}
BANNED_CALLS = {"eval", "exec", "compile", "print", "input", "__import__", "breakpoint"}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_one_concept(module):
    lines = len(MODULES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{module} has {lines} lines; split it where its concept does"
    assert not BANNED_FILES & set(module.split(".")), f"{module}: name it after what it is"
    assert ast.get_docstring(TREES[module]), f"{module}: say in one sentence what it is"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_banned_is_used(module):
    found = []
    for node in ast.walk(TREES[module]):
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
                found += [n for n in names if n.split(".")[0] in BANNED_MODULES]
            case ast.ImportFrom(module=name) if name and name.split(".")[0] in BANNED_MODULES:
                found.append(name)
            case ast.Call(func=ast.Name(id=name)) if name in BANNED_CALLS:
                found.append(f"{name}() in line {node.lineno}")
            case ast.ClassDef(name=name) if name.endswith(BANNED_CLASSES):
                found.append(name)
            case ast.ExceptHandler(type=None):
                found.append(f"bare except in line {node.lineno}")
            case ast.ExceptHandler(body=[ast.Pass()]):
                found.append(f"error swallowed in line {node.lineno}")
            case ast.Global():
                found.append(f"global in line {node.lineno}")
            case _:
                pass
    assert not found, f"{module}: {', '.join(found)}"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_left_for_later(module):
    with MODULES[module].open("rb") as source:
        words = [
            token.string
            for token in tokenize.tokenize(source.readline)
            if token.type in (tokenize.COMMENT, tokenize.STRING)
        ]
    for word in ("TODO", "FIXME", "XXX", "HACK"):
        # Words of their own: a map of phases is written in letters, X among them.
        marks = re.compile(rf"\b{word}\b")
        assert not [w for w in words if marks.search(w)], f"{module}: {word}"
