"""The fast tests of store, fits, tables and command line on the lowest versions allowed.

``make test-lowest`` makes .venv-lowest with every package that pyproject.toml names
at the lowest version it allows, on the lowest Python, and runs the tests there. With ``--pins`` it
prints the versions alone.
"""

import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv-lowest"
EXTRAS = ("test", "pandas", "parquet")  # the others are large, and these tests use none of them
TOOLS = {"mypy", "ruff"}  # what they say of a source is another matter
TESTS = ("store", "fitting", "tables", "cli", "laws", "stats", "claims", "spec")


def lowest(extras: tuple[str, ...] = EXTRAS) -> Iterator[Requirement]:
    """Each package that pyproject.toml names, at the lowest version it allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    chosen = [project["optional-dependencies"][extra] for extra in extras]
    for text in sorted({*project["dependencies"], *(line for lines in chosen for line in lines)}):
        wanted = Requirement(text)
        versions = [Version(one.version) for one in wanted.specifier if one.operator == ">="]
        assert len(versions) == 1, f"{text}: one lowest version expected"
        yield Requirement(f"{wanted.name}=={versions[0]}")


def lowest_python() -> str:
    """Path of a Python of the lowest version, 3.11."""
    if platform.python_version_tuple()[:2] == ("3", "11"):
        return sys.executable
    found = shutil.which("python3.11")
    if found is None:
        raise SystemExit("the lowest versions are tested on Python 3.11, and there is none here")
    return found


def main() -> int:
    pins = "".join(f"{pin}\n" for pin in lowest() if pin.name not in TOOLS)
    if sys.argv[1:] == ["--pins"]:
        sys.stdout.write(pins)
        return 0
    if not (VENV / "bin" / "pip").exists():
        subprocess.run([lowest_python(), "-m", "venv", VENV], check=True)
    constraints = VENV / "lowest.txt"
    constraints.write_text(pins, "utf-8")
    python = str(VENV / "bin" / "python")
    quiet = ["--quiet", "--disable-pip-version-check"]
    install = [python, "-m", "pip", "install", *quiet, "-c", str(constraints)]
    subprocess.run([*install, "-e", f"{ROOT}[{','.join(EXTRAS)}]"], check=True)
    # Old packages among newer ones use what these have deprecated since.
    command = [python, "-m", "pytest", "-q", "-W", "default::DeprecationWarning"]
    tests = [f"tests/{name}" for name in TESTS]
    return subprocess.run([*command, *tests], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
