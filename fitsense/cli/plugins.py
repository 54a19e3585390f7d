"""``fitsense plugins``: which plugins there are, what they offer, and what is wrong with the others."""

from __future__ import annotations

import json

import attrs
import click

from fitsense.plugins import Plugins


@click.command("plugins", short_help="Show plugins, and why some did not load.")
@click.option("--json", "as_json", is_flag=True, help="Print the reports as JSON.")
def command(as_json: bool) -> None:
    """Show every installed plugin: loaded or not, why not, and what it offers."""
    reports = Plugins.discover().reports
    if as_json:
        click.echo(json.dumps([attrs.asdict(report) for report in reports], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("plugin", "version", "status", "offers", "from", box=None, pad_edge=False)
    for report in reports:
        offers = ", ".join(name for names in report.offers.values() for name in names)
        status = f"[green]{report.status}[/]" if report.status == "loaded" else f"[red]{report.status}[/]"
        table.add_row(report.name, report.version, status, offers or report.reason, report.origin)
    Console().print(table)
