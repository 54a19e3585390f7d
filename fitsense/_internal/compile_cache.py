"""Cache of compiled models in the user's cache folder, for faster starts.

The cache of OpenVINO reads and hashes the graphs before each look-up, and accepts damaged files.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitsense._internal.atomic import atomic_path
from fitsense._internal.cache import cache_folder

if TYPE_CHECKING:
    import openvino as ov

# Part of each key; increment it if the meaning of keys changes.
_FORMAT = 1
_MAX_BYTES = 256 << 20
_DIGEST_BYTES = hashlib.sha256().digest_size


def compiled(core: ov.Core, key: Any, properties: Mapping[str, Any], make: Callable[[], ov.Model]) -> ov.CompiledModel:
    """Load a model compiled for the CPU from the user's cache folder, or compile and store it.

    The cache never fails: an unreadable entry is compiled again, and errors on writing are ignored.

    :param core: the core that compiles, such as from :func:`openvino_core`.
    :param key: all that says which model `make` makes, such as a hash of its weights and a version, of a ``repr`` that
        is the same in every process; None to keep nothing.
    :param properties: OpenVINO properties of the compiled model.
    :param make: makes the model; called only if the cache does not have it.
    """
    file = None if key is None else _file(core, key, properties)
    if file is None:
        return core.compile_model(make(), "CPU", dict(properties))
    blob = _read(file)
    if blob is not None:
        # The entry is complete, but may come from another OpenVINO build of the same version.
        with contextlib.suppress(RuntimeError):
            return core.import_model(io.BytesIO(blob), "CPU", dict(properties))
    model = core.compile_model(make(), "CPU", dict(properties))
    with contextlib.suppress(RuntimeError, OSError):
        _write(file, model.export_model().getvalue())
        _forget(file.parent)
    return model


def _file(core: ov.Core, key: Any, properties: Mapping[str, Any]) -> Path | None:
    """Path of the cache entry, whether or not it exists; None without a cache folder."""
    import openvino as ov

    folder = cache_folder("compiled")
    if not folder.is_absolute():
        # There is no home folder.
        return None
    cpu = [core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    everything = repr((_FORMAT, ov.get_version(), cpu, sorted(properties.items()), key))
    return folder / f"{hashlib.sha256(everything.encode()).hexdigest()[:32]}.blob"


def _read(file: Path) -> bytes | None:
    """Content of a cache entry; None if it is missing or damaged."""
    try:
        content = file.read_bytes()
        if hashlib.sha256(content[_DIGEST_BYTES:]).digest() != content[:_DIGEST_BYTES]:
            return None
        # Mark the entry as recently used.
        with contextlib.suppress(OSError):
            os.utime(file)
    except OSError:
        return None
    return content[_DIGEST_BYTES:]


def _write(file: Path, blob: bytes) -> None:
    """Store an entry atomically, since other processes may store the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as temporary, temporary.open("wb") as stream:
        stream.write(hashlib.sha256(blob).digest())
        stream.write(blob)


def _forget(folder: Path) -> None:
    """Remove the least recently used entries until the cache is small enough."""
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
