"""``fitsense schema``: JSON Schemas of events and messages."""

from __future__ import annotations

import json

import click

from fitsense.cli.output import results, results_only
from fitsense.events.schema import schema, schemas
from fitsense.plugins._manager import PluginManager


@click.command("schema", short_help="Print the JSON Schemas.")
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="Print all schemas, as a JSON object by name.")
@results_only()
def command(name: str | None, everything: bool) -> None:
    """Print the schema NAME, such as exercise.ended; without NAME, list fitsense's schemas and the plugins'.

    Plugins have schemas of the events that they add, and of the parts of events that their tasks fill (task.NAME).
    """
    if name is not None and everything:
        raise click.UsageError("expected a name or --all, got both")
    of_plugins = PluginManager.discover().schemas()
    listed = {**schemas(), **of_plugins}
    if name is not None or everything:
        document = schema(name, of_plugins) if name is not None else listed
        click.echo(json.dumps(document, indent=2, ensure_ascii=False), file=results())
        return
    width = max(map(len, listed))
    for short, document in listed.items():
        click.echo(f"{short:<{width}}  {document['$id']}  {document.get('title', '')}".rstrip(), file=results())
