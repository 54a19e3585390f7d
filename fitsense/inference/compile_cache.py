"""Compiled models are kept in the user's cache folder, so that a program starts sooner the next time.

OpenVINO has a cache of its own, which reads and hashes the graphs before it knows what to look for, and which takes a
damaged file for a good one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import openvino as ov

from fitsense._internal.atomic import atomic_path

# Part of each key; to be raised when the same key would mean another graph.
_FORMAT = 1
_MAX_BYTES = 256 << 20
_DIGEST_BYTES = hashlib.sha256().digest_size


def compiled(core: ov.Core, key: Any, properties: Mapping[str, Any], make: Callable[[], ov.Model]) -> ov.CompiledModel:
    """A model compiled for the CPU: as it was kept, or anew, and then it is kept.

    The cache never fails: what cannot be read is compiled, and what cannot be written is not kept.

    :param key: all that says which model `make` makes, of a ``repr`` that is the same in every process; None to keep
        nothing.
    :param properties: of the compiled model.
    """
    file = None if key is None else _file(core, key, properties)
    if file is None:
        return core.compile_model(make(), "CPU", dict(properties))
    blob = _read(file)
    if blob is not None:
        # It is whole, but may be of a build of OpenVINO that calls itself the same.
        with contextlib.suppress(RuntimeError):
            return core.import_model(io.BytesIO(blob), "CPU", dict(properties))
    model = core.compile_model(make(), "CPU", dict(properties))
    with contextlib.suppress(RuntimeError, OSError):
        _write(file, model.export_model().getvalue())
        _forget(file.parent)
    return model


def _file(core: ov.Core, key: Any, properties: Mapping[str, Any]) -> Path | None:
    """Where the model is kept, whether it is there or not; None where there is no such place."""
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("fitsense")) / "compiled"
    if not folder.is_absolute():
        # Who has no home.
        return None
    cpu = [core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    everything = repr((_FORMAT, ov.get_version(), cpu, sorted(properties.items()), key))
    return folder / f"{hashlib.sha256(everything.encode()).hexdigest()[:32]}.blob"


def _read(file: Path) -> bytes | None:
    """What was kept; None where nothing was, or where it is damaged."""
    try:
        content = file.read_bytes()
        if hashlib.sha256(content[_DIGEST_BYTES:]).digest() != content[:_DIGEST_BYTES]:
            return None
        # So that what is in use is not the oldest.
        with contextlib.suppress(OSError):
            os.utime(file)
    except OSError:
        return None
    return content[_DIGEST_BYTES:]


def _write(file: Path, blob: bytes) -> None:
    """Keep it in one step, since other processes may do the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as temporary, temporary.open("wb") as stream:
        stream.write(hashlib.sha256(blob).digest())
        stream.write(blob)


def _forget(folder: Path) -> None:
    """Remove what was not used for the longest time, until the rest is small enough."""
    found = []
    for file in folder.iterdir():
        # Another process may have removed it.
        with contextlib.suppress(OSError):
            stat = file.stat()
            found.append((stat.st_mtime, stat.st_size, file))
    kept = 0
    for _, size, file in sorted(found, reverse=True):
        kept += size
        if kept > _MAX_BYTES:
            file.unlink(missing_ok=True)
