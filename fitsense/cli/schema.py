"""``fitsense schema``: JSON Schemas of events and messages."""

from __future__ import annotations

import json

import click

from fitsense.cli.output import results, results_only
from fitsense.events.schema import schema, schemas
from fitsense.plugins._manager import PluginManager


@click.command("schema", short_help="Print the JSON Schemas.")
@click.argument("name", required=False)
@results_only()
def command(name: str | None) -> None:
    """Print the schema NAME, such as exercise.ended; without NAME, list fitsense's schemas and the plugins'.

    Plugins have schemas of the events that they add, and of the parts of events that their tasks fill (task.NAME).
    """
    of_plugins = PluginManager.discover().schemas()
    if name is not None:
        click.echo(json.dumps(of_plugins.get(name) or schema(name), indent=2, ensure_ascii=False), file=results())
        return
    listed = {**schemas(), **of_plugins}
    width = max(map(len, listed))
    for short, document in listed.items():
        click.echo(f"{short:<{width}}  {document['$id']}  {document.get('title', '')}".rstrip(), file=results())
