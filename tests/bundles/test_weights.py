"""Weights: found, verified, and fitted strictly."""

from __future__ import annotations

import hashlib
import http.server
import pickle
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import fitsense
from fitsense._internal.hashing import sha256
from fitsense.bundles.weights import download, import_file, load_backbone, load_state, read_state, resolve
from fitsense.bundles.wheels import Wheels
from fitsense.nn.branch import build_backbone
from fitsense.plugins.specs import WeightsRef
from tests.bundles.test_wheels import index, make_wheel

# From servers and folders of this machine.
pytestmark = pytest.mark.usefixtures("online")

__all__ = ["index"]


def test_resolve_local_file_is_verified(tmp_path: Path) -> None:
    file = tmp_path / "w.bin"
    file.write_bytes(b"weights")
    assert resolve(WeightsRef(str(file), sha256(file))) == file
    with pytest.raises(fitsense.WeightsError, match=f"expected sha256 {'0' * 64}, got"):
        resolve(WeightsRef(str(file), "0" * 64))
    with pytest.raises(fitsense.WeightsError, match="no such file"):
        resolve(WeightsRef(str(tmp_path / "other")))


@pytest.mark.parametrize("wrapper", [None, "model_state", "state_dict"])
def test_read_state_of_any_wrapper_gives_the_tensors(tmp_path: Path, wrapper: str | None) -> None:
    state = {"a.weight": torch.ones(2, 3)}
    torch.save({wrapper: state} if wrapper else state, tmp_path / "w.pyth")
    assert torch.equal(read_state(tmp_path / "w.pyth")["a.weight"], state["a.weight"])
    save_file(state, tmp_path / "w.safetensors")
    assert torch.equal(read_state(tmp_path / "w.safetensors")["a.weight"], state["a.weight"])


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("executed"),))  # type: ignore[return-value]


def test_read_state_with_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model_state": Malicious()}, "evil.pyth")
    Path("evil.pkl").write_bytes(pickle.dumps(Malicious()))
    for name in ("evil.pyth", "evil.pkl"):
        with pytest.raises(fitsense.WeightsError, match="would run code"):
            read_state(Path(name))
    assert not Path("executed").exists()


def test_load_state_other_names_or_shapes_are_refused() -> None:
    module = torch.nn.Linear(3, 2)
    with pytest.raises(fitsense.WeightsError) as caught:
        load_state(module, {"weight": torch.zeros(3, 3), "bios": torch.zeros(2)}, "file.pyth")
    message = str(caught.value)
    assert "weights file.pyth do not fit" in message
    assert "1 missing (such as bias)" in message
    assert "1 not in the network (such as bios)" in message
    assert "weight: expected shape (2, 3), got (3, 3)" in message
    load_state(module, {"weight": torch.ones(2, 3), "bias": torch.ones(2)}, "file.pyth")
    assert module.weight.sum() == 6


@pytest.mark.parametrize("name", ["x3d/xs", "slowfast/small", "slowfast/r50"])
def test_load_backbone_reads_published_checkpoints(tmp_path: Path, name: str) -> None:
    """The public checkpoints hold the network's own names, and a projection to 400 classes."""
    spec = fitsense.PluginManager.discover().backbone(name)
    module = build_backbone(spec, spec.config())
    prefix = next(iter(spec.adapt_weights({"blocks.0.x": torch.zeros(1)}))).removesuffix("blocks.0.x")
    projection = "blocks.5.proj" if name.startswith("x3d") else "blocks.6.proj"
    state = {key.removeprefix(prefix): torch.randn_like(value.float()) for key, value in module.state_dict().items()}
    state |= {f"{projection}.weight": torch.zeros(400, 8), f"{projection}.bias": torch.zeros(400)}
    torch.save({"model_state": state}, tmp_path / "ZOO.pyth")
    load_backbone(spec, module, tmp_path / "ZOO.pyth")
    for key, value in module.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(value, state[key.removeprefix(prefix)])
    state.popitem()
    del state[next(iter(state))]
    torch.save({"model_state": state}, tmp_path / "OTHER.pyth")
    with pytest.raises(fitsense.WeightsError, match="1 missing"):
        load_backbone(spec, module, tmp_path / "OTHER.pyth")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A web server on this machine that serves one file, and breaks off another."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "w.pyth").write_bytes(b"x" * 100_000)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path / "www"))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            if self.path == "/half.pyth":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"x" * 40)
            else:
                super().do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()


