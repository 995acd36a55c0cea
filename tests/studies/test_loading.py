"""A person's study and its neighbours are found from anywhere and replace nobody's module."""

import random
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from allometry import studies
from allometry.errors import UsageError, in_one_line
from allometry.run import run
from allometry.studies.loading import PREFIX

STUDY = dedent('''
    """A study whose title tells what it imported."""
    {imports}
    from allometry import Study
    from allometry.spec import Experiment
    from allometry.training.function import Function


    class Net(Experiment):
        width: int


    def train(spec):
        return {{"loss": 1.0 / spec.width}}


    def runs(size, seeds):
        return [Net(width=w, seed=s) for s in seeds for w in (1, 2)]


    STUDY = Study(
        name="mine", title=str({title}), question=__doc__, prediction="none", source="a test",
        runs=runs, sizes=("quick",), measures={{}}, analyse=lambda table: [],
        procedure=Function(train),
    )
''').strip()  # fmt: skip

# Modules that NumPy, JAX or pydantic import by name.
NAMES = ("operator", "random", "copy", "queue", "inspect", "json", "types", "numpy", "jax")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory, monkeypatch):
    """In a folder that is not the study's."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))


def written(path, imports="", title="1", **neighbours):
    """A study's file, and its neighbours by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(STUDY.format(imports=imports, title=title))
    for name, text in neighbours.items():
        (path.parent / f"{name}.py").write_text(text)
    return path


def title(*arguments, **neighbours):
    return studies.study(written(*arguments, **neighbours)).title


@pytest.mark.parametrize(
    ("imports", "wanted"),
    [
        ("from widths import WIDTHS", "WIDTHS"),
        ("import widths", "widths.WIDTHS"),
        ("import widths as w, os", "w.WIDTHS"),
        ("from widths import *", "WIDTHS"),
        ("from .widths import WIDTHS", "WIDTHS"),
        ("from . import widths", "widths.WIDTHS"),
        ("def late():\n    from widths import WIDTHS\n    return WIDTHS", "late()"),
    ],
)
def test_a_neighbour_is_found_however_it_is_imported(tmp_path, imports, wanted):
    path = tmp_path / "study.py"
    assert title(path, imports, wanted, widths="WIDTHS = (2, 4)\n", __init__="1 / 0") == "(2, 4)"


def test_neighbours_find_theirs_and_packages_beside_the_study_are_neighbours(tmp_path):
    written(tmp_path / "parts" / "unused.py", __init__="", deep="from parts.deeper import X\n")
    (tmp_path / "parts" / "deeper.py").write_text("import widths\nX = widths.WIDTHS\n")
    imports = "import parts.deep\nfrom parts import deeper as d"
    wanted = "(parts.deep.X, d.X)"
    assert title(tmp_path / "study.py", imports, wanted, widths="WIDTHS = 3\n") == "(3, 3)"


def test_two_studies_have_neighbours_of_one_name(tmp_path):
    """Also those that a function imports when it is called."""
    late = "def late():\n    import widths\n    return widths.WIDTHS"
    loaded = [
        studies.study(written(tmp_path / name / "study.py", late, "late", widths=f"WIDTHS = {i}"))
        for i, name in enumerate("ab")
    ]
    late = [sys.modules[study.runs.__module__].late for study in loaded]
    assert [f() for f in late] == [0, 1]
    assert "widths" not in sys.modules and "study" not in sys.modules


def test_loaded_again_it_is_as_it_is_now(tmp_path):
    path = tmp_path / "study.py"
    assert title(path, "import widths", "widths.WIDTHS", widths="WIDTHS = 1") == "1"
    assert title(path, "import widths", "widths.WIDTHS", widths="WIDTHS = 2") == "2"
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.parametrize("name", NAMES)
def test_a_study_named_like_a_module_replaces_none(tmp_path, name):
    before = sys.modules.get(name)
    helper = f"import {name} as other\nX = other.__name__\n"
    path = written(tmp_path / f"{name}.py", f"import {name}, helper", "helper.X", helper=helper)
    assert studies.study(path).title == name
    assert sys.modules.get(name) is before or before is None
    assert studies.study(path).runs.__module__.startswith(PREFIX)


def test_a_neighbour_named_like_a_module_of_the_standard_library_is_not_taken_for_it(tmp_path):
    broken = {"random": "1 / 0", "json": "1 / 0"}
    imports = "import random, numpy\nfrom json import dumps"
    assert title(tmp_path / "study.py", imports, "random.__name__", **broken) == "random"


def test_a_neighbour_comes_before_an_installed_package_and_an_empty_folder_after(tmp_path):
    (tmp_path / "numpy").mkdir()
    imports = "import click, numpy"
    wanted = "(click.X, numpy.__name__)"
    assert title(tmp_path / "study.py", imports, wanted, click="X = 1") == "(1, 'numpy')"


@pytest.mark.parametrize("file", ["my.study.py", "my-study.py", "2024.py", "a b.py"])
def test_a_file_may_have_any_name(tmp_path, file):
    path = written(tmp_path / file, "from .widths import X", "X", widths="X = 5")
    assert studies.study(path).title == "5"


def test_a_folder_is_asked_for_as_its_study(tmp_path):
    written(tmp_path / "study.py", title="2")
    by_file, by_folder = studies.study(tmp_path / "study.py"), studies.study(str(tmp_path))
    assert (by_folder.title, by_folder.origin) == ("2", by_file.origin)
    with pytest.raises(UsageError, match=r"no study .*or of a folder with a study\.py"):
        studies.study(tmp_path.parent)


