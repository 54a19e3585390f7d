"""Model bundles: ``model.json`` and the files that it names, in a folder or one zip.

A bundle executes no code when it is loaded: graphs are ONNX, weights are safetensors, the rest is JSON. Its
``model.json`` obeys the schema ``model``; it states the sha256 of every other file, which loading checks.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import shutil
import stat
import tempfile
import weakref
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

import attrs
import cattrs

from fitsense._internal.hashing import sha256
from fitsense.bundles.manifest import MANIFEST, BranchEntry, FileEntry, Labels, Manifest
from fitsense.errors import BundleError, SchemaError
from fitsense.events.schema import validate
from fitsense.plugins.tasks import RESERVED

DEFAULT = os.environ.get("FITSENSE_BUNDLE") or "gym"
"""The default bundle: that of the environment variable ``FITSENSE_BUNDLE``, a name, folder or zip, or else ``gym``."""

# Limits far above any bundle: an archive beyond them is meant to exhaust disk, memory or time.
_MAX_UNZIPPED_BYTES = 4 << 30
_MAX_FILES = 1000
_MAX_LABELS = 10_000
_MAX_MANIFEST_BYTES = 4 << 20
# Weights hardly compress; files smaller than the second number may have any ratio.
_MAX_RATIO, _ANY_RATIO_BYTES = 20, 256 << 20
_TEMPERATURES = (1e-3, 1e3)
_LABEL = re.compile(r"[a-z][a-z0-9_]*")
_MAX_FRAMES, _MAX_SIDE, _MAX_SPAN_S, _MAX_NUMBERS = 4096, 4096, 600.0, 1 << 28


@attrs.frozen
class Bundle:
    """A verified bundle on disk.

    :param folder: folder of the files; for a zip, a temporary folder that lives as long as this object.
    :param manifest: content of ``model.json``.
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def load(cls, path: str | Path) -> Bundle:
        """Read and verify a bundle: a folder, a zip file, or the name of an included bundle.

        :raises BundleError: the bundle or a part is missing, altered, malformed or unsafe; the message says what.
        """
        place = _find(path)
        if not place.is_file():
            return cls._read(place, str(path))
        unpacked = Path(tempfile.mkdtemp(prefix="fitsense-bundle-"))
        try:
            _unzip(place, unpacked)
            bundle = cls._read(unpacked, str(path))
        except BaseException:
            shutil.rmtree(unpacked, ignore_errors=True)
            raise
        weakref.finalize(bundle, shutil.rmtree, unpacked, ignore_errors=True)
        return bundle

    @classmethod
    def _read(cls, place: Path, origin: str) -> Bundle:
        document = _manifest(place / MANIFEST, origin)
        try:
            validate(document, "model")
            manifest = _converter.structure(document, Manifest)
        except SchemaError as error:
            raise BundleError(f"{origin}: {MANIFEST}: {error}") from error
        except Exception as error:
            problems = "; ".join(cattrs.transform_error(error))
            raise BundleError(f"{origin}: {MANIFEST}: {problems}") from error
        _check(manifest, origin)
        _verify(place, manifest, origin)
        return cls(place, manifest)

    def path(self, name: str) -> Path:
        """Path of a file by its name in ``model.json``."""
        return self.folder / name


def save(folder: Path, manifest: Manifest) -> Bundle:
    """Write ``model.json`` beside the files that are already in `folder`, add their digests, and load the bundle.

    :raises BundleError: the result would not load.
    """
    files = []
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and name != MANIFEST:
            files.append(FileEntry(name, sha256(file), file.stat().st_size))
    manifest = attrs.evolve(manifest, files=tuple(files))
    text = json.dumps(_converter.unstructure(manifest), indent=2, ensure_ascii=False) + "\n"
    temporary = folder / f".{MANIFEST}"
    temporary.write_text(text, "utf-8")
    temporary.replace(folder / MANIFEST)
    return Bundle.load(folder)


