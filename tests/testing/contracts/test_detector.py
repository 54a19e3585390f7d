"""Mutants show that each law of detectors can fail alone."""

from __future__ import annotations

import threading
import time
from typing import Any

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.testing.contracts import DetectorContract
from tests.testing.contracts.broken import broken_laws, laws, plugin_of


@attrs.frozen
class Config:
    """Configuration without fields."""


def good(picture: Any) -> list[fitsense.Detection]:
    return [fitsense.Detection(fitsense.Region(0, 0, 1, 1), float(picture[..., 0].mean()) / 255)]


class Remembering:
    """Finds a person twice in a picture that repeats within a thread."""

    def __init__(self) -> None:
        self.last = threading.local()

    def __call__(self, picture: Any) -> list[fitsense.Detection]:
        again = getattr(self.last, "picture", b"") == picture.tobytes()
        self.last.picture = picture.tobytes() if threading.current_thread() is threading.main_thread() else b""
        return good(picture) * (2 if again else 1)


class Sharing:
    def __call__(self, picture: Any) -> list[fitsense.Detection]:
        self.picture = picture
        time.sleep(0.02)
        return good(self.picture)


def clearing(picture: Any) -> list[fitsense.Detection]:
    found = good(picture)
    picture[:] = 0
    return found


def of_large_pictures(picture: Any) -> list[fitsense.Detection]:
    if min(picture.shape[:2]) < 32:
        raise ValueError("too small")
    return good(picture)


MUTANTS: dict[str, Any] = {
    "test_detect_gives_detections": lambda picture: [] if picture.max() == 0 else [(0, 0, 1, 1)],
    "test_calls_keep_no_state": Remembering(),
    "test_pictures_are_not_modified": clearing,
    "test_pictures_of_any_size_are_accepted": of_large_pictures,
    "test_calls_in_several_threads_agree": Sharing(),
}


def broken(find: Any) -> set[str]:
    def load(config: Any, files: Any, threads: Any) -> Any:
        return type(find)() if isinstance(find, Remembering | Sharing) else find

    spec = fitsense.plugins.DetectorSpec("all", Config, load)
    random = np.random.default_rng(0)
    pictures = [random.integers(0, brightest, (40, 50, 3), dtype=np.uint8) for brightest in (60, 160, 255)]
    return broken_laws(DetectorContract, plugin=plugin_of(detectors=[spec]), name="all", pictures=pictures)


@pytest.mark.parametrize("law", MUTANTS)
def test_detector_mutant_breaks_one_law(law: str) -> None:
    assert broken(MUTANTS[law]) == {law}


def test_detector_valid_breaks_no_law() -> None:
    assert broken(good) == set()


def test_detector_laws_all_have_a_mutant() -> None:
    assert laws(DetectorContract) == set(MUTANTS)
