"""The commands in one tree, and the border where every error becomes one sentence and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from tankstreams.cli import consume, describe, init, produce, run, topic
from tankstreams.errors import TankstreamsError, UsageError

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    rich_markup_mode="rich",
)
app.command("run")(run.run_command)
app.command("describe")(describe.describe_command)
app.command("init")(init.init_command)
app.add_typer(topic.app, name="topic")
app.command("produce")(produce.produce_command)
app.command("consume")(consume.consume_command)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"tankstreams {version('tankstreams')}")
        raise typer.Exit()


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """A log and the streams on it, in Python, with nothing else to run.

    Start with [bold]tankstreams init[/bold], which writes a topology to look at and says how to run it.

    Every command takes [bold]--log DIRECTORY[/bold] (or TANKSTREAMS_LOG; ./tank-data when neither is given).

    Anywhere: [bold]-v[/bold] for the program's own logging, [bold]--debug[/bold] for the traceback of an error.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (default: the process's own) and return its exit code; errors go to stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug, given = _flag(given, "--debug")
    verbose, given = _flag(given, "-v", "--verbose")
    if verbose:
        logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, format="%(name)s: %(message)s")
    try:
        code = app(given, standalone_mode=False, prog_name="tankstreams")
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        return _closed_pipe()
    except SystemExit as left:  # how the option parser leaves when it meets a closed pipe before we do
        if isinstance(left.__context__, BrokenPipeError):
            return _closed_pipe()
        raise
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the border: a person gets one sentence whatever it is, and --debug the rest
        if debug:
            traceback.print_exc()
        sentence, code = _said(error)
        if sentence:
            print(sentence, file=sys.stderr)
        return code


def _closed_pipe() -> int:
    """Whoever read the output has seen enough; without this Python would complain when it flushes stdout at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ is not None else 1)
    return 0


def _flag(arguments: list[str], *names: str) -> tuple[bool, list[str]]:
    """Take a flag that may stand anywhere before ``--``, in every command."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [argument for argument in arguments[:end] if argument not in names]
    return len(kept) < end, kept + arguments[end:]


def _said(error: Exception) -> tuple[str, int]:
    """Return the sentence for an error, and the exit code."""
    if isinstance(error, TankstreamsError):
        return f"Error: {error}", 2 if isinstance(error, UsageError) else 1
    if isinstance(error, typer.Abort):
        return "Aborted.", 1
    message = getattr(error, "format_message", None)
    if message is not None:  # what the option parser says about a wrong command line
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "tankstreams"
        text = str(message()).strip().rstrip(".")
        return (f"Error: {text}: see {command} --help." if text else ""), 2
    return (
        f"Error: {type(error).__name__}: {error}. This is a mistake in tankstreams, not yours: please report it with"
        " what --debug prints.",
        1,
    )
