"""Bundles and weights of strangers: what cannot be is refused at once, by the typed error."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import os
import shutil
import threading
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fitsense
from fitsense.bundles import bundle, weights, wheels
from fitsense.bundles.bundle import DEFAULT, Bundle
from fitsense.bundles.weights import import_file, resolve
from fitsense.plugins.specs import WeightsRef

# From servers and folders of this machine.
pytestmark = pytest.mark.usefixtures("online")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the shipped bundle that a test may spoil."""
    return Path(shutil.copytree(Bundle.load(DEFAULT).folder, tmp_path / "bundle"))


def edit(folder: Path, change: Callable[[Any], None]) -> None:
    file = folder / "model.json"
    document = json.loads(file.read_text("utf-8"))
    change(document)
    # json writes infinity by a name that is not JSON; others write 1e999.
    file.write_text(json.dumps(document).replace("Infinity", "1e999"), "utf-8")


def infinite(document: Any) -> None:
    document["calibration"]["temperature"] = float("inf")


def huge(document: Any) -> None:
    document["calibration"]["temperature"] = 10**400


def tiny(document: Any) -> None:
    document["calibration"]["temperature"] = 1e-300


def labels(document: Any) -> None:
    document["labels"]["exercise"] = [f"l{number}" for number in range(20_000)]


def million(document: Any) -> None:
    document["labels"]["exercise"] = [f"l{number}" for number in range(1_000_000)]


def frames(document: Any) -> None:
    document["branches"][0]["clip"]["frames"] = 10**9


def side(document: Any) -> None:
    document["branches"][0]["clip"].update(size=10**6, short_side=10**6)


def features(document: Any) -> None:
    document["branches"][0]["feature_dim"] = 10**12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (infinite, "1e999 is larger than a float can hold"),
        (huge, "temperature|too large"),
        (tiny, "expected a temperature in"),
        (labels, "exercise: expected at most 10000, got 20000"),
        (million, "expected at most 4194304 bytes"),
        (frames, "clip: expected at most"),
        (side, "clip: expected at most"),
        (features, "expected arrays of at most"),
    ],
)
def test_load_impossible_numbers_are_refused(copy: Path, change: Callable[[Any], None], message: str) -> None:
    edit(copy, change)
    with pytest.raises(fitsense.BundleError, match=message):
        Bundle.load(copy)


@pytest.mark.parametrize("kind", ["link", "inner link", "device", "fifo", "folder"])
def test_load_manifest_that_is_no_file_is_refused(copy: Path, kind: str) -> None:
    file = copy / "model.json"
    moved = file.rename(copy / "other.json" if kind == "inner link" else copy.parent / "outside.json")
    if kind in ("link", "inner link"):
        file.symlink_to(moved)
    elif kind == "device":
        file.symlink_to("/dev/zero")
    elif kind == "fifo":
        os.mkfifo(file)
    else:
        file.mkdir()
    with pytest.raises(fitsense.BundleError, match=r"model\.json: expected a file, got a link, a folder or a device"):
        Bundle.load(copy)


def test_load_device_is_refused() -> None:
    with pytest.raises(fitsense.BundleError, match="not a model bundle"):
        Bundle.load("/dev/zero")


