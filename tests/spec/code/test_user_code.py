"""What of a person's code belongs to a run: what its roots reach by name, and nothing else."""

import ast
import functools
import importlib
import linecache
import sys
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import numpy as np
import pytest

from allometry import studies
from allometry.measures import losses
from allometry.spec.code import changes, is_known, short_name, user_code

MINE = '''"""A question."""
import math
from functools import lru_cache, partial
from typing import ClassVar

import numpy as np

import helpers
from allometry import Experiment, Spec, Study
from allometry.training.function import Function
from other import scaled

RATE = 0.1
SIZES = {"small": (1, 2), "large": [3, 4]}
TABLE = np.arange(6.0).reshape(2, 3)
DRAW = np.random.default_rng(3)
CACHE = {}
UNUSED = 1


class Shape(Spec):
    kinds: ClassVar[tuple[str, ...]] = ("a", "b")
    depth: int = 2

    def area(self):
        return self.depth * RATE


class Deep(Shape):
    pass


class Net(Experiment):
    width: int
    lr: float = 0.5
    shape: Shape = Deep()


def twice(function):
    def wrapper(spec):
        return 2 * function(spec)

    return wrapper


def power(exponent):
    return lambda x: x**exponent


cube = power(3)
half = partial(math.pow, 0.5)


@lru_cache
def table_sum():
    return TABLE.sum() + DRAW.random()


@twice
def loss(spec, base=SIZES["small"]):
    CACHE[spec.width] = 1
    def inner(x):
        return helpers.curve(x) + scaled(x)
    return inner(spec.width) + cube(spec.lr) + half(2) + table_sum() + spec.shape.area() + base[0]


def train(spec):
    return {"loss": loss(spec)}


def drawn(table, analysis):
    return UNUSED


def analyse(table):
    return []


def runs(size, seeds):
    return [Net(width=w, seed=s) for s in seeds for w in (2, 4)]


STUDY = Study(
    name="mine", title="Mine", question=__doc__, prediction="p", source="s", runs=runs,
    sizes=("quick",), measures={}, procedure=Function(train), analyse=analyse, figures=(drawn,),
)
'''
HELPERS = '''"""Beside the study."""
SLOPE = 2
UNUSED = 3


def curve(x):
    return SLOPE * x


def unused():
    return UNUSED
'''
OTHER = "from helpers import curve\n\n\ndef scaled(x):\n    return curve(x) + 1\n"


@pytest.fixture
def code(tmp_path, monkeypatch):
    """The code of the study after edits, each (file, text, text in its place)."""
    monkeypatch.syspath_prepend(tmp_path)

    def loaded(*edits):
        texts = {"mine": MINE, "helpers": HELPERS, "other": OTHER}
        for file, old, new in edits:
            assert old in texts[file], old
            texts[file] = texts[file].replace(old, new)
        for file, text in texts.items():
            (tmp_path / f"{file}.py").write_text(text)
            sys.modules.pop(file, None)
        importlib.invalidate_caches()
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        try:
            study = studies.study(tmp_path / "mine.py")
        finally:
            sys.dont_write_bytecode = before
        (code,) = study.specs_and_code("quick")[1]
        return code

    yield loaded
    for name in ("mine", "helpers", "other"):
        sys.modules.pop(name, None)


