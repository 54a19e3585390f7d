"""``python -m tests.benchmarks.resident FILE``: analyse a file in a separate process and print its memory as JSON.

A line for each event: media time in seconds, and what the process holds, in MB; at the end, the most that it held.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

import fitsense

_MB = 1e6


def held_mb() -> float:
    """The process's resident memory now; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MB


def max_held_mb() -> float:
    """Peak resident memory of the process; Linux only.

    ``getrusage`` would tell that of the process which started this one, if it had more.
    """
    status = Path("/proc/self/status").read_text().splitlines()
    kib = next(line for line in status if line.startswith("VmHWM:")).split()[1]
    return int(kib) * 1024 / _MB


def main(path: str) -> None:
    """Analyse and print."""
    analysis = fitsense.analyze(path)
    for _ in analysis:
        click.echo(json.dumps({"media_s": analysis.media_s, "held_mb": held_mb()}))
    click.echo(json.dumps({"most_mb": max_held_mb(), "held_mb": held_mb()}))


if __name__ == "__main__":
    main(sys.argv[1])
