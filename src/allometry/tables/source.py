"""Where a table is read from: a file, or bytes under the name of one."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from allometry.files.foreign import opened, read_bytes
from allometry.tables.limits import ADVICE, LARGEST_FILE

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """The content that is read as a table.

    Attributes:
        path: of the file; for bytes, a name for messages, which is never looked up.
        size: in bytes, as it is stored. content: the bytes; None for those of the file.
    """

    path: Path
    size: int
    content: bytes | None = field(default=None, repr=False)

    def opened(self) -> BinaryIO:
        """The content as a binary file; errors as for `allometry.files.foreign.opened`."""
        return opened(self.path) if self.content is None else io.BytesIO(self.content)

    def read(self) -> bytes:
        """The whole content; errors as for `allometry.files.foreign.read_bytes`."""
        if self.content is None:
            return read_bytes(self.path, LARGEST_FILE, ADVICE)
        return self.content
