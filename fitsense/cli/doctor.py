"""``fitsense doctor``: a check of the installation, with advice on missing parts."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib import metadata, util
from pathlib import Path

import click

import fitsense
from fitsense.bundles.bundle import DEFAULT, shipped
from fitsense.errors import FitsenseError
from fitsense.plugins._manager import PluginManager

_BASE = ("numpy", "av", "attrs", "cattrs", "jsonschema", "pluggy", "openvino", "pillow", "jinja2")
# Modules of each extra.
_EXTRAS = {
    "torch": ("torch", "torchvision", "pytorchvideo", "safetensors", "onnx", "onnxscript", "sklearn"),
    "motion": ("cv2",),
    "mqtt": ("paho",),
    "quantize": ("nncf", "onnx", "onnxruntime"),
    "ray": ("ray", "pyarrow", "fsspec"),
    "server": ("starlette", "uvicorn", "sse_starlette", "websockets", "prometheus_client"),
    "webhook": ("urllib3",),
    "dev": ("pytest", "hypothesis", "mypy", "ruff"),
}
_VERSION = re.compile(r"^__version__\s*(?::[^=]*)?=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)
_PUBLISHED_BUILD = re.compile(r"cpu|xpu|cu\d+|rocm[\d.]+")
_EXACT_TORCH = re.compile(r"torch\s*\(?==([^\s,;)]+)")


@click.command("doctor", short_help="Check the installation.")
def command() -> None:
    """Check the installation: versions, runtimes, CPU features, plugins, the default bundle.

    Exits with 1 if a part that sessions need does not work.
    """
    click.echo(f"fitsense {fitsense.__version__}, Python {platform.python_version()}, {platform.platform()}")
    click.echo("packages  " + ", ".join(f"{name} {metadata.version(name)}" for name in _BASE))
    healthy = _runtime()
    _torch()
    healthy &= _decoding()
    for extra, modules in _EXTRAS.items():
        missing = [module for module in modules if util.find_spec(module) is None]
        state = "installed" if not missing else f"missing {', '.join(missing)}: pip install 'fitsense[{extra}]'"
        click.echo(f"extra     {extra}: {state}")
    for report in PluginManager.discover().reports:
        healthy &= report.status in ("loaded", "disabled") and not report.faults
        reasons = "; ".join(filter(None, (report.reason, *report.faults)))
        click.echo(f"plugin    {report.name}: {report.status}{f', {reasons}' if reasons else ''}")
    healthy &= _bundle()
    click.echo("everything a session needs is working" if healthy else "some parts do not work: see above")
    sys.exit(0 if healthy else 1)


def _runtime() -> bool:
    try:
        from fitsense._internal.openvino_core import openvino_core

        core = openvino_core()
        capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        name = core.get_property("CPU", "FULL_DEVICE_NAME")
    except Exception as error:
        click.echo(f"runtime   openvino does not work: {error}; try  pip install --force-reinstall openvino")
        return False
    features = [feature for feature in ("FP32", "BF16", "FP16", "INT8") if feature in capabilities]
    click.echo(f"runtime   openvino on {name}, {os.cpu_count()} cores, {' '.join(features)}")
    return True


def _torch() -> None:
    """Report on torch, which is optional."""
    if util.find_spec("torch") is None:
        return
    from fitsense.inference.torch import devices

    try:
        click.echo(f"runtime   torch on {', '.join(devices())}")
    except Exception as error:
        click.echo(f"runtime   torch does not work: {error}")
    if fault := _torchvision_fault():
        click.echo(
            f"runtime   {fault}; networks run, torchvision's own operators do not. Install both from one index, as "
            "pytorch.org's selector shows it"
        )


def _torchvision_fault() -> str | None:
    """Mismatch between the installed torchvision and torch; None for no mismatch, or without torchvision."""
    torch, torchvision = _build("torch"), _build("torchvision")
    if torch is None or torchvision is None:
        return None
    # A build without a name, as for macOS, is for the CPU. Builds from source have names of another kind.
    release, _, build = torch.partition("+")
    build, other = build or "cpu", torchvision.partition("+")[2] or "cpu"
    if not (_PUBLISHED_BUILD.fullmatch(build) and _PUBLISHED_BUILD.fullmatch(other)):
        return None
    for requirement in metadata.requires("torchvision") or ():
        if (match := _EXACT_TORCH.match(requirement)) and match[1] != release:
            return f"torchvision {torchvision}: expected torch {match[1]}, got {torch}"
    if build != other:
        return f"torchvision: expected the build of torch {torch}, got {torchvision}"
    return None


def _build(package: str) -> str | None:
    """A package's version with the name of its build, such as ``2.13.0+cpu``, which its metadata may leave out.

    Read from the file, since a torchvision that does not fit torch cannot be imported.
    """
    spec = util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    try:
        match = _VERSION.search(Path(spec.origin).with_name("version.py").read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return match[1] if match else None


def _decoding() -> bool:
    try:
        from fitsense.video.hwaccel import device_types, fault_of
    except Exception as error:
        click.echo(f"decoding  does not work: {error}; try  pip install --force-reinstall av")
        return False
    known = device_types()
    found = [kind for kind in known if fault_of(kind) is None]
    hardware = f"or by {', '.join(found)}" if found else f"no hardware of {', '.join(known) or 'any kind'} is found"
    click.echo(f"decoding  by the CPU; {hardware}")
    return True


def _bundle() -> bool:
    try:
        import numpy as np

        model = fitsense.load_model()
        clips = {name: np.zeros((1, *spec.shape), np.uint8) for name, spec in model.clips.items()}
        model.predict_clips(clips)
    except FitsenseError as error:
        click.echo(f"bundle    {DEFAULT} does not work: {error}")
        return False
    click.echo(f"bundle    {', '.join(shipped())}; {DEFAULT} {model.manifest.version} is verified and runs")
    return True
