"""``fitsense quantize``: a bundle that computes with 8-bit integers."""

from __future__ import annotations

from pathlib import Path

import click

from fitsense.cli.progress import track


@click.command("quantize", short_help="Make a bundle that computes with 8-bit integers.")
@click.argument("bundle")
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with clips and a manifest.csv, as fitsense dataset makes it.",
)
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the new bundle."
)
@click.option("--split", default="train", show_default=True, help="Where clips to measure ranges on are taken from.")
@click.option("--clips", type=click.IntRange(1), default=128, show_default=True, help="How many, at most.")
@click.option(
    "--branch", "branches", multiple=True, help="A branch to quantise; repeat it. By default all that can be."
)
def command(bundle: str, data: Path, out: Path, split: str, clips: int, branches: tuple[str, ...]) -> None:
    """Make of BUNDLE one whose graphs compute with 8-bit integers; BUNDLE is a name, a folder or a zip.

    It is measured on clips which ranges of values there are; nothing is trained. Whether it is faster depends on the
    network and on the CPU, which may prefer bfloat16; fitsense evaluate tells what it costs. Branches that stream or
    look at observations stay as they are. Needs fitsense[quantize].
    """
    from fitsense.bundles.bundle import Bundle
    from fitsense.errors import InvalidInputError
    from fitsense.export.quantisation import quantisable, quantise, require, typical_clips

    require()
    loaded = Bundle.load(bundle)
    possible = quantisable(loaded)
    for name in branches:
        if name not in possible:
            raise InvalidInputError(f"--branch: expected one of {', '.join(possible) or 'none'}, got {name}")
    if not possible:
        raise InvalidInputError(f"{bundle}: expected a branch that looks at clips alone, got none")
    chosen, skipped = typical_clips(loaded, branches or possible, data, split, clips, track)
    for skip in skipped:
        click.echo(f"skipped {skip.path}: {skip.reason}", err=True)
    made = quantise(loaded, chosen, out)
    click.echo(f"{made.manifest.name} {made.manifest.version} is in {out}")
    click.echo(f"next: fitsense evaluate --data {data} --split test --bundle {out}")
