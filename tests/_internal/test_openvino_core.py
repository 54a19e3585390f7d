"""Effects of loaded OpenVINO models on their process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# The handler must find its stack, whichever models were given up, and by whichever thread.
INTERRUPTED = """
import signal, threading
import fitsense

# A shell that starts tests in the background may have it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
models = [fitsense.load_model(threads=1), fitsense.load_model(threads=1)]
{given_up}
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""

# What a process leaves behind in OpenVINO must not be what another waits for.
FORKED = """
import os, signal
import numpy as np
import fitsense
from fitsense.types import Frame

def analyse():
    frames = [Frame(np.zeros((182, 182, 3), np.uint8), number / 10) for number in range(40)]
    return [event.type for event in fitsense.analyze(frames, model=fitsense.load_model())]

said = analyse()
child = os.fork()
if child == 0:
    signal.alarm(200)
    os._exit(analyse() != said)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def said(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "given_up",
    [
        "models.clear()",
        "del models[0]",
        "other = threading.Thread(target=models.clear); other.start(); other.join()",
    ],
)
def test_openvino_core_after_models_are_freed_keeps_interrupt(given_up: str) -> None:
    assert said(INTERRUPTED.format(given_up=given_up)) == "interrupted\n"


@pytest.mark.skipif(sys.platform == "win32", reason="it has no fork")
def test_openvino_core_in_forked_process_works() -> None:
    assert said(FORKED) == "0\n"


def test_openvino_core_is_the_only_constructor() -> None:
    files = [file for folder in ("fitsense", "plugins", "tests") for file in (ROOT / folder).rglob("*.py")]
    made = {file.relative_to(ROOT).as_posix() for file in files if re.search(r"\bCore\(\)", file.read_text("utf-8"))}
    assert made == {"fitsense/_internal/openvino_core.py"}
