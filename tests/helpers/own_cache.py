"""A cache folder of the test run, in place of the user's."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest


def own_cache() -> Callable[[], None]:
    """Let this process and those that it starts use a new cache folder, and download nothing; give what undoes it.

    The workers share what is compiled. Third-party files that ``fitsense models pull`` has fetched for the user can be
    read, so that the tests that need them run.
    """
    fetched = Path(platformdirs.user_cache_dir("fitsense")) / "weights"
    folder = Path(tempfile.mkdtemp(prefix="fitsense-tests-"))
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(folder))
    patch.setenv("FITSENSE_OFFLINE", "1")
    if platformdirs.user_cache_path().is_relative_to(folder):
        weights = folder / "fitsense" / "weights"
        weights.mkdir(parents=True)
        for file in fetched.glob("*/*"):
            (weights / file.parent.name).mkdir(exist_ok=True)
            (weights / file.parent.name / file.name).symlink_to(file)

    def undo() -> None:
        patch.undo()
        shutil.rmtree(folder, ignore_errors=True)

    return undo
