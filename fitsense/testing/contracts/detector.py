"""Laws of a detector of people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitsense.geometry import Detection
from fitsense.plugins.specs import DetectorSpec
from fitsense.testing.contracts.offer import PictureContract, in_threads
from fitsense.types import UInt8Array

Find = Callable[[UInt8Array], Sequence[Detection]]


class DetectorContract(PictureContract):
    """Laws of a detector; `plugin` and `name` are required."""

    kind = "detector"

    @pytest.fixture
    def find(self, spec: DetectorSpec, config: Any, files: Mapping[str, Path]) -> Find:
        detect = spec.load(config, files, 1)
        # A copy, so that a detector that writes into it breaks only that law.
        return lambda picture: detect(picture.copy())

    def test_detect_gives_detections(self, find: Find, pictures: Sequence[UInt8Array]) -> None:
        for picture in pictures:
            for one in find(picture):
                assert isinstance(one, Detection), f"expected Detection, got {type(one).__name__}"

    def test_calls_keep_no_state(self, find: Find, pictures: Sequence[UInt8Array]) -> None:
        first = [list(find(picture)) for picture in pictures]
        again = [list(find(picture)) for picture in reversed(pictures)][::-1]
        assert first == again, f"the same pictures, in another order, gave {again} instead of {first}"

    def test_pictures_are_not_modified(
        self, spec: DetectorSpec, config: Any, files: Mapping[str, Path], pictures: Sequence[UInt8Array]
    ) -> None:
        for picture in pictures:
            given = picture.copy()
            spec.load(config, files, 1)(given)
            assert np.array_equal(given, picture), "it wrote into the picture"

    def test_pictures_of_any_size_are_accepted(self, find: Find) -> None:
        for shape in ((1, 1, 3), (31, 17, 3), (20, 300, 3)):
            assert all(isinstance(one, Detection) for one in find(np.zeros(shape, np.uint8)))

    def test_calls_in_several_threads_agree(self, find: Find, pictures: Sequence[UInt8Array]) -> None:
        many = [pictures[at % len(pictures)] for at in range(8)]
        for got, picture in zip(in_threads(find, many), many, strict=True):
            assert list(got) == list(find(picture)), "a picture gave other detections in another thread"
