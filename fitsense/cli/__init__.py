"""The command line. Each command is a module, which is imported when the command runs."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from typing import Any

import click

import fitsense
from fitsense._internal.redaction import redact
from fitsense.cli.exit_codes import ExitCode, exit_code_of
from fitsense.errors import FitsenseError

_COMMANDS = (
    "analyze",
    "cascade",
    "dataset",
    "doctor",
    "evaluate",
    "evaluate-sessions",
    "experiment",
    "fleet",
    "models",
    "plugins",
    "quantize",
    "report",
    "schema",
    "serve",
    "teach",
    "train",
    "workout",
)

_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code.value:>3}  {code.meaning}" for code in ExitCode)


class _Commands(click.Group):
    """Finds commands by name, and converts fitsense's errors into one line and an exit code."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"fitsense.cli.{name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        similar = difflib.get_close_matches(args[0], _COMMANDS, n=1)
        if args[0] not in _COMMANDS and similar:
            context.fail(f"No such command {args[0]!r}. Did you mean {similar[0]!r}?")
        return super().resolve_command(context, args)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except click.ClickException as error:
            # The command line may contain a URL with a password.
            vars(error)["message"] = redact(error.message)
            raise
        except FitsenseError as error:
            click.echo(f"fitsense: {redact(str(error))}", err=True)
            context.exit(exit_code_of(error))
        except BrokenPipeError:
            # Python would fail to flush its buffer to the closed pipe when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            context.exit(ExitCode.READER_GONE)
        except KeyboardInterrupt:
            click.echo("fitsense: interrupted", err=True)
            context.exit(ExitCode.INTERRUPTED)


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fitsense.__version__, prog_name="fitsense")
@click.option("--debug", is_flag=True, help="Log loading, windows, decisions and events to standard error.")
def main(debug: bool) -> None:
    """Exercises and muscle activation from video, as a stream of events."""
    if debug:
        import logging

        logging.basicConfig(stream=sys.stderr, format="%(relativeCreated)7d ms %(name)s: %(message)s")
        logging.getLogger("fitsense").setLevel(logging.DEBUG)
