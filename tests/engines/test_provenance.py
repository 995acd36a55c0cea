"""What trained a run is said exactly, and nothing about whose machine it was."""

import getpass
import json
import platform
import socket
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import jax
import pytest

from allometry.engines.provenance import collect, git_state


def _git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository whose package `pkg` is committed."""
    package = tmp_path / "src" / "pkg"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (tmp_path / "README").write_text("")
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "first")
    return package


def test_it_names_versions_device_and_time_in_plain_json():
    before = datetime.now(UTC).replace(microsecond=0)
    found = collect()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["allometry"] == version("allometry")
    assert found["python"] == platform.python_version()
    assert (found["jax"], found["jaxlib"]) == (jax.__version__, version("jaxlib"))
    assert found["platform"] == jax.devices()[0].platform
    assert found["dtype"] == "float32"
    assert before <= datetime.fromisoformat(found["when"]) <= datetime.now(UTC)


def test_it_names_no_machine_person_or_path():
    text = json.dumps({k: v for k, v in collect().items() if k != "git_commit"})
    assert socket.gethostname() not in text
    assert str(Path.home()) not in text
    assert f'"{getpass.getuser()}"' not in text


def test_a_checkout_has_its_commit_and_says_when_its_package_was_changed(checkout):
    commit = _git(checkout, "rev-parse", "HEAD")
    assert git_state(checkout) == {"git_commit": commit, "git_dirty": False}
    (checkout.parent.parent / "README").write_text("changed outside the package")
    assert git_state(checkout)["git_dirty"] is False
    (checkout / "new.py").write_text("")
    assert git_state(checkout)["git_dirty"] is True
    (checkout / "new.py").unlink()
    (checkout / "__init__.py").write_text("x = 1")
    assert git_state(checkout) == {"git_commit": commit, "git_dirty": True}


def test_a_package_installed_inside_another_project_has_no_commit(checkout):
    installed = checkout / "venv" / "allometry"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert git_state(installed) == {"git_commit": None, "git_dirty": None}


def test_outside_any_repository_there_is_no_commit(tmp_path):
    assert git_state(tmp_path) == {"git_commit": None, "git_dirty": None}


def test_a_hooks_variables_do_not_lead_to_another_repository(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert git_state(checkout)["git_commit"] is not None


def test_a_machine_without_git_has_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_state(checkout) == {"git_commit": None, "git_dirty": None}
