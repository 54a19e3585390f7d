"""The worker processes that this process' Ray has."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path


def workers() -> list[int]:
    """Process ids of the workers that Ray, below this process, has now."""
    return [number for number in _below(os.getpid()) if _title(number).startswith("ray::MapWorker")]


def kill_workers() -> int:
    """Kill them in the middle of whatever they do; give how many there were."""
    found = workers()
    for number in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return len(found)


def _below(number: int) -> Iterator[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{number}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                yield child
                yield from _below(child)


def _title(number: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{number}/cmdline").read_text("utf-8", "replace")
    return ""
