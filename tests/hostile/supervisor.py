"""Hostile files in a child process, which is replaced when it crashes or hangs."""

from __future__ import annotations

import json
import selectors
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import attrs
import cattrs

from tests.hostile.generator import Case
from tests.hostile.worker import Verdict, last_words, what_is_wrong

WALL_S = 300.0
"""Time in seconds without an answer after which the child counts as dead. CPU time has a separate limit, which does not
depend on the load of the machine."""
_SHOWN_CHARACTERS = 1500


class Supervisor:
    """Judges cases. Use it as a context manager.

    :param wall_s: timeout of an answer in seconds.
    """

    def __init__(self, wall_s: float = WALL_S) -> None:
        self.wall_s = wall_s
        self.process: subprocess.Popen[str] | None = None
        self._temporary = tempfile.TemporaryDirectory()
        self._folder = Path(self._temporary.name)

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()
        self._temporary.cleanup()

    def judge(self, case: Case) -> Verdict:
        """Analyse the file of a case."""
        process = self.process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(attrs.asdict(case)) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return self._buried()
        answer = self._answer(process)
        return self._buried() if answer is None else cattrs.structure(answer, Verdict)

    def _start(self) -> subprocess.Popen[str]:
        with (self._folder / "stderr").open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.hostile.worker", str(self._folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
                cwd=Path(__file__).parents[2],
            )
        if self._answer(self.process) is None:
            raise RuntimeError(f"the worker does not start: {self._buried().detail}")
        return self.process

    def _answer(self, process: subprocess.Popen[str]) -> Any:
        """The next line; None if none comes."""
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(self.wall_s):
                return None
        line = process.stdout.readline()
        return json.loads(line) if line.endswith("\n") else None

    def _buried(self) -> Verdict:
        """The reason of the worker's death, and whether its events until then are valid."""
        process = self.process
        assert process is not None
        try:
            code: int | None = process.wait(5)
        except subprocess.TimeoutExpired:
            code = None
        self._end()
        events = last_words(self._folder)
        if wrong := what_is_wrong(events, complete=False):
            return Verdict("invalid", f"before a crash: {wrong}", events=len(events))
        if code is None or code == -signal.SIGXCPU:
            return Verdict("hung", "no answer" if code is None else "computes for too long", events=len(events))
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        said = (self._folder / "stderr").read_text(errors="replace")[:_SHOWN_CHARACTERS]
        return Verdict("crashed", f"{name}: {said}", events=len(events))

    def _end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None
