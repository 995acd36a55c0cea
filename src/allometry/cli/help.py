"""The help of the command line: commands in the order of use, and an example of each."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

__all__ = ["InOrderOfUse", "example"]


def example(line: str) -> str:
    """The end of a command's help: an example in one line, which is not wrapped."""
    return f"\b\nExample: allometry {line}"


class InOrderOfUse(click.Group):
    """A group that lists its commands in the order of use, each by its whole `short_help`.

    Args:
        sections: heading to the names of the commands below it, for a group of many commands;
            every command is in one of them.
    """

    def __init__(
        self, *arguments: Any, sections: Mapping[str, Sequence[str]] | None = None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._sections = sections

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of use, which is that of the sections or in which they were added."""
        if self._sections is None:
            return list(self.commands)
        return [name for names in self._sections.values() for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A line for each command, below the heading of its section."""
        width = max(map(len, self.commands))  # the columns of all sections are in line
        for heading, names in (self._sections or {"Commands": self.list_commands(ctx)}).items():
            lines = [(f"{name:<{width}}", self.commands[name].short_help or "") for name in names]
            with formatter.section(heading):
                formatter.write_dl(lines)
