"""`allometry serve`: a live page of a store, for a browser on this machine."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import click

from allometry.cli.help import example
from allometry.cli.listing import titles
from allometry.cli.options import FILE_OR_FOLDER, in_store
from allometry.cli.output import print_line, prints_on_stderr, say
from allometry.errors import UnavailableError

__all__ = ["serve", "serving"]

PORT = 8808
TOKEN = "ALLOMETRY_TOKEN"  # noqa: S105 - the name of the variable that has it


@click.command(
    short_help="A live page of the store, for a browser on this machine.",
    epilog=example("serve --port 8808"),
)
@click.argument("studies", nargs=-1, type=FILE_OR_FOLDER)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port; 0 for any free port.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True,
    help="Address to listen on; only addresses that other machines cannot reach.",
)  # fmt: skip
@in_store
def serve(studies: tuple[Path, ...], port: int, host: str, store: Path) -> None:
    """A live page of the store: progress, curves, findings so far.

    Prints an address with a token, which every request must carry; set ALLOMETRY_TOKEN to choose
    the token. STUDIES are files or folders of your studies, whose findings are shown as well.
    """
    from allometry.store.place import resolved

    library = _library()
    with prints_on_stderr():
        user_studies, user_titles = library.own_studies(studies)
    if not resolved(store).exists():
        say(f"no store at {store} yet: the page will show it once a run has made it")
    stopped = library.serve_store(
        store, user_studies, titles() | user_titles, _announce,
        host=host, port=port, token=os.environ.get(TOKEN),
    )  # fmt: skip
    say("stopped")
    sys.exit(128 + stopped if stopped else 0)


def _announce(address: str) -> None:
    print_line(address)
    say("open this address; it contains the token, so keep it to yourself. Ctrl-C stops the page")


@contextmanager
def serving(wanted: bool, store: Path, study: str) -> Iterator[None]:
    """Serve the live page of a store from a second process while the block runs.

    Args:
        wanted: whether to serve at all.
        study: the study in training, as typed; its findings are shown too.
    """
    if not wanted:
        yield
        return
    user_studies, user_titles = _library().own_studies([study])
    with _library().beside(store, user_studies, titles() | user_titles) as address:
        say(f"live page until the run ends: {address}")
        yield


def _library() -> ModuleType:
    """The module `allometry.serve.serving`.

    Raises:
        UnavailableError: the extra it needs is not installed.
    """
    try:
        from allometry.serve import serving
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn"):
            raise
        raise UnavailableError(
            "the live page needs Starlette and uvicorn: pip install 'allometry[serve]'"
        ) from error
    return serving
