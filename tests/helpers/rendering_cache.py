"""Rendered figures that are kept: many tests watch the same videos, and drawing them takes long."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator

from fitsense.synthetic.figures import FigureVideo
from fitsense.types import Frame

_MAX_BYTES = 200 << 20

render = FigureVideo.__iter__
"""Renders a video, frame by frame."""


class RenderingCache:
    """Renders each frame of a video once in this process, until there are too many; gives copies."""

    def __init__(self) -> None:
        self._videos: OrderedDict[str, _Rendering] = OrderedDict()
        self._lock = threading.Lock()

    def frames(self, video: FigureVideo) -> Iterator[Frame]:
        """Frames of a video, in place of its `__iter__`."""
        # What makes a picture is in the representation, to the last digit.
        key = repr(video)
        with self._lock:
            rendering = self._videos.setdefault(key, _Rendering(video))
            self._videos.move_to_end(key)
            while len(self._videos) > 1 and sum(one.nbytes for one in self._videos.values()) > _MAX_BYTES:
                self._videos.popitem(last=False)
        return iter(rendering)


class _Rendering:
    """The frames of a video as far as they have been asked for."""

    def __init__(self, video: FigureVideo) -> None:
        self._rest = render(video)
        self._frames: list[Frame] = []
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        return len(self._frames) * self._frames[0].rgb.nbytes if self._frames else 0

    def __iter__(self) -> Iterator[Frame]:
        at = 0
        while (frame := self._frame(at)) is not None:
            yield Frame(frame.rgb.copy(), frame.time_s)
            at += 1

    def _frame(self, at: int) -> Frame | None:
        with self._lock:
            if at == len(self._frames) and (frame := next(self._rest, None)) is not None:
                self._frames.append(frame)
            return self._frames[at] if at < len(self._frames) else None