def shipped() -> list[str]:
    """Names of the included bundles."""
    root = resources.files("fitsense.bundles")
    return sorted(entry.name for entry in root.iterdir() if entry.joinpath(MANIFEST).is_file())


_converter = cattrs.Converter()
_converter.register_structure_hook(Labels, lambda document, _: Labels.of_dict(document))
_converter.register_unstructure_hook(Labels, Labels.to_dict)


def _find(path: str | Path) -> Path:
    place = Path(path)
    # Unlike Path.exists, os.path.exists returns False for a name that is too long.
    if os.path.exists(place):  # noqa: PTH110
        return place
    if str(path) in shipped():
        return Path(str(resources.files("fitsense.bundles").joinpath(str(path))))
    raise BundleError(
        f"no bundle {str(path)!r}: it is neither a folder, nor a zip, nor one of those that come with fitsense "
        f"({', '.join(shipped()) or 'none'})"
    )


def _manifest(file: Path, origin: str) -> Any:
    """Parse ``model.json``; all numbers must be finite."""
    try:
        about = file.lstat()
        if not stat.S_ISREG(about.st_mode):
            raise BundleError(f"{origin}: {MANIFEST}: expected a file, got a link, a folder or a device")
        if about.st_size > _MAX_MANIFEST_BYTES:
            raise BundleError(
                f"{origin}: {MANIFEST}: expected at most {_MAX_MANIFEST_BYTES} bytes, got {about.st_size}"
            )
        document = json.loads(file.read_text("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(f"{origin}: not a model bundle: it has no {MANIFEST}") from None
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{origin}: {MANIFEST} is not JSON: {error}") from error
    except OSError as error:
        raise BundleError(f"{origin}: {MANIFEST} cannot be read: {error}") from error
    # Before the schema validates each entry.
    labels = document.get("labels") if isinstance(document, dict) else None
    for task, names in labels.items() if isinstance(labels, dict) else ():
        if isinstance(names, list) and len(names) > _MAX_LABELS:
            raise BundleError(f"{origin}: labels: {task}: expected at most {_MAX_LABELS}, got {len(names)}")
    return document


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is larger than a float can hold")
    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON's")


def _check(manifest: Manifest, origin: str) -> None:
    """Check constraints that the schema cannot express; raises :class:`BundleError`."""
    names = [branch.name for branch in manifest.branches] + [derived.name for derived in manifest.derived]
    if len(set(names)) != len(names):
        raise BundleError(f"{origin}: branches and derived scores need names of their own, got {names}")
    calibration = manifest.calibration
    if calibration.exit > calibration.enter:
        raise BundleError(
            f"{origin}: calibration: expected exit to be at most enter ({calibration.enter}), got {calibration.exit}"
        )
    if not _TEMPERATURES[0] <= calibration.temperature <= _TEMPERATURES[1]:
        raise BundleError(
            f"{origin}: calibration: expected a temperature in {_TEMPERATURES[0]:g}..{_TEMPERATURES[1]:g}, "
            f"got {calibration.temperature!r}"
        )
    for branch in manifest.branches:
        _check_sizes(branch, f"{origin}: branch {branch.name}")
    for branch in manifest.branches:
        # The suffix of a file selects its reader; check it, so that no other reader gets the file.
        for name, suffix in branch.files.items():
            if not name.endswith(suffix):
                raise BundleError(f"{origin}: branch {branch.name}: expected a {suffix} file, got {name}")
    answered = {head.task for branch in manifest.branches for head in branch.heads}
    answered |= {derived.task for derived in manifest.derived}
    for task in sorted(answered - RESERVED.keys()):
        labels = manifest.labels.further.get(task, ())
        valid = all(isinstance(label, str) and _LABEL.fullmatch(label) for label in (task, *labels))
        if not labels or not valid or len(set(labels)) != len(labels):
            raise BundleError(
                f"{origin}: labels: {task}: expected different names of lower-case letters, digits and _, got "
                f"{', '.join(map(str, labels)) or 'none'}"
            )
    for task in sorted(answered):
        if task not in manifest.fusion:
            raise BundleError(f"{origin}: no fusion is named for {task}")


def _check_sizes(branch: BranchEntry, origin: str) -> None:
    """Refuse arrays of unrealistic size before memory is allocated."""
    clip = branch.clip
    if clip.frames > _MAX_FRAMES or max(clip.size, clip.short_side) > _MAX_SIDE or clip.span_s > _MAX_SPAN_S:
        raise BundleError(
            f"{origin}: clip: expected at most {_MAX_FRAMES} frames of {_MAX_SIDE} pixels a side "
            f"in {_MAX_SPAN_S:g} s, got {clip}"
        )
    shapes: list[tuple[int, ...]] = [(branch.feature_dim,), clip.shape]
    shapes += [branch.observation.shape] if branch.observation else []
    shapes += branch.stream.state.values() if branch.stream else []
    for shape in shapes:
        if math.prod(shape) > _MAX_NUMBERS:
            raise BundleError(f"{origin}: expected arrays of at most {_MAX_NUMBERS} numbers, got shape {tuple(shape)}")


def _verify(folder: Path, manifest: Manifest, origin: str) -> None:
    root = folder.resolve()
    stated = {entry.path for entry in manifest.files}
    for branch in manifest.branches:
        for name in branch.files:
            if name not in stated:
                raise BundleError(f"{origin}: branch {branch.name} names {name}, whose sha256 is not stated")
    if manifest.teaching and manifest.teaching.file not in stated:
        raise BundleError(f"{origin}: teaching names {manifest.teaching.file}, whose sha256 is not stated")
    there = list(itertools.islice(folder.rglob("*"), _MAX_FILES + 1))
    if max(len(there), len(manifest.files)) > _MAX_FILES:
        raise BundleError(f"{origin}: expected at most {_MAX_FILES} files and folders, got more")
    for file in sorted(there):
        name = file.relative_to(folder).as_posix()
        if not file.is_dir() and name not in stated and name != MANIFEST:
            raise BundleError(f"{origin}: {name} is not listed in {MANIFEST}, so that it cannot be verified; remove it")
    for entry in manifest.files:
        file = folder / entry.path
        if not file.resolve().is_relative_to(root):
            raise BundleError(f"{origin}: {entry.path} leads out of the bundle")
        if not file.is_file():
            raise BundleError(f"{origin}: {entry.path} is missing")
        if (size := file.stat().st_size) != entry.bytes:
            raise BundleError(f"{origin}: {entry.path} was altered: expected {entry.bytes} bytes, got {size}")
        actual = sha256(file)
        if actual != entry.sha256:
            raise BundleError(f"{origin}: {entry.path} was altered: expected sha256 {entry.sha256}, got {actual}")


def _unzip(archive: Path, into: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as file:
            entries = file.infolist()
            total = sum(entry.file_size for entry in entries)
            if total > _MAX_UNZIPPED_BYTES or total > max(_ANY_RATIO_BYTES, _MAX_RATIO * archive.stat().st_size):
                raise BundleError(f"{archive}: unpacks to {total} bytes, more than any bundle needs")
            if len(entries) > _MAX_FILES:
                raise BundleError(f"{archive}: expected at most {_MAX_FILES} files and folders, got {len(entries)}")
            root = into.resolve()
            for entry in entries:
                if not (into / entry.filename).resolve().is_relative_to(root):
                    raise BundleError(f"{archive}: {entry.filename} leads out of the bundle")
            file.extractall(into)
    except zipfile.BadZipFile as error:
        raise BundleError(f"{archive}: neither a folder nor a zip: {error}") from error
    except BundleError:
        raise
    except Exception as error:
        # Each compression method raises different errors, and so do invalid names.
        raise BundleError(f"{archive}: cannot be unpacked: {error}") from error
