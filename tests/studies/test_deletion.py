"""A study's folder is the unit of deletion: without it, all that is left works as before."""

import json
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from allometry import studies
from tests import ROOT

SOURCE = ROOT / "src" / "allometry"
LEFT = """
import importlib, json
from allometry import studies
counts = {}
for name, module in studies.modules().items():
    importlib.import_module(module)
    study = studies.study(name)
    assert study.claims or study.analyse
    counts[name] = len(study.specs("quick"))
print(json.dumps(counts))
"""


def entries():
    """The files and folders that hold studies."""
    modules = pkgutil.iter_modules([str(SOURCE / "studies")])
    return sorted(entry.name for entry in modules if entry.name != studies.LOADING)


def studies_in(entry):
    """Names of the studies that a file or folder holds."""
    prefix = f"allometry.studies.{entry}"
    return {
        name
        for name, module in studies.modules().items()
        if module == prefix or module.startswith(f"{prefix}.")
    }


def delete(package: Path, entry: str) -> None:
    path = package / "studies" / entry
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.with_suffix(".py").unlink()


def test_every_study_lies_in_one_file_or_folder():
    assert set().union(*map(studies_in, entries())) == set(studies.names())


@pytest.mark.parametrize("entry", entries())
def test_the_other_studies_work_without_one(entry, tmp_path):
    package = tmp_path / "allometry"
    shutil.copytree(SOURCE, package)  # with what Python compiled of it
    delete(package, entry)
    run = subprocess.run(
        [sys.executable, "-c", LEFT],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    counts = json.loads(run.stdout)
    assert set(counts) == set(studies.names()) - studies_in(entry)
    assert all(counts.values())