def test_an_import_from_beyond_the_folder_names_the_line(tmp_path):
    with pytest.raises(ImportError) as caught:
        title(tmp_path / "study.py", "from ..widths import X")
    told = in_one_line(caught.value)
    assert "relative import beyond top-level package" in told and "study.py, line 2)" in told


def test_a_long_sum_is_read(tmp_path):
    assert title(tmp_path / "study.py", title="+".join(["1"] * 2000)) == "2000"


def test_the_module_beside_the_studies_is_no_study():
    assert "loading" not in studies.names()


# ---- draws at import -------------------------------------------------------------------------

DRAWS = "import random, numpy\nX = (random.random(), float(numpy.random.rand()))"


def seed_all(seed):
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002


def draw():
    return random.random(), np.random.rand()  # noqa: NPY002


def test_what_a_study_draws_when_it_is_loaded_is_the_same_whenever_that_is(tmp_path):
    path = tmp_path / "mine.py"
    imports, wanted = f"{DRAWS}\nimport widths", "(X, widths.X)"
    drawn = title(path, imports, wanted, widths=DRAWS)
    seed_all(5)
    assert title(path, imports, wanted, widths=DRAWS) == drawn
    after = draw()
    seed_all(5)
    assert draw() == after, "the caller's generators go on"
    one, other = eval(drawn)
    assert one != other, "a study and its neighbour draw different numbers"
    here = f"{DRAWS}\nY = X\nimport widths\n{DRAWS}"
    assert title(path, here, "Y", widths=DRAWS) == str(one)
    first, second = eval(title(path, here, "(Y, X)", widths=DRAWS))
    assert first != second, "an import between two draws does not set them back"


def test_a_neighbour_draws_alike_however_late_it_is_imported(tmp_path):
    late = "def late():\n    import widths\n    return widths.X"
    drawn = []
    for seed in (1, 2):
        loaded = studies.study(written(tmp_path / "mine.py", late, "1", widths=DRAWS))
        seed_all(seed)
        drawn.append(sys.modules[loaded.runs.__module__].late())
    assert drawn[0] == drawn[1]


class FakeTorch:
    """The state of PyTorch's global generator."""

    state = 3

    def manual_seed(self, seed):
        self.state = seed

    def get_rng_state(self):
        return self.state

    def set_rng_state(self, state):
        self.state = state


def test_a_loaded_pytorch_draws_as_one_that_the_study_loads(tmp_path, monkeypatch):
    torch = FakeTorch()
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert title(tmp_path / "mine.py", "import torch", "torch.state") == "67280421310721"
    assert torch.state == 3


# ---- by the commands, and by workers ---------------------------------------------------------


def command(*words, cwd):
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, check=False, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done


def test_every_process_finds_the_neighbours_also_in_a_folder_of_misleading_names(tmp_path):
    """The study's folder is the current one, and has files named like modules of libraries."""
    path = written(tmp_path / "queue.py", "from widths import X", "X", widths="X = 1", random="1/0")
    # A function trains in a worker process.
    done = command("-m", "allometry", "run", path, "--store", tmp_path / "s.db", cwd=tmp_path)
    assert "2 runs trained" in done.stderr


def test_no_file_of_the_current_folder_runs_in_a_worker(tmp_path):
    """As the installed command is started, which does not look in the current folder."""
    trap = "open('PWNED', 'w'); raise ImportError('mine')"
    # Modules that libraries import when they are loaded, or much later.
    traps = dict.fromkeys(["platformdirs", "json", "optax", "submitit", "safetensors"], trap)
    path = written(tmp_path / "mine.py", "from widths import X", "X", widths="X = 1", **traps)
    (tmp_path / "pydantic").mkdir()
    (tmp_path / "pydantic" / "__init__.py").write_text(trap)
    done = command("-P", "-m", "allometry", "run", path, "--store", "s.db", cwd=tmp_path)
    assert "2 runs trained" in done.stderr
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize(
    ("draws", "trained"),
    [
        ("import numpy\nX = numpy.random.randn(20)", True),
        ("import random\nX = [random.random()]", True),
        ("import numpy\nX = numpy.random.default_rng().normal(size=20)", False),
    ],
)
def test_workers_draw_what_the_coordinator_drew_or_say_that_they_do_not(tmp_path, draws, trained):
    path = written(tmp_path / "mine.py", draws)
    text = path.read_text().replace("1.0 / spec.width", "float(sum(X)) / spec.width")
    path.write_text(text)
    outcome = run(path, store=tmp_path / "s.db")
    if trained:
        assert (outcome.trained, outcome.pending) == (2, 0)
        assert run(path, store=tmp_path / "s.db").stored_before == 2
    else:
        assert (outcome.trained, outcome.pending) == (0, 2)
        (first, *_) = outcome.failures
        assert "X changed" in first.reason and "depend neither on" in first.reason


def test_workers_import_what_a_script_finds_beside_itself(tmp_path):
    """A module beside the script, which is not beside the study."""
    written(tmp_path / "studies" / "mine.py", "import shared_by_all", "shared_by_all.X")
    (tmp_path / "shared_by_all.py").write_text("X = 1")
    (tmp_path / "sweep.py").write_text(
        "import allometry as al\n"
        f"outcome = al.run({str(tmp_path / 'studies' / 'mine.py')!r}, store='s.db')\n"
        "assert outcome.trained == 2, outcome.failures\n"
    )
    command(tmp_path / "sweep.py", cwd=Path.cwd())
