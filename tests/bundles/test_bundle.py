"""Bundles: verified, refused when altered or unsafe, and never executed."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fitsense
from fitsense.bundles.bundle import DEFAULT, Bundle, save, shipped
from fitsense.events.schema import validate


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the shipped bundle that a test may spoil."""
    return Path(shutil.copytree(Bundle.load(DEFAULT).folder, tmp_path / "bundle"))


def edit(folder: Path, **changes: object) -> None:
    file = folder / "model.json"
    document = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**document, **changes}), "utf-8")


def test_load_default_bundle_is_included_and_obeys_its_schema() -> None:
    assert DEFAULT in shipped()
    bundle = Bundle.load(DEFAULT)
    validate(json.loads(bundle.path("model.json").read_text("utf-8")), "model")
    assert len(bundle.manifest.labels.exercise) >= 27
    assert bundle.path("README.md").is_file()
    assert sum(file.bytes for file in bundle.manifest.files) < 40e6


def test_load_zip_predicts_as_the_folder(copy: Path, tmp_path: Path, model: fitsense.Model) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", copy))
    clips = {name: np.full((1, *spec.shape), 90, np.uint8) for name, spec in model.clips.items()}
    zipped = fitsense.load_model(archive, bf16=False).predict_clips(clips)
    np.testing.assert_array_equal(zipped["exercise"].logits, model.predict_clips(clips)["exercise"].logits)


def test_save_loaded_manifest_is_unchanged(copy: Path) -> None:
    before = Bundle.load(copy)
    after = save(copy, before.manifest)
    assert after.manifest == before.manifest


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors", ".md"])
def test_load_altered_file_is_refused(copy: Path, suffix: str) -> None:
    file = next(copy.glob(f"*{suffix}"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(fitsense.BundleError, match=rf"{file.name} was altered: expected sha256 \w+, got"):
        fitsense.load_model(copy)


def test_load_missing_file_is_refused(copy: Path) -> None:
    next(copy.glob("*.safetensors")).unlink()
    with pytest.raises(fitsense.BundleError, match="safetensors is missing"):
        Bundle.load(copy)


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b", "..", "a//b", "C:\\x", "a\\..\\b"])
def test_load_path_outside_the_bundle_is_refused(copy: Path, path: str) -> None:
    edit(copy, files=[{"path": path, "sha256": "0" * 64, "bytes": 1}])
    with pytest.raises(fitsense.BundleError, match="does not match"):
        Bundle.load(copy)


def test_load_link_outside_the_bundle_is_refused(copy: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("secret")
    (copy / "README.md").unlink()
    (copy / "README.md").symlink_to(outside)
    with pytest.raises(fitsense.BundleError, match=r"README\.md leads out of the bundle"):
        Bundle.load(copy)


def test_load_zip_entry_outside_the_bundle_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../evil.txt", "x")
    with pytest.raises(fitsense.BundleError, match="leads out of the bundle"):
        Bundle.load(archive)
    assert not (tmp_path / "evil.txt").exists()


def test_load_unlisted_file_is_refused(copy: Path) -> None:
    """A graph could read its weights from it, unverified."""
    (copy / "unlisted.bin").write_bytes(b"x")
    with pytest.raises(fitsense.BundleError, match=r"unlisted\.bin is not listed"):
        Bundle.load(copy)


def test_load_invalid_zip_is_refused(copy: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", copy))
    whole = archive.read_bytes()
    # Flag bit 0 of every entry: encrypted.
    encrypted = bytearray(whole)
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = encrypted.find(magic)
        while position >= 0:
            encrypted[position + at] |= 1
            position = encrypted.find(magic, position + 4)
    corrupt = bytearray(whole)
    corrupt[len(corrupt) // 2 : len(corrupt) // 2 + 500] = bytes(500)
    for content in (bytes(encrypted), bytes(corrupt), whole[: len(whole) // 2]):
        archive.write_bytes(content)
        with pytest.raises(fitsense.BundleError):
            Bundle.load(archive)


def test_load_model_without_a_fusion_for_a_task_is_refused(copy: Path) -> None:
    document = json.loads((copy / "model.json").read_text("utf-8"))
    edit(copy, fusion={"muscles": document["fusion"]["muscles"]})
    with pytest.raises(fitsense.BundleError, match="no fusion is named for exercise"):
        fitsense.load_model(copy)


def test_load_model_labels_unlike_the_graph_are_refused(copy: Path) -> None:
    edit(copy, labels={"exercise": ["squat", "no_exercise"], "muscles": ["quads"]})
    with pytest.raises(fitsense.BundleError, match=r"'exercise': \(2,\), 'muscles': \(1,\)}, got"):
        fitsense.load_model(copy)


def test_load_file_without_digest_is_refused(copy: Path) -> None:
    edit(copy, files=[])
    with pytest.raises(fitsense.BundleError, match="whose sha256 is not stated"):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, r"at \$\.format"),
        ({"branches": []}, r"at \$\.branches"),
        ({"calibration": {"temperature": 0, "enter": 0.5, "exit": 0.4}}, "temperature"),
        ({"labels": {"exercise": ["a", "a"], "muscles": ["b"]}}, "non-unique"),
        ({"labels": {"exercise": ["Bad Label!"], "muscles": ["b"]}}, "does not match"),
        ({"calibration": {"temperature": 1, "enter": 0.3, "exit": 0.4}}, "expected exit to be at most enter"),
        ({"calibration": {"temperature": float("nan"), "enter": 0.5, "exit": 0.4}}, "NaN is no number"),
    ],
)
def test_load_malformed_manifest_is_refused_with_the_field(
    copy: Path, changes: dict[str, object], message: str
) -> None:
    edit(copy, **changes)
    with pytest.raises(fitsense.BundleError, match=message):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"not json", "is not JSON"), (b"[]", "is not of type 'object'"), (pickle.dumps({}), "is not JSON")],
)
def test_load_file_that_is_no_manifest_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(fitsense.BundleError, match=message):
        Bundle.load(tmp_path)


def test_load_unknown_name_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(fitsense.BundleError, match=r"neither a folder, nor a zip, nor one of those .*gym"):
        Bundle.load("nope")
    with pytest.raises(fitsense.BundleError, match="neither a folder"):
        Bundle.load("n" * 5000)
    with pytest.raises(fitsense.BundleError, match=r"has no model\.json"):
        Bundle.load(tmp_path)
    text = tmp_path / "text.zip"
    text.write_text("hello")
    with pytest.raises(fitsense.BundleError, match="neither a folder nor a zip"):
        Bundle.load(text)


def test_load_model_unknown_configuration_key_is_refused(copy: Path) -> None:
    document = json.loads((copy / "model.json").read_text("utf-8"))
    document["fusion"]["exercise"]["config"] = {"wieghts": {}}
    edit(copy, fusion=document["fusion"])
    with pytest.raises(fitsense.InvalidInputError, match="wieghts"):
        fitsense.load_model(copy)
