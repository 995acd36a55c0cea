"""`allometry serve`: what a store holds now, as a page for a browser of this machine."""

import os
import sys
from pathlib import Path

import click

from allometry.cli.listing import titles
from allometry.cli.options import FILE_OR_FOLDER, in_store
from allometry.cli.output import print_line, prints_on_stderr, say
from allometry.errors import UnavailableError

__all__ = ["serve"]

PORT = 8808
TOKEN = "ALLOMETRY_TOKEN"  # noqa: S105 - the name of the variable that has it


@click.command()
@click.argument("studies", nargs=-1, type=FILE_OR_FOLDER)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="0 for any that is free.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="An address of this machine alone."
)
@in_store
def serve(studies: tuple[Path, ...], port: int, host: str, store: Path) -> None:
    """A live page of the store: progress, curves, findings so far.

    Prints an address with a token, which every request has to carry; ALLOMETRY_TOKEN gives one of
    your own. STUDIES are files or folders of your own, whose findings are shown as well.
    """
    try:
        from allometry.serve.serving import own_studies, serve_store
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise UnavailableError(
            "the live page needs Starlette and uvicorn: pip install 'allometry[serve]'"
        ) from error
    with prints_on_stderr():
        own, own_titles = own_studies(studies)
    stopped = serve_store(
        store, own, titles() | own_titles, _announce,
        host=host, port=port, token=os.environ.get(TOKEN),
    )  # fmt: skip
    say("stopped")
    sys.exit(128 + stopped)


def _announce(address: str) -> None:
    print_line(address)
    say("open this address; it has the token in it, so keep it to yourself. Ctrl-C ends")