def test_parts_have_the_names_they_have_in_the_file(code):
    parts = code().parts
    assert {"train", "Net", "Shape", "Shape.area", "RATE", "TABLE", "helpers.SLOPE"} <= set(parts)
    assert not {"UNUSED", "drawn", "analyse", "runs", "helpers.unused", "helpers.UNUSED"} & set(
        parts
    )
    assert parts["package numpy"] == np.__version__


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("mine", '"""A question."""', '"""Another question, as long as you like."""'),
        ("mine", "def train(spec):", 'def train(spec):  # a comment\n    """Doc."""\n\n'),
        ("mine", "RATE = 0.1", "RATE = (\n    1e-1\n)"),
        ("mine", "UNUSED = 1", "UNUSED = 2"),
        ("mine", "return UNUSED", "return 5"),
        ("mine", "    return []", "    return list()"),
        ("mine", 'title="Mine"', 'title="Yours"'),
        ("mine", "(2, 4)]", "(4, 2)]"),
        ("mine", "lr: float = 0.5", "lr: float = 0.75"),
        ("mine", "depth: int = 2", "depth: int = 7"),
        ("mine", "class Net(Experiment):", 'class Net(Experiment):\n    """Doc."""\n'),
        ("helpers", "UNUSED = 3", "UNUSED = 4"),
        ("helpers", "def unused():", "def renamed():"),
    ],
)
def test_what_decides_no_result_changes_nothing(code, file, old, new):
    assert code((file, old, new)) == code()


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("mine", "RATE = 0.1", "RATE = 0.2", "RATE changed"),
        ("mine", "(1, 2)", "(1, 3)", "SIZES changed"),
        ("mine", "np.arange(6.0)", "np.arange(1, 7.0)", "TABLE changed"),
        ("mine", "default_rng(3)", "default_rng(4)", "DRAW changed"),
        ("mine", "CACHE = {}", "CACHE = {0: 1}", "CACHE changed"),
        ("mine", "power(3)", "power(4)", "power.<locals>.<lambda> changed"),
        ("mine", "partial(math.pow, 0.5)", "partial(math.pow, 0.25)", "half changed"),
        ("mine", "2 * function", "3 * function", "twice.<locals>.wrapper changed"),
        ("mine", "@twice\n", "", "loss changed"),
        ("mine", '=SIZES["small"]', '=SIZES["large"]', "loss changed"),
        ("mine", "scaled(x)", "scaled(-x)", "loss changed"),
        ("mine", '{"loss": loss', '{"loss": 1.0 * loss', "train changed"),
        ("mine", "self.depth * RATE", "self.depth + RATE", "Shape.area changed"),
        ("mine", "depth: int", "depth: float", "Shape changed"),
        ("mine", '("a", "b")', '("a", "c")', "Shape changed"),
        ("mine", "class Deep(Shape):", "class Deep(Spec):\n    area = Shape.area", "Deep changed"),
        ("mine", "TABLE.sum()", "TABLE.prod()", "table_sum changed"),
        ("helpers", "SLOPE = 2", "SLOPE = 3", "helpers.SLOPE changed"),
        ("helpers", "SLOPE * x", "SLOPE - x", "helpers.curve changed"),
        ("other", "+ 1", "+ 2", "other.scaled changed"),
    ],
)  # fmt: skip
def test_what_decides_results_is_named(code, file, old, new, said):
    before, after = code(), code((file, old, new))
    assert before.digest != after.digest
    assert said in changes(before.parts, after.parts)


def test_packages_count_by_their_version(code, monkeypatch):
    before = code()
    monkeypatch.setattr("allometry.spec.code.parts.version_of", lambda origin: "0.1")
    after = code()
    assert before.digest != after.digest
    assert f"package numpy was {np.__version__}" in changes(before.parts, after.parts)


@pytest.mark.parametrize(
    "hidden",
    [
        "globals()['loss'](spec)",
        "getattr(helpers, 'cur' + 've')(spec.width)",
        "eval('loss(spec)')",
        "importlib.import_module('helpers').curve(spec.width)",
        "__import__('helpers').curve(spec.width)",
        "sys.modules['helpers'].curve(spec.width)",
        "not_there(spec)",
    ],
)
def test_where_names_cannot_be_followed_the_whole_file_and_its_neighbours_count(code, hidden):
    edit = ("mine", '{"loss": loss(spec)}', '{"loss": ' + hidden + "}")
    imports = ("mine", "import math\n", "import importlib\nimport math\nimport sys\n")
    before = code(edit, imports)
    assert is_known(before.digest)
    assert code(edit, imports, ("mine", "UNUSED = 1", "UNUSED = 2")).digest != before.digest
    assert code(edit, imports, ("helpers", "UNUSED = 3", "UNUSED = 4")).digest != before.digest
    assert code(edit, imports, ("mine", "UNUSED = 1", "UNUSED = 1  # one")) == before


