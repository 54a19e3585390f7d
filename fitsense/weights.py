"""Pretrained weights: from a reference to a verified local file, and from a file to a network."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import tempfile
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fitsense.digest import sha256
from fitsense.errors import MissingExtraError, WeightsError
from fitsense.hookspecs import BackboneSpec, WeightsRef
from fitsense.plugins import Plugins

if TYPE_CHECKING:
    from torch import Tensor, nn

_ADDRESS = re.compile("https://")

Progress = Callable[[int, int | None], None]
"""Called with bytes read so far, and bytes in all where known."""


def resolve(
    ref: WeightsRef,
    plugins: Plugins | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """The local, verified file that `ref` means.

    A plugin that knows the reference is asked first; then it is taken as a local path, or as an ``https://``
    address whose file is kept in `cache` (by default the user's cache folder).

    :raises WeightsError: it cannot be had, or its sha256 is not the one that `ref` states.
    """
    path = plugins.resolve_weights(ref) if plugins else None
    if path is None and _ADDRESS.match(ref.uri):
        path = _cached(ref, cache or _default_cache(), progress)
    elif path is None:
        path = Path(ref.uri).expanduser()
        if not path.is_file():
            raise WeightsError(f"weights {ref.uri!r}: no such file, and neither a plugin nor https:// gives it")
    _verify(path, ref)
    return path


def _verify(path: Path, ref: WeightsRef) -> None:
    if ref.sha256 is not None and (actual := sha256(path)) != ref.sha256:
        raise WeightsError(
            f"weights {ref.uri}: expected sha256 {ref.sha256}, got {actual} of {path}; delete that file to get it anew"
        )


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a safetensors file, or in a PyTorch checkpoint (read with ``weights_only``).

    Checkpoints that wrap it as ``model_state`` or ``state_dict`` are unwrapped.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        import torch
    except ImportError as error:
        raise MissingExtraError("reading weights", "torch", error) from error
    except Exception as error:
        raise WeightsError(f"weights {path}: not a safetensors file: {error}") from error
    try:
        document = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(
            f"weights {path}: not a PyTorch checkpoint of tensors alone (other objects are refused, since "
            f"reading them would run code): {error}"
        ) from error
    for key in ("model_state", "state_dict"):
        if isinstance(document, Mapping) and isinstance(document.get(key), Mapping):
            document = document[key]
    if not isinstance(document, Mapping) or not all(isinstance(v, torch.Tensor) for v in document.values()):
        raise WeightsError(f"weights {path}: expected a mapping from names to tensors")
    return dict(document)


def load_backbone(
    spec: BackboneSpec,
    module: nn.Module,
    weights: str | Path,
    plugins: Plugins | None = None,
    progress: Progress | None = None,
) -> None:
    """Fill a backbone's module from published weights, strictly.

    :param weights: one of the names in ``spec.weights``, or a file.
    :raises WeightsError: entries are missing, left over or of another shape; the message names them.
    """
    ref = spec.weights.get(str(weights)) or WeightsRef(str(weights))
    path = resolve(ref, plugins, progress=progress)
    load_state(module, spec.adapt_weights(read_state(path)), origin=str(path))


def load_state(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Fill `module` from `state`, whose names and shapes must be exactly the module's."""
    expected = module.state_dict()
    problems = []
    for title, names in (
        ("missing", expected.keys() - state.keys()),
        ("not in the network", state.keys() - expected.keys()),
    ):
        # Old checkpoints lack this counter, which inference never reads.
        names = {name for name in names if not name.endswith("num_batches_tracked")}
        if names:
            problems.append(f"{len(names)} {title} (such as {', '.join(sorted(names)[:3])})")
    for name in sorted(expected.keys() & state.keys()):
        if expected[name].shape != state[name].shape:
            problems.append(f"{name}: expected shape {tuple(expected[name].shape)}, got {tuple(state[name].shape)}")
    if problems:
        raise WeightsError(f"weights {origin} do not fit the network: {'; '.join(problems[:8])}")
    module.load_state_dict(dict(state), strict=False)


def _default_cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("fitsense")) / "weights"


def _cached(ref: WeightsRef, cache: Path, progress: Progress | None) -> Path:
    # The digest of the address keeps equal file names of different publishers apart.
    folder = hashlib.sha256(ref.uri.encode()).hexdigest()[:12]
    path = cache / folder / ref.uri.rpartition("/")[2]
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(ref.uri, timeout=30) as response:
            total = response.headers.get("Content-Length")
            done = 0
            while block := response.read(1 << 20):
                file.write(block)
                done += len(block)
                if progress:
                    progress(done, int(total) if total else None)
            if total and done != int(total):
                raise WeightsError(f"weights {ref.uri}: the connection ended after {done} of {total} bytes")
        _verify(Path(temporary), ref)
        Path(temporary).replace(path)
    except (OSError, http.client.HTTPException) as error:
        raise WeightsError(
            f"weights {ref.uri} cannot be downloaded ({error}); download the file yourself and pass its path"
        ) from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path
