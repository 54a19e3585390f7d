"""``fitsense schema``: the JSON Schemas of what leaves the process."""

from __future__ import annotations

import json

import click

from fitsense.schema import schema, schemas


@click.command("schema")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """Print the schema NAME, such as exercise.ended; without NAME, list the schemas."""
    if name is not None:
        click.echo(json.dumps(schema(name), indent=2, ensure_ascii=False))
        return
    width = max(len(short) for short in schemas())
    for short, document in schemas().items():
        click.echo(f"{short:<{width}}  {document['$id']}  {document['title']}")
