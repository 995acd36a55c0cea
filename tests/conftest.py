"""What every test may rely on: where the reference data lie, real images, small specs."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from allometry.errors import UnavailableError
from allometry.training.compile_cache import processor_kind
from tests import REFERENCE

# What one file compiles serves the other files, both workers and the next `make test` as well.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(sys.prefix) / "programs-of-tests" / processor_kind())
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


@pytest.fixture(scope="session")
def fashion_mnist():
    return images("fashion-mnist")


@pytest.fixture(scope="session")
def mnist():
    return images("mnist")


def images(name: str):
    """The real images; a machine that cannot get them says so."""
    from allometry.datasets.images import load_images

    try:
        return load_images(name)
    except UnavailableError as error:
        pytest.skip(f"{name} cannot be had here: {error}")


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of published data sets, `ALLOMETRY_REFERENCE` or ../shared/reference."""
    if not REFERENCE.is_dir():
        pytest.skip(f"no reference data at {REFERENCE}; set ALLOMETRY_REFERENCE")
    return REFERENCE


@pytest.fixture(autouse=True, scope="module")
def programs_of_one_file():
    """A worker keeps no compiled program of a file that is done: they took gigabytes."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()


# A shared machine may stall any single example; how long one takes is not what is tested.
settings.register_profile("allometry", deadline=None)
settings.load_profile("allometry")


class ByFile(LoadScopeScheduling):
    """With `-n 2` a file stays with one worker, whose fixtures it shares; of the conformance tests
    each study does, since its quick runs are trained once."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        study = test.partition("[")[2] if file.endswith("test_every_study.py") else ""
        return f"{file} {study}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Not marks of `xdist_group`: xdist 3.8 writes them to names that pytest 9.2 does not read."""
    return ByFile(config, log)
