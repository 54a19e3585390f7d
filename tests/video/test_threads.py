"""A program may end while a camera is silent."""

from __future__ import annotations

import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.network_camera import Camera

# When Python has ended, with the code 1, freeing the libraries takes as many seconds.
PROGRAM = """
import ctypes, sys, time
from fitsense.video.config import DecodeConfig
from fitsense.video.live import LiveSource

library = ctypes.CDLL(None)
library.on_exit(library.sleep, None)
source = LiveSource(sys.argv[1], DecodeConfig(short_side=182))
next(iter(source))
time.sleep(3.5)
assert source._thread.is_alive(), "nothing can end the wait for a silent camera"
if sys.argv[2] == "closed":
    source.close()
sys.exit(1)
"""


# What is registered first is called last, when threads that read have been woken.
OPENING = """
import atexit, sys, threading, time

def show():
    print([thread.name for thread in threading.enumerate() if thread.name.startswith("fitsense")])

atexit.register(show)
how, url = sys.argv[1:]
if how == "source-group":
    import fitsense
    from tests.hostile.worker import Scripted
    group = fitsense.SourceGroup({"camera": url}, model=Scripted())
else:
    import asyncio
    from fitsense.server.engine.source_reader import SourceReader
    from fitsense.server.source_policy import Opened
    from fitsense.video.live import LiveConfig
    reader = SourceReader(
        Opened(url, live=True, options={}), None, short_side=64, zoom=1.0, min_interval_s=0.0, max_pixels=1 << 20,
        threads=1, live=LiveConfig(timeout_s=3600.0),
    )
    loop = asyncio.new_event_loop()
    opening = loop.create_task(reader.open(3600.0))
    loop.run_until_complete(asyncio.sleep(0))
show()
sys.stdin.readline()
sys.exit(1)
"""


@pytest.mark.parametrize("how", ["source-group", "source-reader"])
def test_threads_that_open_a_source_end_before_python(how: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        command = [sys.executable, "-c", OPENING, how, f"http://127.0.0.1:{mute.getsockname()[1]}/live"]
        program = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with program:
            # It waits for an answer, which does not come.
            client, _ = mute.accept()
            with client:
                client.recv(1)
                out, err = program.communicate("end\n", timeout=300)
    begun, ended = out.splitlines()
    assert begun.startswith("['fitsense ")
    assert (program.returncode, ended, err.count("Traceback")) == (1, "[]", 0)


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others cannot make a program's end last")
@pytest.mark.parametrize("source", ["closed", "open"])
def test_threads_make_no_calls_after_python_has_ended(film: Path, source: str) -> None:
    with Camera(film) as camera:
        command = [sys.executable, "-c", PROGRAM, camera.url("stall=3"), source]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stderr) == (1, "")