def test_attributes_asked_of_packages_by_string_are_the_packages(code):
    by_string = ("mine", '{"loss": loss(spec)}', '{"loss": getattr(math, spec.shape.kind)(1)}')
    assert code(by_string).digest == code(by_string, ("mine", "UNUSED = 1", "UNUSED = 2")).digest


def test_a_module_imported_by_a_function_counts_whole(code):
    local = ("mine", "    return {", "    import helpers as h\n    return {")
    before, after = code(local), code(local, ("helpers", "UNUSED = 3", "UNUSED = 4"))
    assert changes(before.parts, after.parts) == "all of helpers changed"


def test_a_star_import_is_followed_by_name(code):
    star = ("mine", "import helpers\n", "import helpers\nfrom helpers import *\n")
    named = ("mine", '{"loss": loss(spec)}', '{"loss": curve(spec.width) * SLOPE}')
    before, after = code(star, named), code(star, named, ("helpers", "SLOPE = 2", "SLOPE = 3"))
    assert "SLOPE changed" in changes(before.parts, after.parts)


REGISTER = """KNOWN = {}
COUNTS = []


def known(name):
    def add(function):
        KNOWN[name] = function
        return function

    return add


class Shelf:
    def __init__(self):
        self.items = []

    def put(self, function):
        self.items.append(function)
        return function


SHELF = Shelf()
"""


@pytest.mark.parametrize(
    ("decorator", "use"),
    [
        ("@helpers.known('a')", "helpers.KNOWN['a'](spec.width)"),
        ("@helpers.SHELF.put", "helpers.SHELF.items[0](spec.width)"),
    ],
)
def test_functions_that_are_put_on_a_register_are_reached(code, decorator, use):
    register = ("helpers", "SLOPE = 2\n", f"SLOPE = 2\n{REGISTER}")
    entry = f"{decorator}\ndef entry(x):\n    return x + 1\n\n\nclass Shape"
    added = ("mine", "class Shape", entry)
    used = ("mine", '{"loss": loss(spec)}', '{"loss": ' + use + "}")
    before = code(register, added, used)
    after = code(register, added, used, ("mine", "return x + 1", "return x + 2"))
    assert "entry changed" in changes(before.parts, after.parts)


def test_functions_that_packages_have_wrapped_are_reached(code):
    many = (
        "@functools.singledispatch\ndef half_of(x):\n    return x / 2\n\n\n"
        "@half_of.register\ndef _(x: int):\n    return x // 2\n\n\n"
        "@contextlib.contextmanager\ndef doubled(x):\n    yield 2 * x\n\n\nclass Shape"
    )
    edits = [
        ("mine", "import math\n", "import contextlib\nimport functools\nimport math\n"),
        ("mine", "class Shape", many),
        ("mine", '{"loss": loss(spec)}', '{"loss": half_of(spec.width), "d": doubled(1)}'),
    ]
    before = code(*edits)
    for old, new in (("x / 2", "x / 3"), ("x // 2", "x // 3"), ("yield 2 * x", "yield 3 * x")):
        assert code(*edits, ("mine", old, new)).digest != before.digest, old
    assert is_known(before.digest)
    assert code(*edits, ("mine", "UNUSED = 1", "UNUSED = 2")) == before


