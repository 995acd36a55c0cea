"""Licences of what the package runs on: ``python -m tests.licences`` writes docs/licences.md.

Names, versions and licences are those that the packages installed here say of themselves.
"""

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"
CLASSIFIER = "License :: OSI Approved :: "
LONGEST = 60  # characters; a package may give its whole licence in place of the name

HEAD = """# Licences

After this page you can say under which licences Allometry runs.

Allometry itself is under the MIT [licence](../LICENSE). What it is installed with, as the packages
say of themselves (`python -m tests.licences` writes this page); those that Allometry asks for
itself are in **bold**, the others come with them.

| package | version | licence |
|---|---|---|
"""


def direct() -> set[str]:
    """What pyproject.toml asks for, without extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}


def installed(names: Iterable[str]) -> list[str]:
    """These packages and all that they need on this machine."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        try:
            needs = [Requirement(text) for text in requires(name) or []]
        except PackageNotFoundError:  # of another system; those asked for are tested to be there
            continue
        found.add(name)
        waiting += [n.name for n in needs if n.marker is None or n.marker.evaluate({"extra": ""})]
    return sorted(found)


def licence(name: str) -> str:
    """The licence in the words of the package."""
    said = metadata(name)
    names = [line for line in said.get_all("Classifier") or [] if line.startswith(CLASSIFIER)]
    classifiers = ", ".join(line.removeprefix(CLASSIFIER) for line in names)
    text = said.get("License") or ""
    short = text if len(text) <= LONGEST and "\n" not in text else ""
    return said.get("License-Expression") or short or classifiers or "not said"


def page() -> str:
    chosen = direct()
    rows = [
        f"| {f'**{name}**' if name in chosen else name} | {metadata(name)['Version']} "
        f"| {licence(name)} |\n"
        for name in installed(chosen)
    ]
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"{PAGE}\n")
