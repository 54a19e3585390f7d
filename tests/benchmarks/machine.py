"""Machine of a measurement."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.benchmarks.measuring import cores

_PACKAGES = ("fitsense", "numpy", "av", "openvino", "torch", "onnxruntime")


def facts() -> dict[str, object]:
    """Cores, CPU, system and versions; a package that is not installed is None."""
    return {
        "cores": cores(),
        "cpu": cpu(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in _PACKAGES},
    }


def cpu() -> str:
    """The CPU's model, as far as the system says."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
