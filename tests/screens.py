"""Reading what programs show on a pseudo-terminal."""

import os
from contextlib import suppress


def read_screen(screen: int) -> bytes:
    """All that is shown on a pseudo-terminal until no process has it open; closes it."""
    shown = b""
    with suppress(OSError):  # the end of a terminal is an error on Linux
        while part := os.read(screen, 10_000):
            shown += part
    os.close(screen)
    return shown
