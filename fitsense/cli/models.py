"""``fitsense models``: which bundles come with fitsense, and what a bundle holds."""

from __future__ import annotations

import json

import click

from fitsense.bundle import DEFAULT, Bundle, shipped
from fitsense.catalogue import IDLE


@click.command("models", short_help="Show model bundles and verify them.")
@click.argument("bundle", required=False)
@click.option("--card", is_flag=True, help="Print the bundle's model card.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(bundle: str | None, card: bool, as_json: bool) -> None:
    """List the bundles that come with fitsense, or show one: a name, a folder or a zip.

    Reading a bundle verifies the sha256 of each of its files.
    """
    loaded = {name: Bundle.load(name) for name in ([bundle] if bundle else shipped())}
    if card:
        for name, item in loaded.items():
            file = item.path("README.md")
            click.echo(file.read_text("utf-8") if file.is_file() else f"{name} has no model card.")
        return
    if as_json:
        documents = {name: json.loads(item.path("model.json").read_text("utf-8")) for name, item in loaded.items()}
        click.echo(json.dumps(documents, indent=2, ensure_ascii=False))
        return
    for name, item in loaded.items():
        manifest = item.manifest
        size = sum(file.bytes for file in manifest.files) / 1e6
        exercises = [label for label in manifest.labels.exercise if label != IDLE]
        click.echo(f"{name}{' (default)' if name == DEFAULT else ''}  {manifest.version}  {size:.1f} MB  verified")
        click.echo(f"  {manifest.summary}")
        click.echo(f"  exercises: {', '.join(exercises)}")
        click.echo(f"  muscles:   {', '.join(manifest.labels.muscles)}")
