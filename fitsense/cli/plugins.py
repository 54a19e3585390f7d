"""``fitsense plugins``: installed plugins, their contributions, and load failures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from fitsense.cli import plugins_new
from fitsense.cli.exit_codes import ExitCode
from fitsense.cli.output import results, results_only
from fitsense.plugins._manager import PluginManager

if TYPE_CHECKING:
    from fitsense.testing.runner import Outcome


@click.group("plugins", short_help="Show, check and create plugins.", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print the reports as JSON.")
@click.pass_context
@results_only()
def command(context: click.Context, as_json: bool) -> None:
    """Show every installed plugin: status, contributions, and the reason of each failure; deprecated features too.

    The environment variable FITSENSE_PLUGINS_BLOCK is a comma-separated list of plugins to leave out.
    """
    if context.invoked_subcommand is not None:
        return
    reports = PluginManager.discover().reports
    if as_json:
        click.echo(json.dumps([attrs.asdict(report) for report in reports], indent=2), file=results())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("plugin", "version", "status", "provides", "from", box=None, pad_edge=False)
    for report in reports:
        # A line for each kind, since a detector and a pose estimator, for example, may have the same name.
        provides = "\n".join(f"{kind.replace('_', ' ')}: {', '.join(names)}" for kind, names in report.provides.items())
        colour = {"loaded": "green", "disabled": "yellow"}.get(report.status, "red")
        if report.faults:
            colour = "yellow"
        status = f"[{colour}]{report.status}{' in part' if report.faults else ''}[/]"
        table.add_row(report.name, report.version, status, provides or report.reason, report.origin)
    Console(file=results()).print(table)
    for report in reports:
        for note in (*report.faults, *report.deprecations):
            click.echo(f"{report.name}: {note}", file=results())


command.add_command(plugins_new.command)


@command.command(short_help="Run the conformance kit on an installed plugin.")
@click.argument("name")
@click.option("--only", metavar="PLUGIN/NAME", help="Check only this contribution.")
@click.option(
    "--config",
    "configs",
    metavar="PLUGIN/NAME=JSON",
    multiple=True,
    help='Configuration of a contribution, such as x3d/l={"size": 64, "short_side": 64}; repeatable.',
)
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the report to this file."
)
@click.pass_context
@results_only()
def check(context: click.Context, name: str, only: str | None, configs: tuple[str, ...], file: Path | None) -> None:
    """Run the contract tests of fitsense.testing.contracts on the installed plugin NAME and its contributions.

    Exits with 1 if a law is broken. Large networks take minutes; --only and --config shorten that.
    """
    from fitsense.testing import runner

    plugin = runner.installed(name)
    outcomes = runner.check(plugin, only=only, configs=dict(map(_config, configs)))
    _print_outcomes(outcomes)
    if file is not None:
        file.write_text(json.dumps([attrs.asdict(outcome) for outcome in outcomes], indent=2) + "\n", "utf-8")
    if any(outcome.status == "broken" for outcome in outcomes):
        context.exit(ExitCode.FAILED)


def _config(text: str) -> tuple[str, dict[str, Any]]:
    name, equals, document = text.partition("=")
    try:
        config = json.loads(document)
    except ValueError:
        config = None
    if not equals or not isinstance(config, dict):
        raise click.BadParameter(f"expected PLUGIN/NAME=JSON with a JSON object, got {text!r}")
    return name, config


def _print_outcomes(outcomes: list[Outcome]) -> None:
    subject = ""
    signs = {"held": ("+", "green"), "broken": ("x", "red"), "does not apply": ("-", "yellow")}
    for outcome in outcomes:
        if outcome.subject != subject:
            subject = outcome.subject
            click.secho(subject, bold=True, file=results())
        sign, colour = signs[outcome.status]
        click.secho(f"  {sign} {outcome.law}", fg=colour, nl=False, file=results())
        click.echo(f"  {outcome.seconds:.2f} s", file=results())
        for line in outcome.message.splitlines():
            click.echo(f"      {line}", file=results())
    counts = [f"{sum(o.status == status for o in outcomes)} {status}" for status in signs]
    click.echo(f"{', '.join(counts)}; {sum(outcome.seconds for outcome in outcomes):.1f} s", file=results())
