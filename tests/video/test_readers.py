"""A program may end while a camera is silent."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.video.serving import Camera

# When Python has ended, with the code 1, freeing the libraries takes as many seconds.
PROGRAM = """
import ctypes, sys, time
from fitsense.video.live import LiveSource

library = ctypes.CDLL(None)
library.on_exit(library.sleep, None)
source = LiveSource(sys.argv[1], 182)
next(iter(source))
time.sleep(3.5)
assert source._reader.is_alive(), "the camera is silent, and nobody can end that"
if sys.argv[2] == "closed":
    source.close()
sys.exit(1)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others cannot make a program's end last")
@pytest.mark.parametrize("source", ["closed", "open"])
def test_nobody_asks_python_when_it_has_ended(film: Path, source: str) -> None:
    with Camera(film) as camera:
        command = [sys.executable, "-c", PROGRAM, camera.url("stall=3"), source]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stderr) == (1, "")
