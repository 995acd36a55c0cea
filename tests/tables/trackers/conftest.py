"""The files that trackers wrote, where a test may read and damage them."""

import gzip
import shutil

import pytest

from tests import ASSETS

TRACKED = ASSETS / "trackers"


@pytest.fixture
def tracked(tmp_path):
    """A function that gives a copy of a file or folder of tests/assets/trackers, unpacked."""

    def copy(name):
        source = TRACKED / name
        target = tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            target.write_bytes(gzip.decompress((TRACKED / f"{name}.gz").read_bytes()))
        return target

    return copy
