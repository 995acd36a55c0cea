"""The command line: parse, one library call, print.

Results go to stdout, messages to stderr. With ``--json`` stdout holds one document
with a ``schema``. Libraries are imported inside the commands, so that
``--help`` is fast.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

from allometry.cli import data, decisions, fit_checks, laws, stored, trackers
from allometry.cli.help import InOrderOfUse, example
from allometry.cli.listing import list_
from allometry.cli.new import new
from allometry.cli.output import in_a_line, on_stdout, say
from allometry.cli.plan import next_, plan
from allometry.cli.report import report
from allometry.cli.run import run
from allometry.cli.sample import sample
from allometry.cli.serve import serve
from allometry.cli.streams import close_stdout, in_words_of_click, open_streams, tell
from allometry.errors import AllometryError, as_told, in_one_line, raised_at

__all__ = ["commands", "main"]

FAILED, INTERRUPTED = 70, 130
COMPLETES = "_ALLOMETRY_COMPLETE"  # set by the shell completion scripts

# Headings of `allometry --help`, and the commands below each, in the order of use.
SECTIONS = {
    "Train": ("list", "new", "data", "run", "status", "serve", "report", "sample"),
    "Stored runs": ("table", "export", "exclude", "include", "forget", "verify", "backup", "merge"),
    "Laws and plans, of any table of runs": (
        "import", "fit", "compare", "influence", "multiverse", "plan", "next",
    ),
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code; errors meant for users have no traceback."""
    open_streams()
    if COMPLETES in os.environ:
        import_module("allometry.cli.completion")  # registers its class for bash with Click
    try:
        code = commands.main(args=arguments, prog_name="allometry", standalone_mode=False)
        with on_stdout():
            sys.stdout.flush()
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        tell(in_words_of_click(error))
        code = error.exit_code
    except BaseException as error:
        code = _ended_by(_as_raised(error), sys.argv if arguments is None else arguments)
    close_stdout()
    sys.exit(code if isinstance(code, int) else 0)


def _as_raised(error: BaseException) -> BaseException:
    """The `EOFError` of a study's code that Click turned into `Abort`; other errors unchanged."""
    inner = error.__cause__
    return inner if isinstance(inner, EOFError) and raised_at(inner) is not None else error


def _ended_by(error: BaseException, arguments: Sequence[str]) -> int:
    """Print why the command ends and return its exit code; raise again a defect of the package."""
    if isinstance(error, click.Abort | KeyboardInterrupt):
        say("interrupted; finished runs are stored, and the same command continues from there")
        sys.stdout.flush()
        # Threads still inside a compiled program would delay a normal exit, or crash in it.
        os._exit(INTERRUPTED)
    debugging = "--debug" in arguments
    if isinstance(error, AllometryError) and not (debugging and error.__cause__):
        tell(in_a_line(f"allometry: {in_one_line(error)}"))
        return error.exit_code
    in_study = raised_at(error) is not None  # the study's author has to fix it
    file_error = as_told(error)
    if debugging or not (in_study or file_error):
        raise error  # a defect of the package, or the SystemExit of `run` after failed runs
    if in_study or file_error is None:
        message = f"{in_one_line(error)}; `allometry --debug ...` shows the traceback"
        tell(in_a_line(f"allometry: {message}"))
        return FAILED
    tell(in_a_line(f"allometry: {file_error}"))
    return file_error.exit_code


@click.group(
    cls=InOrderOfUse,
    sections=SECTIONS,
    epilog=example("run mlp_parameter_scaling"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="allometry")
@click.option(
    "--debug", is_flag=True, expose_value=False, help="Show tracebacks of errors in a study's code."
)
def commands() -> None:
    """A workbench for neural scaling laws: train many small networks, keep every result, fit
    laws, show the findings."""


for _command in (
    list_,
    new,
    run,
    stored.status,
    stored.verify,
    stored.backup,
    stored.table,
    decisions.exclude,
    decisions.include,
    decisions.forget,
    decisions.merge,
    report,
    serve,
    sample,
    trackers.import_,
    trackers.export,
    laws.fit,
    laws.compare,
    fit_checks.influence,
    fit_checks.multiverse,
    plan,
    next_,
    data.data,
):
    commands.add_command(_command)