def test_a_loader_that_compiles_in_a_way_of_its_own_is_asked(tmp_path):
    """As import hooks of type checkers do."""

    class Hook(SourceFileLoader):
        def source_to_code(self, data, path="<source>"):
            tree = ast.parse(data)
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and node.value == 7:
                    node.value = 8
            return super().source_to_code(tree, path)

    path = tmp_path / "hooked.py"
    path.write_text("def measure(net):\n    return {'m': 7}\n")
    spec = spec_from_file_location("hooked", path, loader=Hook("hooked", str(path)))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.measure(None) == {"m": 8}
    code = user_code({"m": module.measure}, (), module.measure)
    assert set(code.parts) == {"measure"} and not code.unknown


def test_what_training_leaves_in_the_module_changes_nothing(code, tmp_path):
    code()
    study = studies.study(tmp_path / "mine.py")
    before = study.specs("quick")
    study.procedure.code(before[0])  # fills CACHE, draws from DRAW
    assert study.specs("quick") == before


def test_a_place_is_not_part_of_the_code(code, tmp_path):
    place = ("mine", "UNUSED = 1", "import pathlib\nHERE = pathlib.Path(__file__).parent")
    used = ("mine", '{"loss": loss(spec)}', '{"loss": len(str(HERE))}')
    before = code(place, used)
    (tmp_path / "elsewhere").mkdir()
    for file in ("mine", "helpers", "other"):
        (tmp_path / f"{file}.py").rename(tmp_path / "elsewhere" / f"{file}.py")
    (after,) = studies.study(tmp_path / "elsewhere" / "mine.py").specs_and_code("quick")[1]
    assert after == before


def test_a_file_edited_after_it_was_loaded_is_not_taken_for_what_runs(code, tmp_path):
    code()
    study = studies.study(tmp_path / "mine.py")
    before = study.specs("quick")
    helpers = tmp_path / "helpers.py"
    helpers.write_text(HELPERS.replace("SLOPE * x", "SLOPE - x"))
    assert study.specs("quick") == before, "the text that was loaded is known"
    loaded = sys.modules[f"{study.runs.__module__.partition('.')[0]}.helpers"]
    loaded.curve.__code__ = (lambda x: x + 99).__code__
    assert not is_known(study.specs("quick")[0].code), "no text is that of this function"


def test_code_without_source_is_never_the_same_twice(code, tmp_path):
    code()
    study = studies.study(tmp_path / "mine.py")
    study.runs.__globals__["twice"] = None
    namespace = {}
    exec("def loss(spec): return 1.0", namespace)
    study.runs.__globals__["loss"] = namespace["loss"]
    first, second = (study.specs_and_code("quick")[1][0] for _ in range(2))
    assert first.unknown == ("loss",)
    assert not is_known(first.digest) and first.digest != second.digest
    assert len(first.digest) == 64


def test_shipped_code_is_no_part_of_a_run():
    for name in ("mlp_parameter_scaling", "cnn_size_by_data", "modular_addition"):
        assert {spec.code for spec in studies.study(name).specs("quick")} == {""}


def test_shipped_functions_made_with_a_persons_own_are_code():
    shipped = studies.study("mlp_parameter_scaling")
    for own in (functools.partial(losses, lambda x: x), lambda net: losses(net)):
        measured = replace(shipped, measures={**shipped.measures, "own": own})
        assert all(spec.code for spec in measured.specs("quick"))
    again = replace(shipped, measures={**shipped.measures, "again": losses})
    assert {spec.code for spec in again.specs("quick")} == {""}


def test_names_on_the_command_line_are_no_numbers():
    assert short_name("") == "none"
    assert short_name("12e4" * 16) == "c12e412e412e"


def test_a_long_list_of_changes_is_cut():
    names = dict.fromkeys("abcdefg", "0")
    assert changes({}, names).endswith("e is new and 2 more")


# ---- notebooks -------------------------------------------------------------------------------