def test_load_too_many_files_are_refused(copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    archive = tmp_path / "many.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for number in range(bundle._MAX_FILES + 1):
            zipped.writestr(f"{number}", b"")
    with pytest.raises(fitsense.BundleError, match="expected at most 1000 files and folders, got 1001"):
        Bundle.load(archive)
    monkeypatch.setattr(bundle, "_MAX_FILES", 3)
    with pytest.raises(fitsense.BundleError, match="expected at most 3 files and folders"):
        Bundle.load(copy)


def test_load_zip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("model.json", bytes(1 << 20))
    monkeypatch.setattr(bundle, "_ANY_RATIO_BYTES", 1 << 16)
    with pytest.raises(fitsense.BundleError, match="unpacks to 1048576 bytes"):
        Bundle.load(archive)


def test_load_file_of_another_size_is_refused_before_reading(copy: Path) -> None:
    with (copy / "README.md").open("ab") as file:
        file.truncate(1 << 40)
    with pytest.raises(fitsense.BundleError, match=r"README\.md was altered: expected \d+ bytes, got 1099511627776"):
        Bundle.load(copy)


METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def damaged(method: int) -> list[bytes]:
    """A zip, with one byte changed at each of many places."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("model.json", b'{"format": 1}' * 20)
        archive.writestr("pack/w.bin", os.urandom(64))
    whole = stream.getvalue()
    return [whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :] for at in range(0, len(whole), 5)]


@pytest.mark.parametrize("method", METHODS)
def test_load_damaged_zip_raises_the_typed_error(tmp_path: Path, method: int) -> None:
    file = tmp_path / "x.zip"
    for contents in damaged(method):
        file.write_bytes(contents)
        with pytest.raises(fitsense.BundleError):
            Bundle.load(file)


@pytest.mark.parametrize("method", METHODS)
def test_resolve_damaged_zip_raises_the_typed_error(tmp_path: Path, method: int) -> None:
    ref = WeightsRef("pypi:pack==1#pack/w.bin", "0" * 64)
    file = tmp_path / "x.whl"
    for contents in damaged(method):
        file.write_bytes(contents)
        with contextlib.suppress(fitsense.WeightsError):
            assert import_file(ref, file, tmp_path / "cache") is None


def test_resolve_oversized_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x.whl"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pack/w.bin", bytes(1 << 20))
    monkeypatch.setattr(wheels, "MAX_BYTES", 1 << 16)
    with pytest.raises(fitsense.WeightsError, match="expected at most 65536 bytes, got 1048576"):
        import_file(WeightsRef("pypi:pack==1#pack/w.bin"), file, tmp_path / "cache")


class Handler(http.server.BaseHTTPRequestHandler):
    """``/to/URL`` redirects there; ``/endless`` never ends; all else is a small file."""

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/odd":
            self.send_response(200)
            self.send_header("content-length", "many")
            self.end_headers()
        else:
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(bytes(1 << 16))
                    if self.path != "/endless":
                        break
            except OSError:
                pass

    def log_message(self, format: str, *arguments: Any) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A web server whose ``https`` addresses are reached in plain: a certificate is not what is tested."""

    class Plain(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> Any:
            return self.do_open(http.client.HTTPConnection, req)

    build = urllib.request.build_opener
    monkeypatch.setattr(urllib.request, "build_opener", lambda *handlers: build(Plain, *handlers))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
        thread.start()
        yield f"127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


def test_resolve_redirect_from_https_to_http_is_refused(server: str, tmp_path: Path) -> None:
    for where in (f"http://{server}/w", "ftp://127.0.0.1/w", f"https://{server}/to/http://{server}/w"):
        with pytest.raises(fitsense.WeightsError, match="expected a redirect to https://, got one to"):
            resolve(WeightsRef(f"https://{server}/to/{where}"), cache=tmp_path)
    assert resolve(WeightsRef(f"https://{server}/to/https://{server}/w"), cache=tmp_path).stat().st_size == 1 << 16
    with pytest.raises(fitsense.WeightsError, match="expected an https:// address"):
        weights.download(f"http://{server}/w", tmp_path)


def test_resolve_endless_download_is_refused(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "MAX_BYTES", 3 << 20)
    with pytest.raises(fitsense.WeightsError, match="expected at most 3145728 bytes, got more"):
        resolve(WeightsRef(f"https://{server}/endless"), cache=tmp_path)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("uri", ["https://[", "https://127.0.0.1:99999/w", "https://\x00/w", "https://é é/w"])
def test_resolve_invalid_address_raises_the_typed_error(uri: str, tmp_path: Path) -> None:
    with pytest.raises(fitsense.WeightsError):
        resolve(WeightsRef(uri), cache=tmp_path)


def test_resolve_invalid_content_length_raises_the_typed_error(server: str, tmp_path: Path) -> None:
    with pytest.raises(fitsense.WeightsError, match="cannot be downloaded"):
        resolve(WeightsRef(f"https://{server}/odd"), cache=tmp_path)
