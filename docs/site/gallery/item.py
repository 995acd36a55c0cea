"""One picture of the gallery: the lines that make it, and how it is run and shown."""

from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

__all__ = ["Item", "Kind"]


class Item(NamedTuple):
    """A picture and its lines.

    Attributes:
        name: of what it shows; the lines save the picture as NAME.svg.
        lines: Python that makes the picture, as a reader would write it.
        text: what is shown, one Markdown paragraph or more.
        drawn: a picture made before, where the lines take too long for each build; else None.
    """

    name: str
    lines: str
    text: str
    drawn: Path | None = None

    @property
    def picture(self) -> str:
        return f"{self.name}.svg"

    def draw(self, folder: Path) -> None:
        """Run the lines in this folder.

        Raises:
            FileNotFoundError: they wrote no picture of the item's name.
        """
        with chdir(folder):
            exec(compile(self.lines, f"gallery: {self.name}", "exec"), {"__name__": "gallery"})
            if not Path(self.picture).is_file():
                raise FileNotFoundError(f"the lines of {self.name} do not write {self.picture}")


class Kind(NamedTuple):
    """One page of the gallery: a folder name, a title, what its reader can do, and its items."""

    slug: str
    title: str
    aim: str
    items: list[Item]
    note: str = ""
