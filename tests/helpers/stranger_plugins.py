"""Distributions with plugins, installed on a path, and scripts that run with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STRANGERS = {
    "broken_import": "raise ImportError('missing library')",
    "exits": "raise SystemExit(3)",
    "good": """
import fitsense
@fitsense.hookimpl
def fitsense_plugin():
    return fitsense.plugins.PluginInfo("good-stranger", "2.1")
""",
}


def install(folder: Path, **sources: str) -> None:
    """Distributions `stranger-NAME` with an entry point each, on a path."""
    for name, source in sources.items():
        (folder / f"stranger_{name}.py").write_text(source)
        info = folder / f"stranger_{name}-2.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stranger-{name}\nVersion: 2.1\n")
        (info / "entry_points.txt").write_text(f"[fitsense]\nstranger-{name} = stranger_{name}\n")


def run(folder: Path, script: str, **environment: str) -> str:
    """Run a script in a process that has `folder` on its path; return what it prints."""
    return subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(folder), "PATH": "", **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
