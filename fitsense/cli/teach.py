"""``fitsense teach``: one more exercise in a bundle, from a few clips."""

from __future__ import annotations

from pathlib import Path

import click

from fitsense.cli.progress import track


def _muscles(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Ids of muscle groups: each option holds one, or several with commas between."""
    return tuple(part.strip() for text in value for part in text.split(",") if part.strip())


@click.command("teach", short_help="Teach a bundle one more exercise from a few clips.")
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--exercise", required=True, metavar="LABEL", help="The new exercise's label, such as wall_ball.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the new bundle; new or empty.")
@click.option("--bundle", help="Bundle to teach: a name, a folder or a zip; by default the default bundle.")
@click.option(
    "--muscles",
    multiple=True,
    callback=_muscles,
    help="Muscle groups that the exercise works, with commas between. By default those of the catalogue, or else those "
    "that the bundle predicts from the clips.",
)
@click.option("--name", default="", help="The exercise's name for people; by default made from the label.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads; by default all cores.")
def command(
    clips: tuple[Path, ...],
    exercise: str,
    out: Path,
    bundle: str | None,
    muscles: tuple[str, ...],
    name: str,
    threads: int | None,
) -> None:
    """Teach a bundle one more exercise from CLIPS: 3 to 20 videos of nothing but the exercise.

    Clips of different people and places teach more than many of one. The result is a bundle like any other, for
    --bundle of the other commands; teach it again to add a further exercise. Needs no torch.
    """
    from fitsense.bundles.bundle import DEFAULT
    from fitsense.teaching.run import teach

    result = teach(
        exercise,
        clips,
        out,
        bundle=bundle or DEFAULT,
        muscles=muscles,
        name=name,
        threads=threads,
        track=track,
    )
    for skip in result.skipped:
        click.echo(f"skipped {skip.path}: {skip.reason}", err=True)
    for warning in result.warnings:
        click.echo(f"warning: {warning}", err=True)
    entry = result.exercise
    click.echo(f"{entry.exercise} was taught from {entry.clips} clips; muscles: {', '.join(entry.muscles) or 'none'}")
    if result.recognised is not None:
        click.echo(f"  {result.recognised:.0%} of their windows are recognised by what the other clips teach")
    click.echo(f"  {result.taken:.1%} of windows of other exercises lose their right name to it")
    click.echo(f"The bundle is in {out}: fitsense analyze VIDEO --bundle {out}")
