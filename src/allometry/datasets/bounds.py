"""Limits on the size of a data set, by the sizes that files state before they are read.

A number counts as float32, in which it is held, or with its width in the file where that is
larger. Reading and checking takes up to three times the limit.
"""

from pathlib import Path

from allometry.errors import DataError

__all__ = ["Room"]

LARGEST = 4 << 30  # bytes of all arrays of a data set
MOST_FILES = 1_000_000  # names in its folders
NARROWEST = 4  # bytes of a number
ADVICE = "leave examples or features out, or give arrays of the part you use to Arrays.of"


class Room:
    """The bytes and files that are left for one data set."""

    def __init__(self) -> None:
        self._bytes, self._files = LARGEST, MOST_FILES

    def take(self, where: str | Path, numbers: int, width: int) -> None:
        """Refuse an array for which there is no room.

        Args:
            where: the file, for the message. numbers: that the array has by its header.
            width: of each, in bytes.
        """
        self._bytes -= numbers * max(width, NARROWEST)
        if self._bytes < 0:
            raise DataError(
                f"{where}: with its {numbers:,} numbers the data set is larger than the "
                f"{LARGEST / 2**30:g} GiB that are read; {ADVICE}"
            )

    def take_file(self, folder: Path) -> None:
        """Refuse one more name in a folder where there are too many."""
        self._files -= 1
        if self._files < 0:
            raise DataError(
                f"{folder}: with it the data set has more than the {MOST_FILES:,} files that are "
                f"read; {ADVICE}"
            )
