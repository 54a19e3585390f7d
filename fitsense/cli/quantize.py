"""``fitsense quantize``: quantisation of a bundle to 8-bit integers."""

from __future__ import annotations

from pathlib import Path

import click

from fitsense.cli.progress import track


@click.command("quantize", short_help="Quantise a bundle to 8-bit integers.")
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
@click.option("--split", default="train", show_default=True, help="Split of the calibration clips.")
@click.option(
    "--clips", type=click.IntRange(1), default=128, show_default=True, help="Largest number of calibration clips."
)
@click.option(
    "--branch", "branches", multiple=True, help="Branch to quantise; repeatable. By default all that can be quantised."
)
def command(bundle: str, data: Path, out: Path, split: str, clips: int, branches: tuple[str, ...]) -> None:
    """Make a bundle with 8-bit integer graphs from BUNDLE: a name, a folder or a zip.

    Ranges of values are measured on calibration clips; nothing is trained. The gain in speed depends on the network
    and the CPU, which may be faster in bfloat16; measure the loss of accuracy with fitsense evaluate. Branches that
    stream or take observations stay unchanged. Needs fitsense[quantize].
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
        raise InvalidInputError(f"{bundle}: expected a branch on clips that does not stream, got none")
    chosen, skipped = typical_clips(loaded, branches or possible, data, split, clips, track)
    for skip in skipped:
        click.echo(f"skipped {skip.path}: {skip.reason}", err=True)
    made = quantise(loaded, chosen, out)
    click.echo(f"{made.manifest.name} {made.manifest.version} is in {out}")
    click.echo(f"next: fitsense evaluate --data {data} --split test --bundle {out}")
