"""The data sets by name, and what importing them must not do."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from allometry import datasets
from allometry.datasets.cache import cache_root
from allometry.errors import UsageError


def test_every_data_set_is_described():
    sets = datasets.available()
    images, texts = sets[:2], sets[2:]
    assert [data_set.name for data_set in images] == ["fashion-mnist", "mnist"]
    assert [data_set.name for data_set in texts] == ["gutenberg", "anarchism", "gcide", "sympy"]
    hashes = [file.sha256 for data_set in sets for file in data_set.files]
    assert len(hashes) == len(set(hashes)) == 8 + 18 + 3
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes)
    for data_set in images:
        assert [file.size for file in data_set.files] == [47_040_016, 60_008, 7_840_016, 10_008]
        assert len(data_set.sources) == 3
    for data_set in sets:
        assert all((data_set.title, data_set.licence, data_set.origin))
        assert len({source.where for source in data_set.sources}) == len(data_set.sources)
        with pytest.raises(dataclasses.FrozenInstanceError):
            data_set.name = "other"


def test_an_unknown_name_is_refused_with_the_names_there_are():
    for ask in (datasets.get, datasets.find):
        with pytest.raises(UsageError, match="no data set 'cifar'; there are fashion-mnist, mnist"):
            ask("cifar")


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.setenv("ALLOMETRY_CACHE", "~/elsewhere")
    assert cache_root() == Path.home() / "elsewhere"
    for unset in (
        lambda: monkeypatch.setenv("ALLOMETRY_CACHE", ""),
        lambda: monkeypatch.delenv("ALLOMETRY_CACHE"),
    ):
        unset()
        assert cache_root() == platformdirs.user_cache_path("allometry")


def test_find_in_an_empty_cache_is_none_and_makes_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path / "cache"))
    assert datasets.find("mnist") is None
    assert list(tmp_path.iterdir()) == []


AUDIT = """
import numpy, numpy.random, platformdirs, urllib.request, subprocess, tempfile, tarfile, zipfile
import gzip, shutil, secrets, logging, sys
seen = []
def audit(event, args):
    source_read = event == "open" and str(args[0]).endswith((".py", ".pyc", ".so"))
    kinds = ("open", "socket.", "os.mkdir", "os.remove", "os.rename", "subprocess.", "urllib.")
    if event.startswith(kinds) and not source_read:
        seen.append((event, str(args)))
sys.addaudithook(audit)
import allometry.datasets, allometry.datasets.images, allometry.datasets.moons
assert "allometry.datasets.packages" in sys.modules
assert not seen, seen
open(sys.executable, "rb").close()
assert seen, "the audit saw nothing at all"
"""


def test_import_opens_no_socket_and_touches_no_disk():
    done = subprocess.run(
        [sys.executable, "-B", "-c", AUDIT], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
