"""Lay out what Sphinx builds the site from: ``python -m docs.site.source build/docs/source``.

Pages are copied from where they stand in the repository, and their links are rewritten to where
pages stand on the site. The gallery, the API reference and the page on citing are written here.
"""

import os
import re
import shutil
import sys
from pathlib import Path

from docs.site import citing, gallery, reference

ROOT = Path(__file__).parents[2]
CODE_HOST = "https://github.com/allometry/allometry"

# From the path of a page in the repository to its path on the site, where they differ.
MOVED = {
    "README.md": "index.md",
    "docs/index.md": "all-pages.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "CITATION.cff": "citing.md",
}
# The side bar: captions with their pages; studies are found in their folder.
GUIDES = (
    "write-a-study", "models", "training", "data-sets", "measures", "fitting",
    "from-a-csv-to-a-decision", "alarms", "verdicts", "trackers", "serve", "laptop-to-cluster",
)  # fmt: skip
NOTEBOOKS = (
    "first_law", "own_data_and_loss", "pytorch_study", "csv_to_decision", "resume_and_merge",
)  # fmt: skip
FIRST, LAST = ("getting-started",), ("all-pages", "changelog", "contributing", "citing", "licences")
LOOK_UP = (
    "api", "command-line", "vocabulary", "how-it-works", "store", "reliability", "benchmarks",
    "limits",
)  # fmt: skip
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def places() -> dict[Path, Path]:
    """Every file that the site shows, by its path in the repository: its path on the site."""
    found = {Path(here): Path(there) for here, there in MOVED.items()}
    for path in sorted((ROOT / "docs").rglob("*")):
        here = path.relative_to(ROOT)
        if path.is_file() and here.parts[1] != "site":
            found.setdefault(here, here.relative_to("docs"))
    for path in sorted((ROOT / "examples").glob("*.ipynb")):
        found[path.relative_to(ROOT)] = Path("notebooks", path.name)
    return found


def relinked(text: str, page: Path, site: dict[Path, Path]) -> str:
    """A page's text with its links as they are on the site.

    Args:
        page: its path in the repository.
        site: what `places` gives. A link to another file of the repository becomes one to the
            code host.
    """

    def rewritten(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(ROOT / page.parent / link[0])).relative_to(ROOT)
        if target in site:
            return os.path.relpath(site[target], site[page].parent)
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"{CODE_HOST}/{kind}/main/{target}"

    return LINK.sub(rewritten, text)


def contents(site: dict[Path, Path]) -> str:
    """The side bar, as toctrees that the first page does not show."""

    def names(folder: str) -> list[str]:
        found = [p.with_suffix("") for p in site.values() if p.suffix in (".md", ".ipynb")]
        return [str(page) for page in found if page.parent == Path(folder)]

    trees = {
        "Begin": [*FIRST, *(f"notebooks/{name}" for name in NOTEBOOKS)],
        "Guides": GUIDES,
        "Studies": names("studies"),
        "Gallery": ["gallery/index"],
        "Look up": [*LOOK_UP, "reference/index"],
        "The project": LAST,
    }
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```\n"
        for caption, pages in trees.items()
    )


def write(folder: Path) -> None:
    """The whole source, in a folder that is emptied first."""
    if folder.exists():
        shutil.rmtree(folder)
    site = places()
    for here, there in site.items():
        place = folder / there
        place.parent.mkdir(parents=True, exist_ok=True)
        if here.suffix == ".md":
            text = relinked((ROOT / here).read_text("utf-8"), here, site)
            place.write_text(text, encoding="utf-8")
        elif here.name != "CITATION.cff":
            shutil.copy(ROOT / here, place)
    home = folder / "index.md"
    home.write_text(home.read_text("utf-8") + contents(site), encoding="utf-8")
    (folder / "citing.md").write_text(citing.page(ROOT / "CITATION.cff"), encoding="utf-8")
    here = Path(__file__).parent
    shutil.copy(here / "conf.py", folder)
    shutil.copytree(here / "static", folder / "static")
    reference.write(folder / "reference", (ROOT / "docs" / "api.md").read_text("utf-8"))
    gallery.write(folder / "gallery")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
