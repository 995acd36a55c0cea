"""Run examples/*.py and write each as a notebook with what came out: ``python -m docs.site.notebooks``.

They run in a copy of the folder, so that stores are new and nothing is left behind. Names of
notebooks as arguments run only these.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
SECONDS = 600  # of one cell


def run(source: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook of a .py file in the percent format, run in this folder."""
    notebook = jupytext.read(source)
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    NotebookClient(
        notebook,
        timeout=SECONDS,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":  # without progress, whose seconds are never the same
            cell.outputs = [o for o in cell.outputs if not o.get("metadata", {}).get("allometry")]
    notebook.metadata.pop("language_info", None)  # the version of the Python that ran it
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # not random: a notebook that runs the same is the same file
    return notebook


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        for folder in ("examples", "docs/examples"):
            shutil.copytree(ROOT / folder, Path(place, folder))
        for source in sorted((ROOT / "examples").glob("*.py")):
            if source.stem in (sys.argv[1:] or [source.stem]):
                made = run(source, Path(place, "examples"))
                nbformat.write(made, source.with_suffix(".ipynb"))
