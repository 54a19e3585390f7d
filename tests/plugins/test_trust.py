"""Files of strangers are data: whatever is in them, nothing of it is executed and nothing outside is touched."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fitsense
from fitsense._internal.hashing import sha256
from fitsense.bundles.bundle import DEFAULT, Bundle
from fitsense.bundles.manifest import MANIFEST
from fitsense.inference.config import RuntimeName


class Malicious:
    """Unpickling it creates a file `executed` in the working directory."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (Path("executed"),)


def pickled() -> bytes:
    return pickle.dumps(Malicious())


def checkpoint() -> bytes:
    stream = io.BytesIO()
    torch.save({"model_state": Malicious()}, stream)
    return stream.getvalue()


def array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Malicious()], dtype=object), allow_pickle=True)
    return stream.getvalue()


PAYLOADS = {"pickle": pickled, "checkpoint": checkpoint, "array of objects": array}


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the shipped bundle that a test may spoil."""
    return Path(shutil.copytree(Bundle.load(DEFAULT).folder, tmp_path / "bundle"))


def restate(folder: Path, **changes: Any) -> dict[str, Any]:
    """Set the digests in ``model.json`` to those of the current files, as a forger would."""
    file = folder / MANIFEST
    document: dict[str, Any] = {**json.loads(file.read_text("utf-8")), **changes}
    document["files"] = [
        {"path": path.relative_to(folder).as_posix(), "sha256": sha256(path), "bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != file
    ]
    file.write_text(json.dumps(document), "utf-8")
    return document


def forged(snapshot: bytes, **members: bytes) -> bytes:
    """A zip of the members of `snapshot`, some replaced."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(snapshot)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            new.writestr(name, members.get(name.replace(".", "_"), old.read(name)))
    return stream.getvalue()


def claiming(archive: bytes, size: int) -> bytes:
    """The zip, but its directory says that each member unpacks to `size` bytes."""
    changed, at = bytearray(archive), archive.find(b"PK\x01\x02")
    while at >= 0:
        changed[at + 24 : at + 28] = struct.pack("<I", size)
        at = archive.find(b"PK\x01\x02", at + 4)
    return bytes(changed)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_execute_when_unpickled(payload: str, workplace: Path) -> None:
    """Else the tests below would prove nothing."""
    content = io.BytesIO(PAYLOADS[payload]())
    if payload == "pickle":
        pickle.load(content)
    elif payload == "checkpoint":
        torch.load(content, weights_only=False)
    else:
        np.load(content, allow_pickle=True)
    assert (workplace / "executed").exists()


