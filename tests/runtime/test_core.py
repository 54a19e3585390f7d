"""A process can be interrupted whatever became of its models."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import fitsense

# The handler must find its stack, whichever models were given up, and by whichever thread.
PROGRAM = """
import signal, threading
import fitsense

# Whoever starts tests in the background may have it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
models = [fitsense.load_model(threads=1), fitsense.load_model(threads=1)]
{given_up}
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize(
    "given_up",
    [
        "models.clear()",
        "del models[0]",
        "other = threading.Thread(target=models.clear); other.start(); other.join()",
    ],
)
def test_an_interruption_is_one_after_models_were_given_up(given_up: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(given_up=given_up)], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


def test_everybody_has_the_same_core() -> None:
    with ThreadPoolExecutor() as pool:
        cores = list(pool.map(lambda _: fitsense.openvino_core(), range(8)))
    assert len(set(map(id, cores))) == 1
