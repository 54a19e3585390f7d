"""Threads that read sources, and what becomes of them when Python ends."""

from __future__ import annotations

import atexit
import math
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

# More than enough for whoever asks the time every 0.1 s.
_SOON_S = 0.5


class Reader(threading.Thread):
    """A thread that may be left while it waits for a packet: it ends with Python.

    :param read: what it does.
    :param stop: tells it to end.
    """

    def __init__(self, read: Callable[[], None], stop: Callable[[], None], name: str) -> None:
        super().__init__(target=read, name=name, daemon=True)
        self.stop = stop

    def start(self) -> None:
        # Once, however many there are.
        atexit.unregister(_wake)
        atexit.register(_wake)
        super().start()


def _wake() -> None:
    """End what still reads.

    While FFmpeg waits for a packet, PyAV asks Python every 0.1 s what time it is, to end what takes too long. Whoever
    asks when Python has ended, and the process is still freeing its libraries, is a segmentation fault. PyAV has no way
    to end the waiting, so those who wait are told that it is late.
    """
    reading = [thread for thread in threading.enumerate() if isinstance(thread, Reader)]
    if not reading:
        return
    import av.container.core as core

    late = {thread.ident for thread in reading}
    core.time = SimpleNamespace(  # type: ignore[attr-defined]
        monotonic=lambda: math.inf if threading.get_ident() in late else time.monotonic()
    )
    for thread in reading:
        thread.stop()
    for thread in reading:
        thread.join(_SOON_S)
