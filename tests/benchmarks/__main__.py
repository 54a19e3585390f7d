"""``python -m tests.benchmarks``: how fast fitsense is on this machine.

Each figure is measured in several rounds, in which the things that it compares run in turn, so that most figures are
ratios, which can be compared between machines. A line has the median, and half the distance between the quartiles.
"""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import click

from tests.benchmarks import files, machine, person, processes, streams, windows
from tests.benchmarks.measuring import Benchmark, Figure, SkippedError, cores

BENCHMARKS = {
    benchmark.name: benchmark
    for module in (files, windows, streams, person, processes)
    for benchmark in module.BENCHMARKS
}


def chosen(names: tuple[str, ...]) -> list[Benchmark]:
    """The benchmarks of these names, or whose names begin so, up to a dot; all, if there are none."""
    for name in names:
        if not any(_is_under(one, name) for one in BENCHMARKS):
            raise click.UsageError(f"NAMES: expected one of {', '.join(BENCHMARKS)}, got {name}")
    return [one for one in BENCHMARKS.values() if not names or any(_is_under(one.name, name) for name in names)]


def line(name: str, figure: Figure) -> str:
    """A figure's line in the table."""
    goal = f"{figure.goal} {'met' if figure.met else 'MISSED'}" if figure.goal else ""
    return f"{name:<28} {figure.value:>9.3f} {figure.unit:<3} +- {figure.spread:<8.3f} {goal:<15} {figure.compares}"


def _is_under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--rounds", type=click.IntRange(1), help="Number of rounds; by default that of each benchmark.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--list", "only_list", is_flag=True, help="List the figures without measuring.")
def main(names: tuple[str, ...], rounds: int | None, json_file: Path | None, only_list: bool) -> None:
    """Measure how fast fitsense is on this machine: the figures NAMES, or those that begin with them; by default all.

    A ratio (x) compares two things within one run. It takes some minutes; videos are made the first time.
    """
    benchmarks = chosen(names)
    if only_list:
        for benchmark in benchmarks:
            goal = str(benchmark.goal or "")
            click.echo(f"{benchmark.name:<28} {benchmark.unit:<3} {goal:<9} {benchmark.compares}")
        return
    click.echo(f"{machine.cpu()}, {cores()} cores")
    figures: dict[str, Figure] = {}
    skipped: dict[str, str] = {}
    for benchmark in benchmarks:
        try:
            figures[benchmark.name] = figure = benchmark.figure(rounds)
        except SkippedError as error:
            skipped[benchmark.name] = str(error)
            click.echo(f"{benchmark.name:<28} skipped: {error}")
            continue
        click.echo(line(benchmark.name, figure))
        if figure.note:
            click.echo(f"{'':<28} {figure.note}")
    if json_file is not None:
        found = {"machine": machine.facts(), "figures": figures, "skipped": skipped}
        json_file.write_text(json.dumps(found, indent=2, default=attrs.asdict) + "\n")


if __name__ == "__main__":
    main()
