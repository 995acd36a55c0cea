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
from pathlib import Path

import pytest

from tests import ROOT

PACKAGE = ROOT / "src" / "allometry"

# From low to high: a folder, or a module at the root, imports from lower layers alone.
LAYERS = (
    ("errors",),
    ("files", "processors"),
    ("tables", "laws", "spec"),
    ("stats", "datasets", "models"),
    ("fitting", "measures"),
    ("plan",),
    ("findings", "figures", "training"),
    ("claims", "store", "testing"),
    ("study_runs",),
    ("study",),
    ("studies",),
    ("engines", "report"),
    ("run", "serve"),
    ("cli",),
)
LONGEST_CHAIN = 14  # units, `__main__` among them: a plan is made of fits, and figures draw it
MOST_AT_THE_ROOT = 8  # modules
FITTING = ("errors", "files", "processors", "tables", "laws", "stats", "fitting")
TRAINING = {
    "jax",
    "jaxlib",
    "optax",
    "allometry.training",
    "allometry.models",
    "allometry.measures",
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


def unit(module):
    """The folder or the module at the root that a module belongs to."""
    return module.partition(".")[0]


def imported(module):
    """Modules of the package that this one imports anywhere, inside functions too."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "allometry":
                    yield alias.name.removeprefix("allometry.").removeprefix("allometry")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            if node.module.split(".")[0] == "allometry":
                base = node.module.removeprefix("allometry").removeprefix(".")
                for alias in node.names:
                    inner = f"{base}.{alias.name}".removeprefix(".")
                    yield inner if inner in MODULES else base


IMPORTS = {module: set(imported(module)) for module in BELOW_THE_NAMES}
UNITS = {
    name: {unit(o) for m in BELOW_THE_NAMES if unit(m) == name for o in IMPORTS[m]} - {name}
    for name in map(unit, BELOW_THE_NAMES)
}


def test_the_parser_sees_imports():
    assert "errors" in IMPORTS["tables.table"]
    assert "studies" in IMPORTS["run"]  # inside a function
    assert "figures.style" in IMPORTS["report.pictures"]
    assert "laws" in UNITS["fitting"]


def test_every_unit_has_a_layer():
    layered = {name for names in LAYERS for name in names} | {"__main__"}
    assert layered == UNITS.keys(), f"say in LAYERS where {layered ^ UNITS.keys()} belongs"


def test_imports_point_down():
    heights = {name: i for i, names in enumerate(LAYERS) for name in names}
    up = [
        f"{module} imports {other}"
        for module in BELOW_THE_NAMES
        for other in IMPORTS[module]
        if unit(other) != unit(module) and module != "__main__"
        if heights[unit(other)] >= heights[unit(module)]
    ]
    assert not up, "of the same or a higher layer: " + "; ".join(up)


def longest(ways, name, path=()):
    """The longest chain of imports that starts at a node; refuses a circle."""
    assert name not in path, "circle: " + " -> ".join((*path, name))
    chains = [longest(ways, other, (*path, name)) for other in sorted(ways.get(name, ()))]
    return (name, *max(chains, key=len, default=()))


def test_the_chain_of_units_is_short():
    chain = max((longest(UNITS, name) for name in UNITS), key=len)
    assert len(chain) <= LONGEST_CHAIN, " -> ".join(chain)


def test_no_circle_of_modules():
    finished = set()

    def walk(module, path):
        assert module not in path, " -> ".join((*path, module))
        if module not in finished:
            for other in IMPORTS.get(module, ()):
                walk(other, (*path, module))
            finished.add(module)

    for module in BELOW_THE_NAMES:
        walk(module, ())


def test_the_root_holds_few_modules():
    modules = [path.name for path in PACKAGE.glob("*.py")]
    assert len(modules) <= MOST_AT_THE_ROOT, sorted(modules)


def test_a_study_is_imported_by_nothing_outside_its_folder():
    for module in BELOW_THE_NAMES:
        for other in IMPORTS[module] - {"studies.loading"}:  # of which no study is
            if other.startswith("studies.") and not module.startswith("studies."):
                raise AssertionError(f"{module} imports {other}")
            if other.startswith("studies.") and other.split(".")[1] != module.split(".")[1]:
                raise AssertionError(f"{module} imports {other}, of another study's folder")


def test_fitting_imports_nothing_of_training_by_any_way():
    for name in FITTING:
        beyond = UNITS[name] - set(FITTING)
        assert not beyond, f"{name} imports {', '.join(sorted(beyond))}"


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
    names = [m for m in BELOW_THE_NAMES if unit(m) in FITTING]
    loaded = in_a_fresh_interpreter(
        f"import importlib, json, sys\n"
        f"for name in {names!r}: importlib.import_module('allometry.' + name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    assert "numpy" in loaded
    training = [m for m in loaded if m in TRAINING or m.startswith("allometry.training")]
    assert not training


# What each public name is, and each name of a public module.
PUBLIC = """
import importlib, json, allometry as al
def describe(value):
    names = [getattr(value, name, "") for name in ("__module__", "__qualname__", "__name__")]
    return [type(value).__name__, *map(str, names)]
def public():
    described = {}
    for name in al.__all__:
        described[name] = describe(getattr(al, name))
        for inner in getattr(getattr(al, name), "__all__", ()):
            described[f"{name}.{inner}"] = describe(getattr(getattr(al, name), inner))
    return described
"""
ORDERS = ("modules", "modules[::-1]", "sorted(modules, key=lambda m: (m.count('.'), m))")


@pytest.mark.parametrize(
    "order", [pytest.param(o, marks=pytest.mark.slow) if o != ORDERS[1] else o for o in ORDERS]
)
def test_public_names_are_what_they_are_whatever_was_imported_before(order):
    """`al.run` and `al.plan` are functions also after the modules of these names were imported."""
    modules = [f"allometry.{m}" for m in BELOW_THE_NAMES if m != "__main__"]
    first, after = in_a_fresh_interpreter(
        f"{PUBLIC}modules = {modules!r}\nfirst = public()\n"
        f"for name in {order}: importlib.import_module(name)\n"
        "print(json.dumps([first, public()]))"
    )
    late = in_a_fresh_interpreter(
        f"{PUBLIC}modules = {modules!r}\n"
        f"for name in {order}: importlib.import_module(name)\n"
        "print(json.dumps(public()))"
    )
    assert first == after == late
    public_modules = {name for name, (kind, *_) in first.items() if kind == "module"}
    assert public_modules == {"claims", "datasets", "errors", "figures", "laws", "losses",
                              "measures", "metrics", "models", "optimizers", "schedules", "stats",
                              "testing"}  # fmt: skip
    assert {"run", "plan", "study", "laws.Law", "datasets.get", "measures.losses"} <= first.keys()


def test_every_public_name_is_where_it_is_said_to_be_and_has_a_type():
    """The names that are loaded when first used are those that a type checker is told of."""
    tree = TREES[""]
    loaded = {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        for target in node.targets
    }
    (typed,) = [
        n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"
    ]
    told = {
        alias.asname: f"{node.module}.{alias.name}".removeprefix("allometry.")
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    names = {name: f"{module}.{name}" for name, module in loaded["_HOME"].items()}
    assert told == {**names, **loaded["_MODULES"]}


def test_processors_are_counted_and_disks_flushed_in_one_place():
    places = {
        "processors": {"cpu_count", "sched_getaffinity"},
        "files.durable": {"fsync", "fdatasync"},
    }
    for module, tree in TREES.items():
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for place, names in places.items():
            assert module == place or not used & names, f"{module}: `allometry.{place}` has it"


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
