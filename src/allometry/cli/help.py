"""The help of the command line: commands in the order of use, and an example of each."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

__all__ = ["InOrderOfUse", "example"]


def example(line: str) -> str:
    """The end of a command's help: an example in one unwrapped line."""
    return f"\b\nExample: allometry {line}"


class InOrderOfUse(click.Group):
    """A group that lists its commands in the order of use, each with its whole `short_help`.

    Args:
        sections: heading to the names of the commands below it; if given, every command must be
            in one of them.
    """

    def __init__(
        self, *arguments: Any, sections: Mapping[str, Sequence[str]] | None = None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._sections = sections

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the sections, or, without sections, of their addition."""
        if self._sections is None:
            return list(self.commands)
        return [name for names in self._sections.values() for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A line for each command, below the heading of its section."""
        width = max(map(len, self.commands))  # aligns the columns of all sections
        for heading, names in (self._sections or {"Commands": self.list_commands(ctx)}).items():
            lines = [(f"{name:<{width}}", self.commands[name].short_help or "") for name in names]
            with formatter.section(heading):
                formatter.write_dl(lines)
