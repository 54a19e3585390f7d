"""Standard output of commands that run plugins has results alone, whatever plugins print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fitsense.events.schema import validate_event

# Prints when it is imported, in every hook, on a thread, from C and from a separate process.
PRINTER = """
import ctypes, os, subprocess, sys, threading
import fitsense

def noise(what):
    print("printed", what)
    sys.__stdout__.write(f"written {what}\\n")
    os.write(1, f"low level {what}\\n".encode())
    ctypes.CDLL(None).puts(f"from C {what}".encode())
    thread = threading.Thread(target=print, args=("on a thread", what))
    thread.start()
    thread.join()

noise("import")
subprocess.run([sys.executable, "-S", "-E", "-c", "print('from a child')"], check=True)

@fitsense.hookimpl
def fitsense_plugin():
    noise("plugin")
    return fitsense.plugins.PluginInfo(name="printer", version="1.0")

@fitsense.hookimpl
def fitsense_backbones():
    noise("backbones")
    return []

@fitsense.hookimpl
def fitsense_event_emitted(event):
    noise(event.type)

run = fitsense.Model.predict

def predict(self, windows):
    noise("running")
    return run(self, windows)

fitsense.Model.predict = predict
"""


@pytest.fixture
def printer(tmp_path: Path) -> Path:
    """A folder with an installed plugin that prints."""
    (tmp_path / "printer.py").write_text(PRINTER)
    info = tmp_path / "printer-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: printer\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fitsense]\nprinter = printer\n")
    return tmp_path


def run(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    # The bundle and its compiled networks are those of other tests.
    kept = {name: os.environ[name] for name in ("FITSENSE_BUNDLE", "OMP_NUM_THREADS", "XDG_CACHE_HOME")}
    return subprocess.run(
        [sys.executable, "-m", "fitsense", *map(str, arguments)],
        env={**kept, "PYTHONPATH": str(folder), "PATH": "", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )


def test_analyze_printing_plugin_gives_valid_ndjson(printer: Path, squats_file: Path) -> None:
    done = run(printer, "analyze", squats_file)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    for event in events:
        validate_event(event)
    assert (events[0]["type"], events[-1]["type"]) == ("fitsense.session.started", "fitsense.session.ended")
    for what in ("printed import", "written plugin", "low level backbones", "from C running", "from a child"):
        assert what in done.stderr
    assert done.stderr.count("on a thread fitsense.session.ended\n") == 1


def test_plugins_printing_plugin_gives_valid_json(printer: Path) -> None:
    done = run(printer, "plugins", "--json")
    assert {"x3d", "printer"} <= {report["name"] for report in json.loads(done.stdout)}
    assert "printed plugin" in done.stderr


def test_results_only_restores_standard_output() -> None:
    """Run a command inside a program's own process."""
    script = (
        "import sys\n"
        "from fitsense.cli.output import results, results_only\n"
        "with results_only():\n"
        "    print('aside')\n"
        "    results().write('result\\n')\n"
        "print('after', results() is sys.stdout)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("result\nafter True\n", "aside\n")
