"""``python -m tests.hostile``: analyses many damaged and falsified files and reports faults.

An interrupted run resumes with the same ``--json``. A fault is reported as a triple, which
belongs into `test_hostile.FOUND` once it is mended.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import attrs
import click

from tests.hostile.generator import Case
from tests.hostile.supervisor import Supervisor
from tests.hostile.worker import FAULTS, Verdict


@click.command()
@click.option("--cases", default=1000, show_default=True, help="How many.")
@click.option("--from", "first", default=0, show_default=True, help="The number of the first.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write a line a case; skip those in it.")
@click.option("--only", nargs=3, type=(str, str, int), help="Just this video, kind and seed.")
def main(cases: int, first: int, file: Path | None, only: tuple[str, str, int] | None) -> None:
    """Analyse hostile files, each in a child process with bounds on computing and memory."""
    done = _read(file)
    todo = [Case(*only)] if only else [Case.numbered(number) for number in range(first, first + cases)]
    try:
        with Supervisor() as supervisor:
            for case in todo:
                if str(case) in done:
                    continue
                verdict = done[str(case)] = supervisor.judge(case)
                if verdict.outcome in FAULTS or only:
                    click.echo(f"{case}: {verdict.outcome}: {verdict.detail}")
                if file is not None:
                    with file.open("a") as lines:
                        lines.write(json.dumps({"case": str(case), **attrs.asdict(verdict)}) + "\n")
    except KeyboardInterrupt:
        click.echo("interrupted")
    verdicts = [done[str(case)] for case in todo if str(case) in done]
    if verdicts:
        _sum_up(verdicts)
    sys.exit(any(verdict.outcome in FAULTS for verdict in verdicts))


def _read(file: Path | None) -> dict[str, Verdict]:
    if file is None or not file.exists():
        return {}
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return {line.pop("case"): Verdict(**line) for line in lines}


def _sum_up(verdicts: list[Verdict]) -> None:
    counts = Counter(verdict.outcome for verdict in verdicts)
    click.echo(f"{len(verdicts)} files: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))
    alive = [verdict for verdict in verdicts if verdict.resident_mb]
    if alive:
        click.echo(f"computing: at most {max(verdict.cpu_s for verdict in alive)} s")
        click.echo(f"memory on top: at most {max(verdict.peak_mb for verdict in alive)} MB")
        click.echo(f"memory afterwards: {alive[0].resident_mb:.0f} MB at first, {alive[-1].resident_mb:.0f} MB at last")


if __name__ == "__main__":
    main()