class Kernel:
    """An IPython kernel as far as code goes: cells are known to linecache and in ``In``."""

    def __init__(self, monkeypatch):
        self.main = ModuleType("__main__")
        vars(self.main).update(In=[""])
        monkeypatch.setitem(sys.modules, "__main__", self.main)
        self._cache = monkeypatch.setitem

    def run(self, cell):
        name = f"/tmp/ipykernel_1/{abs(hash(cell))}.py"  # the same for the same cell
        self._cache(linecache.cache, name, (len(cell), None, cell.splitlines(True), name))
        self.main.In.append(cell)
        for statement in ast.parse(cell).body:  # as IPython compiles them, one by one
            exec(compile(ast.Module([statement], []), name, "exec"), vars(self.main))

    def code(self):
        (code,) = self.main.STUDY.specs_and_code("quick")[1]
        return code


CELLS = (
    "from allometry import Experiment, Study\nfrom allometry.training.function import Function\n",
    "class Net(Experiment):\n    width: int\n    lr: float = 0.5\n",
    "FACTOR = [2]\n",
    "def train(spec):\n    return {'loss': FACTOR[0] / spec.width}\n",
    "def runs(size, seeds):\n    return [Net(width=w, seed=s) for s in seeds for w in (2, 4)]\n"
    "STUDY = Study(name='cells', title='t', question='q', prediction='p', source='s', runs=runs,\n"
    "    measures={}, analyse=lambda table: [], procedure=Function(train))\n",
)


@pytest.fixture
def kernel(monkeypatch):
    kernel = Kernel(monkeypatch)
    for cell in CELLS:
        kernel.run(cell)
    return kernel


def test_a_cell_run_again_as_it_was_is_the_same_code(kernel):
    before = kernel.code()
    assert is_known(before.digest) and {"train", "Net", "FACTOR"} == set(before.parts)
    for cell in (CELLS[1], CELLS[3], CELLS[4]):
        kernel.run(cell)
    assert kernel.code() == before


@pytest.mark.parametrize(
    ("cell", "again", "said"),
    [
        (CELLS[3].replace("/ spec", "* spec"), True, "train changed"),
        (CELLS[1].replace("lr: float", "lr: int"), True, "Net changed"),
        (CELLS[2].replace("2", "3"), False, "FACTOR changed"),
        ("FACTOR[0] = 5\n", False, "FACTOR changed"),
    ],
)
def test_an_edited_cell_is_seen_in_the_same_kernel_and_so_is_its_return(kernel, cell, again, said):
    before = kernel.code()
    kernel.run(cell)
    if again:
        kernel.run(CELLS[4])
    after = kernel.code()
    assert changes(before.parts, after.parts) == said
    for old in CELLS:
        kernel.run(old)
    assert kernel.code() == before


def test_a_study_keeps_the_function_it_was_made_with(kernel):
    before = kernel.code()
    kernel.run(CELLS[3].replace("/ spec", "* spec"))  # and the cell of the study is not run again
    assert kernel.code() == before


def test_a_class_defined_again_otherwise_than_the_studys_is_not_known(kernel):
    old = kernel.main.Net
    kernel.run(CELLS[1].replace("lr: float", "lr: int"))
    (code,) = kernel.main.STUDY.codes([frozenset({old})])
    assert code.unknown == ("Net",)


def test_a_function_in_the_cell_that_imports_what_it_calls_is_known(kernel):
    """Python compiles such a call in another way where it sees the import, and IPython does not."""
    kernel.run("import time\n" + CELLS[3].replace("    return", "    time.sleep(0)\n    return"))
    kernel.run(CELLS[4])
    before = kernel.code()
    assert is_known(before.digest)
    kernel.run("import time\n" + CELLS[3].replace("    return", "    time.sleep(0)\n    return"))
    kernel.run(CELLS[4])
    assert kernel.code() == before


def test_the_standard_library_is_no_part_of_the_code(kernel):
    kernel.run("import math\n" + CELLS[3].replace("FACTOR[0]", "math.e"))
    kernel.run(CELLS[4])
    assert set(kernel.code().parts) == {"train", "Net"}
