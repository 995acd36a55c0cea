"""Commands start fast: a library is loaded by the first command that needs it, and by no other."""

import json
import os
import subprocess
import sys

import pytest

from tests import ROOT
from tests.store.cases import fill, specs

RUNS = ROOT / "docs" / "examples" / "farseer.csv"
COLUMNS = ("--map", "N=params", "--map", "D=tokens", "--map", "L=loss")

TRAINING = {"jax", "jaxlib", "optax"}
HEAVY = {*TRAINING, "matplotlib", "pandas", "pyarrow", "PIL", "jinja2", "starlette", "uvicorn"}
SCREEN = {"rich"}
FITTING = {"scipy.special", "scipy.optimize", "scipy.interpolate", "scipy.linalg"}
ALL = {*HEAVY, *SCREEN, *FITTING, "scipy", "pydantic", "numpy"}

# What the command has loaded goes to stderr, as its last line.
COMMAND = """
import atexit, json, sys
from allometry.cli import main
atexit.register(lambda: sys.stderr.write("\\n" + json.dumps(sorted(sys.modules))))
main()
"""


def loaded(*arguments, **environment):
    """Names of the modules that a command has loaded when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, arguments)],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1])), done.stdout


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("store") / "s.db", specs(3))


@pytest.mark.parametrize("words", ["--help", "plan --help", "list", "list --json"])
def test_what_only_talks_loads_no_library_of_numbers(words):
    modules, said = loaded(*words.split())
    assert said
    assert not modules & ALL


def test_completion_of_the_shell_loads_none_either():
    asked = {"COMP_WORDS": "allometry pl", "COMP_CWORD": "1"}
    modules, said = loaded(**asked, _ALLOMETRY_COMPLETE="bash_complete")
    assert said.split(",")[-1].strip() == "plan"
    assert not modules & ALL


@pytest.mark.parametrize("words", ["status", "table tiny"])
def test_reading_a_store_loads_numpy_alone(words, store):
    modules, said = loaded(*words.split(), "--store", store)
    assert said
    assert not modules & (ALL - {"numpy"})


def test_a_fit_loads_what_fits_and_shows():
    modules, _ = loaded("fit", RUNS, "--law", "chinchilla", *COLUMNS)
    assert "rich.table" in modules
    assert not modules & {*HEAVY, *FITTING, "pydantic"}


def test_a_plan_loads_scipy_and_nothing_that_trains_or_draws():
    modules, _ = loaded("plan", RUNS, *COLUMNS, "--compute", "1e23")
    assert "scipy.interpolate" in modules
    assert not modules & {*HEAVY, "pydantic"}


def test_loading_the_studies_draws_nothing():
    """`run` and each worker it starts load a study; a report alone draws its figures."""
    load = "from allometry import studies; [studies.study(name) for name in studies.names()]"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {load}; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    modules = set(done.stdout.split())
    assert "allometry.studies.grokking.grokking" in modules
    assert not modules & ({*HEAVY, *FITTING} - TRAINING)


# Served until the first page was asked for.
SERVED = """
import sys, threading, urllib.request
from pathlib import Path
from allometry.serve.serving import serve_store
def ask(address):
    def asked():
        urllib.request.build_opener(urllib.request.HTTPCookieProcessor()).open(address).read()
        signal_end()
    threading.Thread(target=asked).start()
def signal_end():
    import os, signal
    os.kill(os.getpid(), signal.SIGTERM)
assert serve_store(Path(sys.argv[1]), {}, {}, ask) == 15
print(*sys.modules)
"""


def test_the_live_page_loads_nothing_that_trains_fits_or_draws(store):
    done = subprocess.run(
        [sys.executable, "-c", SERVED, store], capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.split())
    assert {"uvicorn", "starlette", "jinja2"} <= modules
    assert not modules & {*TRAINING, "matplotlib", "PIL", "pydantic", "rich", "scipy"}