def test_resolve_address_is_downloaded_once_and_completely(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The loopback server has no certificate.
    monkeypatch.setattr("fitsense.bundles.weights._ADDRESS", re.compile("http://"))
    cache, seen = tmp_path / "cache", []
    ref = WeightsRef(f"{server}/w.pyth")
    path = resolve(ref, cache=cache, progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == b"x" * 100_000
    assert seen[-1] == (100_000, 100_000)
    seen.clear()
    assert resolve(ref, cache=cache, progress=lambda done, total: seen.append((done, total))) == path
    assert seen == []
    with pytest.raises(fitsense.WeightsError, match="expected sha256"):
        resolve(WeightsRef(f"{server}/w.pyth?again", "0" * 64), cache=cache)
    with pytest.raises(fitsense.WeightsError, match="ended after 40 of 100 bytes"):
        resolve(WeightsRef(f"{server}/half.pyth"), cache=cache)
    with pytest.raises(fitsense.WeightsError, match="download the file yourself"):
        resolve(WeightsRef(f"{server}/missing.pyth"), cache=cache)
    assert [file for file in cache.rglob("*") if file.is_file()] == [path]


DIGEST = hashlib.sha256(b"weights").hexdigest()


def test_resolve_file_in_a_wheel_is_verified_and_cached(index: Path, tmp_path: Path) -> None:
    wheel = make_wheel(index, {"toy/w.bin": b"weights"})
    cache, ref = tmp_path / "cache", WeightsRef("pypi:toy==1.0#toy/w.bin", DIGEST)
    path = resolve(ref, cache=cache)
    assert (path.name, path.read_bytes()) == ("w.bin", b"weights")
    for uri, sha, message in (
        ("pypi:toy==1.0#toy/w.bin#", None, "has no file toy/w.bin#"),
        ("pypi:toy==1.0#./toy/w.bin", None, "has no file"),
        ("pypi:toy==1.0#toy/../toy/w.bin", None, "has no file"),
        ("pypi:toy==1#toy/w.bin", "0" * 64, f"expected sha256 {'0' * 64}, got {DIGEST} of what was downloaded"),
    ):
        with pytest.raises(fitsense.WeightsError, match=message):
            resolve(WeightsRef(uri, sha), cache=cache)
    wheel.unlink()
    assert resolve(ref, cache=cache) == path
    assert [file for file in cache.rglob("*") if file.is_file()] == [path]


def test_resolve_without_fetch_downloads_nothing(index: Path, tmp_path: Path) -> None:
    make_wheel(index, {"toy/w.bin": b"weights"})
    cache, ref = tmp_path / "cache", WeightsRef("pypi:toy==1.0#toy/w.bin", DIGEST)
    for uri in (ref.uri, "https://localhost:1/w.bin"):
        with pytest.raises(fitsense.WeightsError, match="not fetched yet; run: fitsense models pull toys"):
            resolve(WeightsRef(uri), cache=cache, fetch=False, assets_name="toys")
    assert not cache.exists()
    path = resolve(ref, cache=cache)
    assert resolve(ref, cache=cache, fetch=False) == path
    path.write_bytes(b"altered")
    with pytest.raises(fitsense.WeightsError, match=r"of .*w\.bin; delete that file to get it anew"):
        resolve(ref, cache=cache, fetch=False)


def test_import_file_is_cached_like_a_download(tmp_path: Path) -> None:
    brought, ref = tmp_path / "brought", WeightsRef("pypi:toy==1.0#toy/w.bin", DIGEST)
    wheel = make_wheel(brought, {"elsewhere/w.bin": b"other", "toy/w.bin": b"weights"})
    (tmp_path / "unpacked" / "toy").mkdir(parents=True)
    for name in ("unpacked/toy/w.bin", "renamed"):
        (tmp_path / name).write_bytes(b"weights")
    places = (brought, wheel, tmp_path / "unpacked", tmp_path / "unpacked" / "toy" / "w.bin", tmp_path / "renamed")
    for number, place in enumerate(places):
        cache = tmp_path / f"cache{number}"
        assert import_file(ref, place, cache) == resolve(ref, cache=cache, fetch=False)
    assert import_file(ref, make_wheel(tmp_path, {"a": b"a"}), tmp_path / "none") is None
    (tmp_path / "w.bin").write_bytes(b"wrong")
    with pytest.raises(fitsense.WeightsError, match=f"expected sha256 {DIGEST}"):
        import_file(ref, tmp_path / "w.bin", tmp_path / "none")
    assert not [file for file in (tmp_path / "none").rglob("*") if file.is_file()]


@pytest.mark.parametrize("value", ["1", "true", "YES"])
def test_resolve_offline_refuses_each_download_and_gives_cached_files(
    value: str, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, {"toy/w.bin": b"weights"})
    cache, ref = tmp_path / "cache", WeightsRef("pypi:toy==1.0#toy/w.bin", DIGEST)
    monkeypatch.setenv("FITSENSE_OFFLINE", value)
    for uri in (ref.uri, "https://localhost:1/w.bin"):
        with pytest.raises(fitsense.WeightsError, match="not downloaded, because FITSENSE_OFFLINE is set; run"):
            resolve(WeightsRef(uri), cache=cache)
    with pytest.raises(fitsense.WeightsError, match="FITSENSE_OFFLINE"):
        download("https://localhost:1/w.bin", tmp_path)
    with pytest.raises(fitsense.WeightsError, match="FITSENSE_OFFLINE"), Wheels() as wheels:
        wheels.get("toy==1.0")
    assert not cache.exists()
    monkeypatch.setenv("FITSENSE_OFFLINE", "0")
    path = resolve(ref, cache=cache)
    monkeypatch.setenv("FITSENSE_OFFLINE", value)
    assert resolve(ref, cache=cache) == path


def test_resolve_offline_variable_of_another_value_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITSENSE_OFFLINE", "maybe")
    with pytest.raises(fitsense.InvalidInputError, match="FITSENSE_OFFLINE: expected 1 or 0, got 'maybe'"):
        resolve(WeightsRef("https://localhost:1/w.bin"), cache=tmp_path)
