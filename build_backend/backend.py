"""Build backend: setuptools, with editable installs that type checkers can read.

The packages lie in several folders, for which setuptools installs an import hook. mypy and pyright run no hooks; they
look for packages in the folders of ``sys.path``. An editable install therefore gets one such folder as well,
``.editable``, which holds a link to each package. Where the system allows no links, the hook alone remains.
"""

from __future__ import annotations

import base64
import hashlib
import locale
import shutil
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    build_sdist,
    build_wheel,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

_ROOT = Path(__file__).resolve().parents[1]
_LINKS = _ROOT / ".editable"


def build_editable(
    wheel_directory: str, config_settings: Mapping[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build setuptools' editable wheel, and add the folder of links to what it puts on ``sys.path``."""
    name: str = build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
    try:
        _link_packages()
    except OSError:
        return name
    _add_file(Path(wheel_directory, name), "__editable__.fitsense.pth", f"{_LINKS}\n".encode(locale.getencoding()))
    return name


def _link_packages() -> None:
    """Make the folder of links anew: one for each top-level package that pyproject.toml names."""
    settings = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    shutil.rmtree(_LINKS, ignore_errors=True)
    _LINKS.mkdir()
    for package in settings["packages"]:
        if "." not in package:
            folder = _ROOT / settings["package-dir"].get(package, package)
            (_LINKS / package).symlink_to(folder, target_is_directory=True)


def _add_file(wheel: Path, name: str, content: bytes) -> None:
    """Add a file to a wheel and to the wheel's list of files."""
    with zipfile.ZipFile(wheel) as archive:
        members = [(member, archive.read(member)) for member in archive.infolist()]
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(name, content)
        for member, data in members:
            if member.filename.endswith(".dist-info/RECORD"):
                data += f"{name},sha256={digest},{len(content)}\n".encode()
            archive.writestr(member, data)