@pytest.mark.parametrize(
    ("payload", "runtime"),
    [
        pytest.param(payload, runtime, marks=[pytest.mark.slow] if slow else [])
        for runtime in ("openvino", "torch")
        for payload in PAYLOADS
        # OpenVINO compiles the other networks each time.
        for slow in [runtime == "openvino" and payload != "pickle"]
    ],
)
def test_load_bundle_executes_no_file(payload: str, runtime: RuntimeName, bundle: Path, workplace: Path) -> None:
    content = PAYLOADS[payload]()
    read = 0
    for file in sorted(file for file in bundle.rglob("*") if file.is_file()):
        original, manifest = file.read_bytes(), (bundle / MANIFEST).read_bytes()
        file.write_bytes(content)
        if file.name != MANIFEST:
            restate(bundle)
        wanted = {MANIFEST: True, ".onnx": runtime == "openvino", ".safetensors": True}
        if wanted.get(file.name, wanted.get(file.suffix, False)):
            read += 1
            with pytest.raises((fitsense.BundleError, fitsense.WeightsError)):
                fitsense.load_model(bundle, runtime=runtime)
        else:
            # Ignored.
            Bundle.load(bundle)
        file.write_bytes(original)
        (bundle / MANIFEST).write_bytes(manifest)
    branches = len(Bundle.load(bundle).manifest.branches)
    assert read == 1 + branches * (2 if runtime == "openvino" else 1)
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize(("part", "name"), [("weights", "w.pth"), ("weights", "w.pkl"), ("graph", "g.xml")])
def test_load_bundle_other_format_is_refused(part: str, name: str, bundle: Path, workplace: Path) -> None:
    """The suffix chooses the reader."""
    (bundle / name).write_bytes(checkpoint())
    branches = json.loads((bundle / MANIFEST).read_text("utf-8"))["branches"]
    branches[0][part] = name
    restate(bundle, branches=branches)
    with pytest.raises(fitsense.BundleError, match=rf"expected a \.\w+ file, got {name}"):
        Bundle.load(bundle)
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize("inside", [True, False])
def test_load_graph_with_outside_weights_is_refused(inside: bool, bundle: Path, tmp_path: Path) -> None:
    import onnx

    manifest = Bundle.load(bundle).manifest
    graph, weights = (bundle / name for name in (manifest.branches[0].graph, manifest.branches[0].weights))
    shutil.copy(weights, tmp_path / weights.name)
    model = onnx.load(str(graph), load_external_data=False)
    for initializer in model.graph.initializer:
        for entry in initializer.external_data:
            if entry.key == "location" and not inside:
                entry.value = f"../{weights.name}"
    graph.write_bytes(model.SerializeToString())
    restate(bundle)
    if inside:
        assert fitsense.load_model(bundle).labels == manifest.labels
    else:
        with pytest.raises(fitsense.BundleError, match="is not a graph that runs"):
            fitsense.load_model(bundle)


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "{outside}/evil"])
def test_load_zip_outside_path_is_refused(name: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(name.format(outside=outside), "x")
    with pytest.raises(fitsense.BundleError, match="leads out of the bundle"):
        Bundle.load(archive)
    assert list(tmp_path.rglob("evil")) == []


def test_load_zip_link_is_not_followed(bundle: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (bundle / "README.md").write_text(str(outside))
    restate(bundle)
    link = zipfile.ZipInfo("README.md")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = tmp_path / "links.zip"
    for through in (False, True):
        with zipfile.ZipFile(archive, "w") as file:
            for path in sorted(bundle.iterdir()):
                file.writestr(link if path.name == "README.md" else path.name, path.read_bytes())
            if through:
                file.writestr("README.md/evil", "x")
        if through:
            with pytest.raises(fitsense.BundleError, match="cannot be unpacked"):
                Bundle.load(archive)
        else:
            loaded = Bundle.load(archive)
            page = loaded.path("README.md")
            assert (page.is_symlink(), page.read_text("utf-8")) == (False, str(outside))
    assert list(outside.iterdir()) == []


def test_load_zip_bomb_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model.json", "{}")
        file.writestr("bomb", bytes(1 << 20))
    archive = tmp_path / "bomb.zip"
    archive.write_bytes(claiming(stream.getvalue(), 0xFFFFFF00))
    with pytest.raises(fitsense.BundleError, match="more than any bundle needs"):
        Bundle.load(archive)
    # Who claims less than there is gets no more than that.
    archive.write_bytes(claiming(stream.getvalue(), 2))
    with pytest.raises(fitsense.BundleError, match="CRC"):
        Bundle.load(archive)


@pytest.fixture(scope="module")
def snapshot(model: fitsense.Model) -> bytes:
    session = fitsense.Session(model)
    for index in range(12):
        session.push(np.full((64, 64, 3), index, np.uint8), index / 10)
    return session.snapshot()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_resume_snapshot_executes_nothing(
    payload: str, snapshot: bytes, model: fitsense.Model, workplace: Path
) -> None:
    content = PAYLOADS[payload]()
    assert fitsense.Session.resume(model, forged(snapshot)).snapshot() == snapshot
    with zipfile.ZipFile(io.BytesIO(snapshot)) as archive:
        members = archive.namelist()
    assert {"state.json", "0.npy"} <= set(members)
    for broken in (content, *(forged(snapshot, **{name.replace(".", "_"): content}) for name in members)):
        with pytest.raises(fitsense.InvalidInputError, match="snapshot"):
            fitsense.Session.resume(model, broken)
    assert list(workplace.iterdir()) == []


def test_resume_snapshot_bomb_is_refused(snapshot: bytes, model: fitsense.Model) -> None:
    with pytest.raises(fitsense.InvalidInputError, match="more than any session keeps"):
        fitsense.Session.resume(model, claiming(snapshot, 0xFFFFFF00))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 60,)})
    with pytest.raises(fitsense.InvalidInputError, match="snapshot"):
        fitsense.Session.resume(model, forged(snapshot, **{"0_npy": header.getvalue()}))
